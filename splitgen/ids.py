"""Rows as tables of others name them: by position, by id, or by both; and ids that spreadsheets leave alone."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

GUARD = "./"  # in front of a path it changes nothing: ./x is the file x
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def guard_id(key: str) -> str:
    """The id, or the same path written so that no spreadsheet runs it as a formula."""
    return GUARD + key if key.startswith(FORMULA_STARTS) else key


def match_id(key: str, ids: Container[str]) -> str:
    """The id that a key stands for: itself, or without the guard where only that is one of the ids."""
    bare = key.removeprefix(GUARD)
    return bare if key not in ids and bare in ids else key


def find_positions(keys: Iterable[Any], ids: Sequence[str]) -> np.ndarray:
    """Where each of the keys [n] stands among the ids, int64 [n]; -1 for one that does not."""
    places = {key: place for place, key in enumerate(ids)}
    return np.array([places.get(match_id(str(key), places), -1) for key in keys], dtype=np.int64)


def find_contradiction(rows: np.ndarray, keys: Iterable[Any], ids: Sequence[str]) -> str | None:
    """What a table says of the first row where its index and its id are not those of one datapoint.

    rows: int [n], by the table's index; those out of range are left out. keys: [n], by its id; one that is empty says
    nothing.
    """
    found = list(keys)
    for row, key, place in zip(rows.tolist(), found, find_positions(found, ids).tolist(), strict=True):
        if 0 <= row < len(ids) and place != row and pd.isna(key) is not True:
            return f"index {row} is '{ids[row]}', but stands beside the id '{key}'"
    return None


AGREE = "correct one of them, or leave out the column that is wrong"  # remedy of a contradiction
