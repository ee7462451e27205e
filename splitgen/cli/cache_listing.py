"""`splitgen cache`: what is in the cache of decoded images, and room made in it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from splitgen.archives import tell_size
from splitgen.data.cache.entries import Listed, clear_entries, default_folder, list_entries
from splitgen.errors import CacheError
from splitgen.screen.console import Screen


def show_cache(screen: Screen, given: Path | None = None, clear: str | None = None) -> dict[str, Any]:
    """List a cache folder, or remove an entry of it or "all"; what was found or removed, for machines.

    given: the folder; None for the user's own. Raises `CacheError` for a folder that is not there, or an unknown name.
    """
    folder = find_folder(given)
    if clear is not None:
        return clear_cache(screen, folder, clear)
    entries = list_entries(folder)
    if entries:
        headers = ["entry", "source", "images", "size", "on disk", "last used"]
        screen.table("Decoded images", headers, [list_cells(entry) for entry in entries])
    total = tell_size(sum(entry.size_bytes for entry in entries))
    screen.say(f"{count(entries)}, {total} in {folder}")
    return {"folder": str(folder), "entries": [vars(entry) for entry in entries]}


def find_folder(given: Path | None) -> Path:
    """The cache folder. Raises `CacheError` where there can be none."""
    if given is not None:
        if not given.is_dir():
            raise CacheError(str(given), "it is no folder", "give the folder that --cache named")
        return given
    try:
        return default_folder()
    except RuntimeError as error:
        raise CacheError("~/.cache/splitgen", str(error), "give --cache FOLDER") from error


def clear_cache(screen: Screen, folder: Path, name: str) -> dict[str, Any]:
    """Remove entries, and say which."""
    removed, busy = clear_entries(folder, name)
    for entry in removed:
        screen.say(f"removed {entry.name} ({tell_size(entry.size_bytes)})")
    for entry in busy:
        screen.say(f"{entry.name} stays: a process writes into it")
    screen.say(f"{count(removed)} removed from {folder}")
    return {
        "folder": str(folder),
        "removed": [vars(entry) for entry in removed],
        "busy": [vars(entry) for entry in busy],
    }


def list_cells(entry: Listed) -> list[str]:
    n_images, *shape = entry.shape
    done = f"{n_images:,}" if entry.is_complete else f"{entry.n_done:,} of {n_images:,}"
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
    return [entry.name, entry.source, done, "x".join(map(str, shape)), tell_size(entry.size_bytes), used]


def count(entries: list[Listed]) -> str:
    return "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
