"""Folders that are parts of a dataset, by the names that people give them: train, val, test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from splitgen.data.listings.parts import ALIASES
from splitgen.errors import SourceError

TRAIN, VAL, TEST = "train", "validation", "test"
NO_PARTS = "all of its rows are one"


def find_meaning(name: str) -> str | None:
    """ "train", "validation" or "test" for a name that means it, in any case; None for another."""
    return ALIASES.get(name.lower())


def list_own_tests(names: Sequence[str], part: str) -> list[str]:
    """Those of the names that may be the own test set beside a part, the best first: test, then val."""
    others = [name for name in names if find_meaning(name) != find_meaning(part)]
    return [name for meaning in (TEST, VAL) for name in others if find_meaning(name) == meaning]


def find_part(source: str, names: Sequence[str], wanted: str | None) -> str:
    """The one of the names that is the part wanted (None: train), or means the same.

    Raises `SourceError` where the part is not there, or two names mean it.
    """
    if wanted in names:
        return str(wanted)
    text = TRAIN if wanted is None else wanted
    meaning = find_meaning(text)
    found = [name for name in names if meaning is not None and find_meaning(name) == meaning]
    if len(found) == 1:
        return found[0]
    if found:
        raise SourceError(source, f"{list_parts(found)} all mean '{text}'", "give --part with one of these names")
    remedy = f"give --part with one of those that it has: {', '.join(names)}"
    raise SourceError(source, f"it has no part '{text}'", remedy)


def refuse_part(source: str, wanted: str | None, why: str) -> None:
    """Raise `SourceError` where a part is wanted of a source that has none."""
    if wanted is not None:
        raise SourceError(source, f"it has no part '{wanted}': {why}", "leave out --part")


def list_parts(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
