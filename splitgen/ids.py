"""Ids as others write them: guarded against spreadsheets, which take some texts for formulas."""

from __future__ import annotations

from collections.abc import Container

GUARD = "./"  # in front of a path it changes nothing: ./x is the file x
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def guard_id(key: str) -> str:
    """The id, or the same path in words that no spreadsheet runs as a formula."""
    return GUARD + key if key.startswith(FORMULA_STARTS) else key


def match_id(key: str, ids: Container[str]) -> str:
    """The id that a key stands for: itself, or without the guard where only that is one of the ids."""
    bare = key.removeprefix(GUARD)
    return bare if key not in ids and bare in ids else key
