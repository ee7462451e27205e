"""Hugging Face datasets: Parquet files that `load_dataset` reads, and a `DatasetDict` by `select`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from splitgen.data.row_names import as_array, find_label_column, list_hub_labels, list_namings
from splitgen.errors import ExportError, SplitFileError
from splitgen.exports.export import Export, find_parts, replacing_folder
from splitgen.ids import AmbiguousIdError, find_positions
from splitgen.splits.rows import SCHEMA
from splitgen.splits.split import SAME_ROWS, Split, check_labels, check_length, check_names

CONSUMER = "huggingface"

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # what an `Image` feature is stored as
CHUNK = 1000  # rows with images in memory at a time


def make_dataset_dict(split: Split, dataset: Any, label_column: str | None = None, id_column: str | None = None) -> Any:
    """A `DatasetDict` of the split's parts, by `select`: no row is copied.

    dataset: a `datasets.Dataset` with the rows of the split's source, in its order. Its columns of ids or paths and the
        paths of its images are compared with the split's ids, as far as they are of one kind.
    label_column: numbers or class names, compared with the split's labels; None compares those of the column label or
        labels, where there is one.
    id_column: compared with the split's ids, of whatever kind it is, where given.
    Raises `ExportError` for a dataset of another length, or with other ids or labels.
    """
    from datasets import DatasetDict

    lacking = next((name for name in (label_column, id_column) if name and name not in dataset.column_names), None)
    if lacking is not None:
        raise ExportError(CONSUMER, f"the dataset has no column '{lacking}'", f"its columns are {dataset.column_names}")
    try:
        check_length(split, "split", len(dataset))
        check_names(split, "split", list_namings(dataset))
        column = label_column or find_label_column(dataset)
        if column is not None:
            labels = as_array(list_hub_labels(dataset, column, split.class_names))
            check_labels(split, "split", np.arange(split.n_points), labels)
    except SplitFileError as error:
        raise ExportError(CONSUMER, error.problem, error.remedy) from error
    if id_column is not None:
        check_id_column(split, id_column, list(dataset.with_format(None)[id_column]))
    return DatasetDict({part: dataset.select(split.indices(part)) for part in find_parts(split)})


def check_id_column(split: Split, name: str, keys: list[Any]) -> None:
    """Raise `ExportError` where a column [N] is not the split's ids in order."""
    try:
        places = find_positions(keys, split.ids)
    except AmbiguousIdError as error:
        raise ExportError(CONSUMER, str(error), "write it as the split has it") from error
    differs = np.flatnonzero(places != np.arange(split.n_points))
    if len(differs):
        row = int(differs[0])
        problem = f"column '{name}' has '{keys[row]}' in row {row}, the split '{split.ids[row]}'"
        raise ExportError(CONSUMER, problem, SAME_ROWS)


def write_parts(export: Export) -> None:
    """A folder with train.parquet, test.parquet and, where it has rows, validation.parquet.

    Columns of the index file and, where the images' folder is given, `image`, which `load_dataset` decodes.
    """
    frame = export.split.to_frame()
    files = None if export.images is None else export.image_files()
    schema = SCHEMA if files is None else with_image(SCHEMA)
    with replacing_folder(export) as folder:
        for part in find_parts(export.split):
            indices = export.split.indices(part)
            with pq.ParquetWriter(folder / f"{part}.parquet", schema, compression="zstd") as writer:
                for start in range(0, len(indices), CHUNK):
                    chosen = indices[start : start + CHUNK]
                    rows = frame.iloc[chosen]
                    if files is not None:
                        images = [{"bytes": files[i].read_bytes(), "path": files[i].name} for i in chosen]
                        rows = rows.assign(image=pd.Series(images, index=rows.index, dtype=object))
                    writer.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False))


def with_image(schema: pa.Schema) -> pa.Schema:
    """The schema with an image column, and the note by which Hugging Face datasets decodes it."""
    features = {field.name: {"dtype": str(field.type), "_type": "Value"} for field in schema}
    features["image"] = {"_type": "Image"}
    note = json.dumps({"info": {"features": features}})
    return schema.append(pa.field("image", IMAGE)).with_metadata({"huggingface": note})
