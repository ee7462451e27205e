"""Paths of images as a table has them, relative to the folder that the table lies in."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from splitgen.data.listings.pictures import FilePictures
from splitgen.errors import SourceError

PLAIN = re.compile(r"\w[^/]*(/\w[^/]*)*")  # as is; no path from the root, nothing empty, no dot


@dataclass(frozen=True)
class FoundFiles:
    """Image files of N rows. ids: their paths as written. faults: what is wrong with a row's path, by row."""

    pictures: FilePictures
    ids: tuple[str, ...]
    faults: dict[int, str]


def find_files(
    source: str, root: Path, texts: Sequence[str | None], tell_row: Callable[[int], str], follow_links: bool
) -> FoundFiles:
    """The files that paths [N] name; None where a row has none.

    An id is the path as written, with slashes, without `./`; an absolute one within the folder becomes relative.
    Raises `SourceError` for a path that stands twice, and for files outside of the folder unless links are followed.
    """
    inside, paths, ids, faults = Inside(root), [], [], {}
    outside: list[int] = []
    for row, text in enumerate(texts):
        key = "" if text is None else inside.shorten(text)
        path = next((form for form in written_forms(key) if os.path.isfile(inside.join(form))), None)
        if path is None:
            faults[row] = tell_absence(text)
        elif not follow_links and not inside.holds(path):
            outside.append(row)
        ids.append(key)
        paths.append(key if path is None else path)
    if outside:
        problem = f"{tell_row(outside[0])} names '{texts[outside[0]]}', which is outside of the folder of the table"
        more = f" ({len(outside)} such rows)" if len(outside) > 1 else ""
        raise SourceError(source, problem + more, "give --follow-links to read what lies outside")
    check_unique(source, list(map(plain, paths)), tell_row)
    return FoundFiles(FilePictures(root, tuple(paths)), tuple(ids), faults)


def written_forms(path: str) -> Iterator[str]:
    """A path as written, and as other systems write it: composed or decomposed letters, backslashes."""
    if not path:
        return
    yield path
    yield unicodedata.normalize("NFC", path)
    yield unicodedata.normalize("NFD", path)
    if "\\" in path:
        yield path.replace("\\", "/")


def tell_absence(text: str | None) -> str:
    if text is None or not text.strip():
        return "has no image"
    if "://" in text:
        return f"names '{text}', but nothing is fetched"
    return f"names '{text}', which is no file"


def plain(path: str) -> str:
    """A path without detours; nothing stays nothing."""
    return path if not path or PLAIN.fullmatch(path) else os.path.normpath(path)


def check_unique(source: str, ids: Sequence[str], tell_row: Callable[[int], str]) -> None:
    """Raise `SourceError` where rows name the same file."""
    first: dict[str, int] = {}
    for row, key in enumerate(ids):
        if key and first.setdefault(key, row) != row:
            problem = f"{tell_row(first[key])} and {tell_row(row)} both name '{key}'"
            raise SourceError(source, problem, "keep one row for each image")


class Inside:
    """The folder that a table's paths are relative to, and what lies in it."""

    def __init__(self, root: Path) -> None:
        self.root = os.path.abspath(root)
        self.real = os.path.join(os.path.realpath(root), "")
        self.find_real = lru_cache(maxsize=100_000)(os.path.realpath)  # of folders: most files share theirs

    def join(self, path: str) -> str:
        return os.path.join(self.root, path)

    def shorten(self, text: str) -> str:
        """A path as its id is written."""
        if PLAIN.fullmatch(text):  # most are, and there may be a million
            return text
        path = PurePosixPath(text)
        for root in (self.root, self.real):
            if path.is_absolute() and path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return path.as_posix() if text else ""

    def holds(self, path: str) -> bool:
        """Whether a file lies in the folder once all links are followed."""
        joined = self.join(path)
        folder, name = os.path.split(joined)
        real = os.path.realpath(joined) if os.path.islink(joined) else os.path.join(self.find_real(folder), name)
        return real.startswith(self.real)
