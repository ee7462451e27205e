"""What the values of a column are: numbers, truths or words.

A column of texts is numbers where all of it is: 0.5, -3, 1.5e-05. A number with zeros in front (007), or a power of ten
without a point or a sign (1E5), is a code, and makes its column one of words. NA, nan, None and null are words; among
more different numbers than a category has, they are numbers that are missing.
"""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd

INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
NUMBER = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|-?(?:0|[1-9][0-9]*)(?:[eE][+-][0-9]+)?", re.ASCII
)
DIGITS = re.compile(r"-?[0-9]{19,}")  # more than int64 has: a number by its looks, a key by its use
TRUTHS = {"True": True, "TRUE": True, "true": True, "False": False, "FALSE": False, "false": False}
NOTHINGS = {"NA", "N/A", "<NA>", "nan", "NaN", "NAN", "None", "null", "NULL"}
FEW = 12  # different numbers that a category may have
EXACT = 2**53  # up to which a float holds every whole number


def read_values(column: pd.Series, decimal: str | None) -> pd.Series:
    """A column with its texts trimmed; where `decimal`, the sign before a fraction, is given, the column is all texts
    and becomes numbers or truths where the whole of it is."""
    if decimal is None and (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column)):
        return column
    texts = [(cell.strip() or None) if isinstance(cell, str) else cell for cell in column]
    found = None if decimal is None else parse_texts(texts, decimal)
    if found is None:
        return pd.Series(texts, index=column.index, name=column.name, dtype=object)  # of lists, each is a cell
    return pd.Series(found, index=column.index, name=column.name, dtype=found.dtype)


def parse_texts(texts: list[str | None], decimal: str) -> np.ndarray | None:
    """Numbers or truths [n]; None where the texts are words."""
    words = {text for text in texts if text is not None}
    if words and words <= TRUTHS.keys():
        truths = [None if text is None else TRUTHS[text] for text in texts]
        return np.array(truths, dtype=object if None in texts else bool)
    numbers = words - NOTHINGS
    if not numbers or (numbers != words and len(numbers) <= FEW):
        return None
    if all(INTEGER.fullmatch(text) for text in numbers):
        return parse_integers(texts, numbers, is_full=numbers == words and None not in texts)
    known = {text: parse_number(text, decimal) for text in numbers}
    if not all(math.isfinite(value) for value in known.values()):
        return None
    return np.array([math.nan if text is None else known.get(text, math.nan) for text in texts])


def parse_integers(texts: list[str | None], numbers: set[str], is_full: bool) -> np.ndarray | None:
    """Whole numbers [n], as floats where some are missing; None where floats do not hold them."""
    known = {text: int(text) for text in numbers}
    if is_full:
        return np.array([known[text] for text in texts if text is not None], dtype=np.int64)
    if any(abs(value) > EXACT for value in known.values()):
        return None
    return np.array([math.nan if text is None else known.get(text, math.nan) for text in texts])


def parse_number(text: str, decimal: str) -> float:
    """The number that a text is; NaN where it is none, or a code."""
    text = text.replace(",", ".", 1) if decimal == "," else text
    return float(text) if NUMBER.fullmatch(text) and not DIGITS.fullmatch(text) else math.nan
