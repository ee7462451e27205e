"""Which datapoint each row of a table is about, by its column of ids."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from splitgen.ids import AGREE, AmbiguousIdError, Places, find_contradiction, find_doubled, find_positions, tell_key
from splitgen.tables.table import UNNAMED, Table
from splitgen.whole import NotWholeError, to_whole

ID_COLUMN, INDEX_COLUMN = "id", "index"
# What others name it. Such a column is one of ids only where there is no `id`, and its values are ids.
FILE_COLUMNS = ("file_name", "filename", "file_path", "filepath", "path", "image_path", "image_id", "img_filename")


class KeyFault(ValueError):
    """The rows of a table cannot be told. problem, remedy: for the error that says whose table it is."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}; {remedy}")


@dataclass(frozen=True)
class Keys:
    """How rows are told: by a column of the table, whose n values stand at these positions among the ids, int64 [n],
    -1 for other ids."""

    column: str
    positions: np.ndarray

    @property
    def note(self) -> str | None:
        """For the user, where the column is not `id`."""
        return None if self.column.lower() == ID_COLUMN else f"rows are joined by the column {tell_column(self.column)}"


def tell_column(name: str) -> str:
    return f"'{name}'" if name != UNNAMED else "without a name"


def find_keys(table: Table, places: Places) -> Keys:
    """The rows of a table by its column of ids.

    Raises `KeyFault` for a table without one, an empty id, and a key that could be two ids.
    """
    column = find_id_column(table, places)
    if column is None:
        raise KeyFault(*tell_missing(table, places))
    positions = locate(table.frame[column], places)
    unknown = np.flatnonzero(positions < 0)
    empty = next((row for row in unknown if tell_key(table.frame[column].iloc[row]) is None), None)
    if empty is not None:
        problem = f"column {tell_column(column)} is empty in row {empty} (rows counted from 0)"
        raise KeyFault(problem, "give every row its id")
    return Keys(column, positions)


def find_id_column(table: Table, places: Places) -> str | None:
    """The column `id`; where there is none, the first of `FILE_COLUMNS`, or an index without a name, whose values are
    ids. Raises `KeyFault` for a key that could be two ids."""
    return find_name(table, ID_COLUMN) or find_file_column(table, places)


def find_file_column(table: Table, places: Places) -> str | None:
    """The first of `FILE_COLUMNS`, or an index without a name, whose values are ids. Raises `KeyFault`."""
    for name in (*FILE_COLUMNS, UNNAMED):
        found = find_name(table, name)
        if found is None or (found == UNNAMED and are_numbers(table.frame[found])):
            continue
        if are_ids(locate(table.frame[found], places), len(places.ids)):
            return found
    return None


def find_name(table: Table, name: str) -> str | None:
    """The table's column of that name, in whatever case."""
    if name in table.frame.columns:
        return name
    return next((own for own in table.names if own.lower() == name), None)


def are_numbers(column: pd.Series) -> bool:
    """Whether an index without a name merely counts the rows of its own table."""
    return all(re.fullmatch(r"-?[0-9]+", tell_key(key) or "") for key in column)


def are_ids(positions: np.ndarray, n_ids: int) -> bool:
    """Whether all of a column's values are ids, or all ids are among its values."""
    known = np.unique(positions[positions >= 0])
    return len(known) > 0 and (len(known) == n_ids or bool((positions >= 0).all()))


def locate(column: pd.Series, places: Places) -> np.ndarray:
    """Positions of a column's keys, int64 [n], -1 for one that is no id or empty. Raises `KeyFault`."""
    try:
        return find_positions(column, places)
    except AmbiguousIdError as error:
        raise KeyFault(str(error), "write it as the dataset has it") from error


def advise_column(table: Table, places: Places, otherwise: str) -> str:
    """What to do about a column `id` of other values than ids: take the column that has them, where there is one."""
    try:
        column = find_file_column(table, places)
    except KeyFault:  # it is no better than `id` is
        return otherwise
    return otherwise if column is None else f"its column {tell_column(column)} has the ids: leave out 'id'"


def tell_missing(table: Table, places: Places) -> tuple[str, str]:
    """What a table without a column of ids has, and what to do."""
    first = next((name for name in table.names if places.find(name) >= 0), None)
    if first is not None:
        return f"its first line is no header ('{first}' is an id)", "name the columns in the first line"
    remedy = f"its columns are {table.tell_names()}"
    like = next((own for name in FILE_COLUMNS if (own := find_name(table, name)) is not None), None)
    if like is not None:
        remedy += f"; the values of '{like}' are no ids of the dataset (its ids look like '{places.ids[0]}')"
    return f"it has no column '{ID_COLUMN}'", remedy


def check_once(keys: Keys, table: Table, places: Places) -> None:
    """Raise `KeyFault` where two rows are about one datapoint."""
    doubled = find_doubled(keys.positions)
    if doubled is not None:
        written = [str(table.frame[keys.column].iloc[row]) for row in doubled]
        key = places.ids[int(keys.positions[doubled[0]])]
        shown = "" if written[0] == written[1] else f" (as {' and '.join(map(ascii, written))})"
        raise KeyFault(f"id '{key}' stands twice{shown}", "keep one row for each datapoint")


def check_index(table: Table, keys: Keys, places: Places) -> None:
    """Raise `KeyFault` where a column `index` that numbers datapoints contradicts the ids.

    One that has other values than different row numbers is the user's own, and says nothing.
    """
    if INDEX_COLUMN not in table.names:
        return
    try:
        rows = to_whole(table.typed(INDEX_COLUMN).to_numpy(), 0, len(places.ids))
    except NotWholeError:
        return
    if len(np.unique(rows)) == len(rows):
        check_agreement(rows, table.frame[keys.column], places)


def check_agreement(rows: np.ndarray, column: pd.Series, places: Places) -> None:
    """Raise `KeyFault` where rows [n] by an index are not those of a column of ids; an empty id says nothing."""
    try:
        clash = find_contradiction(rows, column, places)
    except AmbiguousIdError as error:
        raise KeyFault(str(error), "write it as the dataset has it") from error
    if clash is not None:
        raise KeyFault(clash, AGREE)


def order_rows(positions: np.ndarray, n_ids: int) -> np.ndarray:
    """The table's row of each datapoint, int64 [N]; -1 for one without. positions: [n], each row's datapoint or -1."""
    rows = np.full(n_ids, -1, dtype=np.int64)
    known = positions >= 0
    rows[positions[known]] = np.flatnonzero(known)
    return rows
