"""Hugging Face datasets: Parquet files that `load_dataset` reads, and a `DatasetDict` by `select`."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from splitgen.errors import ExportError
from splitgen.exports.export import Export, find_parts, replacing_folder
from splitgen.splits.split import SCHEMA, Split

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # what an `Image` feature is stored as
CHUNK = 1000  # rows with images in memory at a time


def make_dataset_dict(split: Split, dataset: Any, label_column: str | None = None) -> Any:
    """A `DatasetDict` of the split's parts, by `select`: no row is copied.

    dataset: a `datasets.Dataset` with the rows of the split's source, in its order.
    label_column: compared with the split's labels where given.
    Raises `ExportError` for a dataset of another length or other labels.
    """
    from datasets import DatasetDict

    if len(dataset) != split.n_points:
        problem = f"the dataset has {len(dataset)} rows, the split {split.n_points}"
        raise ExportError("huggingface", problem, "give the dataset that the split was made of")
    if label_column is not None and list(dataset[label_column]) != split.labels.tolist():
        problem = f"column '{label_column}' differs from the split's labels"
        raise ExportError("huggingface", problem, "give the dataset that the split was made of")
    return DatasetDict({part: dataset.select(split.indices(part)) for part in find_parts(split)})


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
