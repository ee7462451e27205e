"""Tasks that the user has: a table with a column for each, joined by id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from splitgen.data.metadata import read_metadata
from splitgen.errors import MetadataError, SettingError
from splitgen.models.bench import Bench
from splitgen.tables.keys import INDEX_COLUMN
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.tasks_file import LARGEST
from splitgen.tasks.ways.request import WayRequest


def given_tasks(bench: Bench, request: WayRequest) -> FoundTasks:
    """A task for each column of the table but `id` and `index`.

    Two different values are two sides, +1 for the larger (of words: the later); numbers with more are margins from
    their median, so that each class is parted where the numbers part it. Raises `SettingError` without a table,
    `MetadataError` for a column that is neither, or that is empty for a datapoint.
    """
    if request.labels is None:
        raise SettingError("tasks that are given need a table; give --labels FILE with columns id and a task")
    columns = read_columns(request.labels, bench.dataset.ids, "task")
    margins = [read_margins(str(request.labels), name, column) for name, column in columns.items()]
    return FoundTasks("given", np.stack(margins, axis=1).astype(np.float32))


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
