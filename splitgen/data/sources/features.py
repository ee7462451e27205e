"""Embeddings: a vector of features for each datapoint in place of an image.

They lie behind the seam of images as ones of a single pixel with a channel for each feature, [D, 1, 1], so that each
feature is standardised by itself as a channel is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from splitgen.archives import ArchiveError, open_npz
from splitgen.data.class_checks import check_label_shape
from splitgen.data.dataset import ImageDataset, make_dataset
from splitgen.data.listings.arrow import is_label, read_class_names, read_features, read_labels
from splitgen.data.listings.columns import find_label_column
from splitgen.data.listings.labels import LabelColumn, code_labels, text_column
from splitgen.data.listings.part_names import NO_PARTS, refuse_part
from splitgen.errors import SourceError
from splitgen.footers import DAMAGED, check_footprint
from splitgen.parquet import check_names
from splitgen.settings.stages import DataConfig

ID_COLUMN = "id"
GIVE = "give an .npz file with x (N x D) and y (N), or a Parquet file with vectors or numbers and a label"


def load_features(argument: str, config: DataConfig) -> ImageDataset:
    """An npz archive with x (N x D) and y (N), or a Parquet table with one column of vectors or a column of numbers for
    each feature, and one of labels; its column `id` gives the ids. Labels of words are classes by name.

    Raises `SourceError`.
    """
    path = Path(argument)
    source = f"features:{path.name}"
    refuse_part(source, config.part, NO_PARTS)
    if not path.is_file():
        raise SourceError(f"features:{argument}", "the file does not exist", GIVE)
    ids = None
    if path.suffix.lower() == ".npz":
        x, column = read_npz_features(source, path)
    elif path.suffix.lower() in (".parquet", ".pq"):
        x, column, ids = read_parquet_features(source, path, config)
    else:
        raise SourceError(source, f"its suffix is '{path.suffix}'", GIVE)
    check_label_shape(source, column.values.shape, len(x))
    if len(x) == 0:
        raise SourceError(source, "it has no rows", "give a dataset with at least two classes")
    labels, names = code_labels(source, column)
    with np.errstate(over="ignore"):  # what float32 does not hold becomes infinite, and is refused as that
        features = torch.from_numpy(np.array(x, dtype=np.float32, order="C"))[:, :, None, None]
    return make_dataset(source, features, labels, raw=[x.tobytes()], ids=ids, class_names=names)


def read_npz_features(source: str, path: Path) -> tuple[np.ndarray, LabelColumn]:
    """x [N, D] and y [N], read once they are known to fit together."""
    try:
        with open_npz(path) as archive:
            if not {"x", "y"} <= set(archive.members):
                raise SourceError(source, "it lacks the arrays x and y", GIVE)
            x, y = archive.header("x"), archive.header("y")
            check_features(source, x.shape, x.dtype)
            check_label_shape(source, y.shape, x.shape[0])
            labels = archive.read("y")
            if labels.dtype.kind == "U":
                return archive.read("x"), text_column(labels.tolist())
            return archive.read("x"), LabelColumn(labels, np.ones(len(labels), dtype=bool))
    except OSError as error:
        raise SourceError(source, f"it cannot be read ({error.strerror})", GIVE) from error
    except ArchiveError as error:
        raise SourceError(source, error.problem, error.remedy) from error


def check_features(source: str, shape: Sequence[int], dtype: Any) -> None:
    """Raise `SourceError` unless these are numbers [N, D]."""
    if len(shape) != 2 or shape[1] == 0:
        remedy = "give N x D, a vector for each datapoint"
        if len(shape) in (3, 4):
            remedy += ", or open images with npz:FILE"
        raise SourceError(source, f"its features have the shape {tuple(shape)}", remedy)
    if np.dtype(dtype).kind not in "iuf":
        raise SourceError(source, f"its features have the type {dtype}", "give numbers")


def read_parquet_features(
    source: str, path: Path, config: DataConfig
) -> tuple[np.ndarray, LabelColumn, tuple[str, ...] | None]:
    """Features [N, D], labels [N], and ids where the table has them."""
    try:
        check_footprint(path)
        check_names(pq.read_schema(path).names)
        table = pq.read_table(path)
    except (OSError, ValueError, *DAMAGED) as error:
        raise SourceError(source, f"it cannot be read ({' '.join(str(error).split())})", GIVE) from error
    notes = read_features(table.schema)
    fitting = [field.name for field in table.schema if is_label(field.type)]
    named = [name for name in fitting if notes.get(name, {}).get("_type") == "ClassLabel"]
    label = find_label_column(source, config.label_column, fitting, named)
    labels = read_labels(table.column(label), read_class_names(notes.get(label, {})))
    if not labels.present.all():
        n_empty = int((~labels.present).sum())
        raise SourceError(source, f"column '{label}' is empty in {n_empty} rows", "give every row its label")
    ids = None
    if ID_COLUMN in table.column_names and label != ID_COLUMN:
        ids = read_ids(source, table.column(ID_COLUMN))
        check_distinct(source, ids)
    others = {label, ID_COLUMN, *list_index_columns(table.schema)}
    return read_columns(source, table, others, config.image_column), labels, ids


def read_ids(source: str, column: pa.ChunkedArray) -> tuple[str, ...]:
    """The ids of N rows as text. Raises `SourceError` for a column of anything but text and numbers."""
    if not is_label(column.type):
        raise SourceError(source, f"column '{ID_COLUMN}' holds {column.type}", "give ids of text or whole numbers")
    return tuple(map(str, column.to_pylist()))


def list_index_columns(schema: pa.Schema) -> list[str]:
    """Columns that are the index of a pandas table, by what it notes in the file: positions of rows, no features."""
    try:
        noted = (schema.pandas_metadata or {}).get("index_columns", [])
    except ValueError:  # a note that is no JSON
        return []
    return [name for name in noted if isinstance(name, str)]


def check_distinct(source: str, ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        doubled = pd.Index(ids)[pd.Index(ids).duplicated()][0]
        raise SourceError(source, f"id '{doubled}' stands twice", "keep one row for each datapoint")


def read_columns(source: str, table: pa.Table, others: set[str], wanted: str | None) -> np.ndarray:
    """Features [N, D]: the column of vectors, or else all columns of numbers that have no other use."""
    fields = {field.name: field.type for field in table.schema if field.name not in others}
    if wanted is not None and wanted not in fields:
        raise SourceError(source, f"it has no column '{wanted}'", f"give --image-column, one of {', '.join(fields)}")
    vectors = [name for name, kind in fields.items() if is_vector(kind)]
    if wanted is not None:
        vectors = [wanted]
    if len(vectors) > 1:
        problem = f"it has {len(vectors)} columns of vectors ({', '.join(vectors)})"
        raise SourceError(source, problem, f"give --image-column, such as --image-column {vectors[0]}")
    if vectors:
        return read_vectors(source, table.column(vectors[0]), vectors[0])
    numbers = [name for name, kind in fields.items() if pa.types.is_integer(kind) or pa.types.is_floating(kind)]
    if not numbers:
        raise SourceError(source, "it has no column of vectors and none of numbers", GIVE)
    return np.stack([read_numbers(source, table.column(name), name) for name in numbers], axis=1)


def is_vector(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)))


def read_vectors(source: str, column: pa.ChunkedArray, name: str) -> np.ndarray:
    """A column of lists of one length as [N, D]."""
    if not is_vector(column.type):
        raise SourceError(source, f"column '{name}' holds {column.type}", "give one with lists of numbers")
    if column.null_count:
        raise SourceError(source, f"column '{name}' is empty in {column.null_count} rows", "leave these rows out")
    lengths = {len(each) for each in column}
    if len(lengths) != 1 or 0 in lengths:
        problem = f"column '{name}' has vectors of {min(lengths, default=0)} to {max(lengths, default=0)} numbers"
        raise SourceError(source, problem, "give vectors of one length")
    flat = column.combine_chunks().flatten() if column.num_chunks else pa.array([], pa.float32())
    return read_numbers(source, flat, name).reshape(-1, lengths.pop())


def read_numbers(source: str, column: Any, name: str) -> np.ndarray:
    """Numbers [n]; none may be missing."""
    if column.null_count:
        raise SourceError(source, f"column '{name}' has {column.null_count} missing numbers", "fill or leave them out")
    values: np.ndarray = column.to_numpy()
    return values
