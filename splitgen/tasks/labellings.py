"""Labellings whose agreement is to be scored: the columns of a user's table, as classes of the datapoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from splitgen.errors import MetadataError
from splitgen.tasks.agreement import read_task_labels
from splitgen.tasks.columns import read_columns, read_margins

FEWEST_ROWS = 4  # of a class on average; a column of fewer is a key, and no labelling


def read_labellings(path: Path, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """int64 [N] of classes 0..K-1 for each column of a table but `id` and `index`, by its name.

    Words, booleans and whole numbers are classes, in sorted order; other numbers are margins, class 1 above their
    median. Raises `MetadataError` for a column that is neither, or that is empty for a datapoint.
    """
    columns = read_columns(path, ids, "labelling")
    return {name: read_classes(str(path), name, column) for name, column in columns.items()}


def read_classes(path: str, name: str, column: pd.Series) -> np.ndarray:
    """Classes [N] of one column."""
    codes, values = pd.factorize(column, sort=True)
    if pd.api.types.is_float_dtype(column) and len(values) > 2:
        return read_task_labels(read_margins(path, name, column))
    if (codes < 0).any():
        row = column.index[int(np.flatnonzero(codes < 0)[0])]
        raise MetadataError(path, f"column '{name}' is empty for id '{row}'", "give every datapoint a class")
    if not 2 <= len(values) <= len(codes) / FEWEST_ROWS:
        problem = f"column '{name}' has {len(values)} different values for {len(codes)} datapoints"
        raise MetadataError(path, problem, f"a labelling has two classes or more, of {FEWEST_ROWS} datapoints or more")
    return codes.astype(np.int64)
