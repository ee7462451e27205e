"""A user's own table about the datapoints, joined by id: patient, scene, site, near-duplicate cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from splitgen.errors import MetadataError
from splitgen.ids import Places
from splitgen.tables.keys import (
    ID_COLUMN,
    KeyFault,
    Keys,
    advise_column,
    check_index,
    check_once,
    find_keys,
    order_rows,
)
from splitgen.tables.table import Table, read_table


@dataclass(frozen=True)
class Groups:
    """Which datapoints belong together and must not be torn apart by a split.

    column: of the metadata; None where only byte-identical images belong together.
    codes: int64 [N], 0..n_groups-1.
    duplicates: byte-identical images are in one group.
    """

    column: str | None
    codes: np.ndarray
    duplicates: bool = False

    @property
    def n_groups(self) -> int:
        return int(self.codes.max()) + 1


@dataclass(frozen=True)
class Metadata:
    """A table that was joined. frame: one row a datapoint in their order. notes: how, one line each, for the user."""

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()


def join_metadata(path: Path, ids: Sequence[str]) -> Metadata:
    """The columns of a Parquet or CSV table (`splitgen.tables`), one row a datapoint in the order of `ids`; rows of
    other ids are left out.

    The column of ids is `id`; where there is none, `file_name`, `filename`, `path`, `image_id` and their like, or an
    index without a name, if its values are ids: a note says so. Raises `MetadataError` for a file that cannot be read,
    without a column of ids, with an id twice, empty or of two datapoints, without one of the ids, and with a column
    `index` that contradicts them.
    """
    places = Places(ids)
    try:
        table = read_table(path)
        keys = find_keys(table, places)
        check_once(keys, table, places)
        check_index(table, keys, places)
    except KeyFault as error:
        raise MetadataError(str(path), error.problem, error.remedy) from error
    except ValueError as error:
        raise MetadataError(str(path), str(error), "give a Parquet or CSV file") from error
    rows = order_rows(keys.positions, len(ids))
    if (rows < 0).any():
        raise tell_without_row(path, table, keys, rows, places)
    names = [name for name in table.names if name != keys.column]
    index = pd.Index(np.array(ids, dtype=object), name=ID_COLUMN)
    columns = {name: table.typed(name).iloc[rows].set_axis(index) for name in names}
    return Metadata(pd.DataFrame(columns, index=index), () if keys.note is None else (f"metadata: {keys.note}",))


def tell_without_row(path: Path, table: Table, keys: Keys, rows: np.ndarray, places: Places) -> MetadataError:
    """The error of datapoints without a row. rows: [N], -1 for those."""
    without = np.flatnonzero(rows < 0)
    problem = f"{len(without)} datapoints have no row (first: id '{places.ids[without[0]]}')"
    other = next((row for row, position in enumerate(keys.positions.tolist()) if position < 0), None)
    if other is not None:
        problem += f"; no datapoint has its id '{table.frame[keys.column].iloc[other]}'"
    remedy = advise_column(table, places, "ids are POSIX relative paths, or row numbers counted from 0")
    return MetadataError(str(path), problem, remedy)


def read_metadata(path: Path, ids: Sequence[str]) -> pd.DataFrame:
    """The frame of `join_metadata`. Raises `MetadataError`."""
    return join_metadata(path, ids).frame


def read_codes(path: Path, column: str, ids: Sequence[str]) -> np.ndarray:
    """`code_column` of a table in a file, in the order of `ids`. Raises `MetadataError`."""
    return code_column(read_metadata(path, ids), path, column)


def code_column(frame: pd.DataFrame, path: Path, column: str) -> np.ndarray:
    """The values of a column as numbers 0, 1, ... in sorted order, int64 [N]. path: of the table, for errors.

    Raises `MetadataError` for a column that is not there, or is empty for a datapoint.
    """
    if column not in frame.columns:
        raise MetadataError(str(path), f"it has no column '{column}'", f"its columns are {name_columns(frame)}")
    is_empty = frame[column].isna().to_numpy()
    if is_empty.any():
        first = frame.index[int(np.flatnonzero(is_empty)[0])]
        raise MetadataError(str(path), f"column '{column}' is empty for id '{first}'", "give every datapoint a value")
    values = frame[column] if pd.api.types.is_numeric_dtype(frame[column]) else frame[column].astype(str)
    codes, _ = pd.factorize(values, sort=True)
    return codes.astype(np.int64)


def name_columns(frame: pd.DataFrame) -> str:
    return ", ".join(map(str, frame.columns)) or "none"
