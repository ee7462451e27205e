"""Labellings that the user has: columns of a table, as margins of the datapoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from splitgen.data.dataset import ImageDataset
from splitgen.data.metadata import name_columns, read_metadata
from splitgen.errors import MetadataError, SettingError
from splitgen.settings.faults import fault
from splitgen.tables.keys import INDEX_COLUMN
from splitgen.tasks.tasks_file import LARGEST


def read_columns(path: Path, ids: Sequence[str], what: str) -> dict[str, pd.Series]:
    """The columns of a user's table but `id` and `index`, in the order of `ids`. what: each of them is.

    Raises `MetadataError` where there is none.
    """
    frame = read_metadata(path, ids)
    names = [str(name) for name in frame.columns if name != INDEX_COLUMN]
    if not names:
        raise MetadataError(str(path), "it has no column beside id", f"give a column for each {what}")
    return {name: frame[name] for name in names}


def read_margins(path: str, name: str, column: pd.Series) -> np.ndarray:
    """Task margins [N] of one column."""
    if column.isna().any():
        row = column.index[int(np.flatnonzero(column.isna())[0])]
        raise MetadataError(path, f"column '{name}' is empty for id '{row}'", "give every datapoint a value")
    codes, values = pd.factorize(column, sort=True)
    if len(values) == 2:
        return np.asarray(2.0 * codes - 1)
    if len(values) < 2 or not pd.api.types.is_numeric_dtype(column):
        problem = f"column '{name}' has {len(values)} different values"
        raise MetadataError(path, problem, "a task has two, or numbers as margins")
    numbers = column.to_numpy(np.float64)
    if not (np.abs(numbers) <= LARGEST).all():
        raise MetadataError(path, f"column '{name}' has values that are infinite or beyond {LARGEST:g}", "scale them")
    return np.asarray(numbers - np.median(numbers))


def read_avoided(dataset: ImageDataset, columns: str) -> np.ndarray:
    """Standardised margins float32 [N, L] of the labellings that discovered tasks are to be dissimilar to.

    columns: names of the dataset's metadata, with commas between.
    Raises `SettingError` for a column that is not there, `MetadataError` for one that is no labelling.
    """
    frame = dataset.metadata
    if frame is None:
        raise SettingError(fault("avoid_columns", columns, "given together with metadata, the table that has them"))
    names = [name.strip() for name in columns.split(",")]
    for name in names:
        if name not in frame.columns:
            raise SettingError(fault("avoid_columns", name, f"columns of the metadata ({name_columns(frame)})"))
    margins = np.stack([read_margins(f"of {dataset.source}", name, frame[name]) for name in names], axis=1)
    standardised: np.ndarray = (margins - margins.mean(axis=0)) / margins.std(axis=0)
    return standardised.astype(np.float32)
