"""Names of files: those that must not be, and how they are told."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from splitgen.errors import SourceError

MOST_NAMES = 3  # in a line


def show_path(path: str) -> str:
    """A path for messages: bytes that are no UTF-8, and lone halves of characters, as escapes."""
    try:
        return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # no name of a file, but a text of JSON
        return path.encode("utf-8", "backslashreplace").decode()


def check_names(source: str, names: Iterable[str], what: str = "file names") -> None:
    """Raise `SourceError` for names that cannot be ids of rows, or classes. what: they are, in messages.

    Those that are no UTF-8 cannot be written to Parquet; two that differ in Unicode normal form alone look the same,
    and tables of others do not keep them apart.
    """
    unusual = [name for name in names if not name.isascii()]
    broken = [name for name in unusual if not is_unicode(name)]
    if broken:
        shown = f"{len(broken)} {what} are not UTF-8 (first: '{show_path(broken[0])}')"
        raise SourceError(source, shown, "rename them: ids and classes are written as UTF-8")
    first: dict[str, str] = {}
    for name in unusual:
        other = first.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            shown = f"'{name}' stands twice, in two Unicode normal forms of one name"
            raise SourceError(source, shown, "rename one of them")


def is_unicode(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def tell_names(names: Sequence[str]) -> str:
    """Names in quotes, of many the first and how many more."""
    shown = ", ".join(f"'{show_path(name)}'" for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"
