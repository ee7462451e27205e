"""Numbers out of columns and arrays that others made: nothing is cut off, and nothing wraps around."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np


class NotWholeError(ValueError):
    """A value that is no whole number, or one out of range. position: in the array; is_whole: then it is a number."""

    def __init__(self, value: Any, position: int, is_whole: bool) -> None:
        self.value, self.position, self.is_whole = value, position, is_whole
        self.shown = str(value) if is_whole or isinstance(value, numbers.Real) else repr(value)
        super().__init__(f"{self.shown} is {'out of range' if is_whole else 'no whole number'}")


def to_whole(values: Any, low: int, high: int, allow_booleans: bool = False) -> np.ndarray:
    """Values [n] as int64 [n], low <= value < high; floats that are whole are whole.

    high: at most 2**63. Raises `NotWholeError` at the first that is not: text, nothing, NaN, a fraction; a boolean
    where they are not allowed.
    """
    array = np.asarray(values)
    if not len(array):  # of no values, the type says nothing
        return np.zeros(0, dtype=np.int64)
    bad = find_not_whole(array, allow_booleans)
    if bad.any():
        raise NotWholeError(*pick(array, bad), is_whole=False)
    if array.dtype.kind == "f":  # half floats cannot be compared with what they do not hold
        array = array.astype(np.float64)
    outside = np.asarray((array < low) | (array >= high), dtype=bool)  # before the cast, which would wrap around
    if outside.any():
        value, position = pick(array, outside)
        raise NotWholeError(int(value), position, is_whole=True)
    return array.astype(np.int64)


def to_reals(values: np.ndarray) -> np.ndarray | None:
    """Numbers [n] as float64 [n], NaN and infinity among them; None where the values are no numbers."""
    if values.dtype.kind not in "iuf":
        return None
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        return values.astype(np.float64)


def find_not_whole(array: np.ndarray, allow_booleans: bool) -> np.ndarray:
    """Which values are no whole numbers, bool [n]."""
    kind = array.dtype.kind
    if kind == "O":
        return np.array([not is_whole(value, allow_booleans) for value in array], dtype=bool)
    if kind == "f":
        with np.errstate(invalid="ignore"):  # of a signalling NaN
            return np.asarray(~np.isfinite(array) | (array != np.floor(array)), dtype=bool)
    return np.full(len(array), kind not in ("iub" if allow_booleans else "iu"))


def is_whole(value: Any, allow_booleans: bool) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return allow_booleans
    if isinstance(value, numbers.Integral):
        return True
    return isinstance(value, numbers.Real) and float(value).is_integer()


def pick(array: np.ndarray, chosen: np.ndarray) -> tuple[Any, int]:
    """The first chosen value as Python has it, and its position."""
    position = int(np.flatnonzero(chosen)[0])
    value = array[position]
    return (value.item() if isinstance(value, np.generic) else value), position
