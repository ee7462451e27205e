"""A user's own table about the datapoints, joined by id: patient, scene, site, near-duplicate cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from splitgen.errors import MetadataError
from splitgen.ids import match_id
from splitgen.parquet import read_frame

ID_COLUMN = "id"


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


def read_metadata(path: Path, ids: Sequence[str]) -> pd.DataFrame:
    """The columns of a Parquet or CSV table, one row a datapoint in the order of `ids`; rows of other ids are left out.

    Raises `MetadataError` for a file that cannot be read, without an `id` column, with an id twice, or
    without one of the ids.
    """
    try:
        frame = read_frame(path, text_columns=(ID_COLUMN,))
    except ValueError as error:
        raise MetadataError(str(path), str(error), "give a Parquet or CSV file") from error
    if ID_COLUMN not in frame.columns:
        raise MetadataError(str(path), f"it has no column '{ID_COLUMN}'", f"its columns are {name_columns(frame)}")
    known = set(ids)
    keys = pd.Index([match_id(str(key), known) for key in frame[ID_COLUMN]], name=ID_COLUMN)
    frame = frame.set_index(keys).drop(columns=ID_COLUMN)
    if frame.index.has_duplicates:
        doubled = frame.index[frame.index.duplicated()][0]
        raise MetadataError(str(path), f"id '{doubled}' stands twice", "keep one row for each datapoint")
    missing = pd.Index(ids).difference(frame.index, sort=False)
    if len(missing) > 0:
        shown = f"{len(missing)} datapoints have no row (first: id '{missing[0]}')"
        raise MetadataError(str(path), shown, "ids are POSIX relative paths, or row numbers counted from 0")
    return frame.loc[list(ids)]


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
