"""Rows as tables of others name them: by position, by id, or by both; and ids that spreadsheets leave alone.

An id that a table has exactly is that row. Else one of the same normal form is: composed Unicode, slashes that lean
forward, no blanks around it and no "./" in front, whole numbers without a fraction.
"""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

GUARD = "./"  # in front of a path it changes nothing: ./x is the file x
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
WHOLE = re.compile(r"(-?[0-9]+)\.0+")  # what spreadsheets make of a column of whole numbers with an empty cell
SHARED = -2  # of a form that several ids have


class AmbiguousIdError(ValueError):
    """A key that is none of the ids, and could stand for two of them."""


class Places:
    """Where each of N ids stands, however a table writes it."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = ids
        self.exact = {key: place for place, key in enumerate(ids)}

    def find(self, key: Any) -> int:
        """The position of the id that a key stands for; -1 where there is none. Raises `AmbiguousIdError`."""
        text = tell_key(key)
        if text is None:
            return -1
        for form in (text, text.removeprefix(GUARD)):
            if form in self.exact:
                return self.exact[form]
        form = normal_form(text)
        whole = WHOLE.fullmatch(form)
        place = self.by_form.get(form, -1)
        if place == -1 and whole is not None:
            place = self.by_form.get(whole[1], -1)
            form = whole[1]
        if place == SHARED:
            first, second = [own for own in self.ids if normal_form(own) == form][:2]
            raise AmbiguousIdError(f"the id {ascii(text)} can be {ascii(first)} and {ascii(second)}")
        return place

    @cached_property
    def by_form(self) -> dict[str, int]:
        """Positions by the ids' normal forms."""
        places: dict[str, int] = {}
        for place, key in enumerate(self.ids):
            form = normal_form(key)
            places[form] = SHARED if form in places else place
        return places


def tell_key(key: Any) -> str | None:
    """A key as text; None for an empty one. Of a column of numbers, 7.0 is 7."""
    if isinstance(key, str):
        return key if key and not key.isspace() else None
    if isinstance(key, bytes):
        return tell_key(key.decode("utf-8", "replace"))
    if key is None or pd.isna(key) is True:
        return None
    if isinstance(key, (float, np.floating)) and float(key).is_integer():
        return str(int(key))
    return str(key)


def normal_form(key: str) -> str:
    """What is the same of an id however it is written."""
    form = (key if key.isascii() else unicodedata.normalize("NFC", key)).replace("\\", "/").strip()
    while form.startswith(GUARD):
        form = form.removeprefix(GUARD).lstrip()
    return form


def guard_id(key: str) -> str:
    """The id, or the same path written so that no spreadsheet runs it as a formula."""
    return GUARD + key if key.startswith(FORMULA_STARTS) else key


def find_positions(keys: Iterable[Any], ids: Sequence[str] | Places) -> np.ndarray:
    """Where each of the keys [n] stands among the ids, int64 [n]; -1 for one that does not, or is empty.

    Raises `AmbiguousIdError`.
    """
    places = ids if isinstance(ids, Places) else Places(ids)
    exact, found = places.exact, list(keys)
    # most keys are ids as they stand, and a look-up is a tenth of the way by `find`
    positions = [exact.get(key, -1) if isinstance(key, str) else -1 for key in found]
    return np.array(
        [places.find(key) if place < 0 else place for key, place in zip(found, positions, strict=True)], dtype=np.int64
    )


def find_contradiction(rows: np.ndarray, keys: Iterable[Any], ids: Sequence[str] | Places) -> str | None:
    """What a table says of the first row where its index and its id are not those of one datapoint.

    rows: int [n], by the table's index; those out of range are left out. keys: [n], by its id; one that is empty says
    nothing. Raises `AmbiguousIdError`.
    """
    places = ids if isinstance(ids, Places) else Places(ids)
    found = list(keys)
    differs = (find_positions(found, places) != rows) & (rows >= 0) & (rows < len(places.ids))
    told = next((place for place in np.flatnonzero(differs) if tell_key(found[place]) is not None), None)
    if told is None:
        return None
    row = int(rows[told])
    return f"index {row} is '{places.ids[row]}', but stands beside the id '{found[told]}'"


def find_doubled(rows: np.ndarray) -> tuple[int, int] | None:
    """The first two places in rows [n] that hold the same row, -1 left aside; None where every row is there once."""
    known = np.flatnonzero(rows >= 0)
    _, first, which = np.unique(rows[known], return_index=True, return_inverse=True)
    again = known[first[which] != np.arange(len(known))]
    if not len(again):
        return None
    return int(np.flatnonzero(rows == rows[again[0]])[0]), int(again[0])


AGREE = "correct one of them, or leave out the column that is wrong"  # remedy of a contradiction


def is_path(key: str) -> bool:
    """Whether a name is that of a file, and not a number or a word."""
    return "/" in key or (mimetypes.guess_type(key, strict=False)[0] or "").startswith("image/")


def is_same_name(key: str, name: str) -> bool:
    """Whether two names can be of one file: they are the same, or one is a longer path of the other."""
    return key == name or key.endswith(f"/{name}") or name.endswith(f"/{key}")


def find_other_name(ids: Sequence[str], names: Sequence[str | None]) -> int | None:
    """The first row [N] whose name is not that of its id; None where all agree, or the names are of another kind.

    A name of None says nothing of its row, and names of another kind say nothing of any: paths beside ids that are
    none, words of which none is an id, and beside ids that are mere row numbers all but these same numbers.
    """
    own = [normal_form(key) for key in ids]
    told = {row: normal_form(name) for row, name in enumerate(names) if name is not None}
    if not told or is_path(own[min(told)]) != is_path(told[min(told)]):
        return None
    if not is_path(own[min(told)]):
        keys, others = set(own), set(told.values())
        if not keys & others or (keys != others and own == [str(row) for row in range(len(own))]):
            return None
    return next((row for row, name in told.items() if not is_same_name(own[row], name)), None)
