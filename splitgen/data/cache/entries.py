"""Decoded images in files: one folder an entry, below the cache folder.

An entry is named by the source and by a hash of what decides its pixels, and holds, for N images,

    pixels.u8     uint8 [N, channels, size, size], one image after the other
    records.bin   `RECORD` [N]: what the headers told, digests, what the pixels look like
    state.json    what it is of, how far it has come, fingerprints, checksums

Both arrays are only ever appended to. While it is made, state.json says how many images are safely on the disk, so that
a decoding which was stopped, even by SIGKILL or by the power, goes on from there. One process makes an entry at a time
(`FolderClaim`); others wait for it, and go on where it ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from splitgen.claims import FolderClaim
from splitgen.data.cache.chunks import RECORD
from splitgen.errors import CacheError
from splitgen.parquet import write_json

PIXELS, RECORDS, STATE = "pixels.u8", "records.bin", "state.json"
TAG = "CACHEDIR.TAG"
TAG_TEXT = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# A cache of splitgen (https://bford.info/cachedir): decoded images, which can be made again.\n"
)
VERSION = 1  # of the files, and of how images are decoded: entries of another are never read
CHECKED_ROWS = 64  # whose pixels are in the checksum; a changed byte elsewhere is not noticed
POLL_SECONDS = 0.5


def default_folder() -> Path:
    """Of the user's cache, as the XDG Base Directory Specification has it. Raises `RuntimeError` for a user without a
    home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "splitgen"


def prepare_folder(folder: Path) -> None:
    """Make a cache folder, or see that it is one or empty, and can be written. Raises `CacheError`, `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / TAG).exists():
        if any(folder.iterdir()) and not (folder / TAG).exists():  # another process may just have made it
            raise CacheError(str(folder), "it holds other files", "give an empty folder, or a new one, to --cache")
        (folder / TAG).write_text(TAG_TEXT)
    if not os.access(folder, os.W_OK):
        raise CacheError(str(folder), "it cannot be written", "give another folder to --cache")


def name_entry(source: str, key: str) -> str:
    """`cats-0123456789abcdef` for `folder:cats`."""
    plain = re.sub("[^A-Za-z0-9_-]+", "-", source.partition(":")[2] or source).strip("-")[:40]
    return f"{plain or 'images'}-{key[:16]}"


def make_key(**parts: Any) -> str:
    """A hash of what decides an entry's pixels."""
    text = json.dumps({"version": VERSION, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class State:
    """What state.json says.

    shape: of all pixels, [N, channels, size, size]. n_done: images that are safely on the disk, the first ones.
    preprocessing: that they were decoded by; is_exact: it is known to be the right one for all of them.
    problems: by row, why an image cannot be read.
    fingerprints: of the dataset, by a hash of the ids and labels that are in it beside the images.
    checksum: of the records and of some of the pixels; "" until all is done.
    """

    key: str
    source: str
    shape: tuple[int, int, int, int]
    preprocessing: Mapping[str, Any]
    is_exact: bool
    n_done: int = 0
    problems: Mapping[int, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    checksum: str = ""

    @property
    def is_complete(self) -> bool:
        return self.checksum != ""

    @property
    def image_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64))


class Entry:
    """One folder of the cache. Methods raise `OSError` where the disk does not serve."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key

    def read_state(self) -> State | None:
        """What is there; None where there is nothing, or nothing that can be used."""
        try:
            found = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
            problems = {int(row): str(text) for row, text in found.pop("problems").items()}
            state = State(**{**found, "shape": tuple(found["shape"]), "problems": problems})
            fits = state.key == self.key and len(state.shape) == 4 and 0 <= state.n_done <= state.shape[0]
            for name, size in ((PIXELS, state.image_bytes), (RECORDS, RECORD.itemsize)):
                fits = fits and (self.folder / name).stat().st_size >= state.n_done * size
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return state if fits else None

    def read_whole(self) -> State | None:
        """The state of an entry that is complete and undamaged, else None."""
        state = self.read_state()
        with contextlib.suppress(OSError):
            if state is not None and state.is_complete and measure_checksum(self, state) == state.checksum:
                with contextlib.suppress(OSError):  # of a cache that may only be read
                    os.utime(self.folder / STATE)
                return state
        return None

    def write_state(self, state: State) -> None:
        write_json(describe_state(state), self.folder / STATE)

    def map_pixels(self, state: State) -> np.ndarray:
        """The pixels done, uint8 [n_done, channels, size, size], mapped: what is written to it stays in memory."""
        shape = (state.n_done, *state.shape[1:])
        if 0 in shape:
            return np.zeros(shape, np.uint8)
        return np.memmap(self.folder / PIXELS, np.uint8, "c", shape=shape)

    def map_records(self, state: State) -> np.ndarray:
        """`RECORD` [n_done]."""
        if state.n_done == 0:
            return np.zeros(0, RECORD)
        return np.memmap(self.folder / RECORDS, RECORD, "c", shape=(state.n_done,))

    def claim(self) -> FolderClaim | None:
        """The right to write into it; None where another process has it.

        A folder that was removed while it was claimed is another one now: then it is claimed again.
        """
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                which = self.folder.stat().st_ino
                try:
                    claim = FolderClaim(self.folder)
                except BlockingIOError:
                    return None
                if self.folder.stat().st_ino == which:
                    return claim


def describe_state(state: State) -> dict[str, Any]:
    problems = {str(row): text for row, text in state.problems.items()}
    return {**vars(state), "problems": problems, "fingerprints": dict(state.fingerprints)}


def measure_checksum(entry: Entry, state: State) -> str:
    """SHA-256 over the sizes of both files, all records, and the pixels of `CHECKED_ROWS` images."""
    sizes = [(entry.folder / name).stat().st_size for name in (PIXELS, RECORDS)]
    digest, pixels = hashlib.sha256(str(sizes).encode()), entry.map_pixels(state)
    digest.update(entry.map_records(state).view(np.uint8).data)
    for row in np.unique(np.linspace(0, max(0, state.n_done - 1), CHECKED_ROWS).astype(int))[: state.n_done]:
        digest.update(pixels[row].tobytes())
    return digest.hexdigest()


class Writer:
    """Appends decoded images to an entry that is claimed. state: how far it is, safely on the disk."""

    def __init__(self, entry: Entry, state: State) -> None:
        self.entry, self.state = entry, state
        self.problems = dict(state.problems)
        self.n_written = state.n_done
        entry.write_state(state)
        self.files = [
            open_at(entry.folder / name, state.n_done * size)
            for name, size in ((PIXELS, state.image_bytes), (RECORDS, RECORD.itemsize))
        ]

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # what does not fit on the disk is told where it was written
            if self.n_written > self.state.n_done:
                self.keep()
        for file in self.files:
            with contextlib.suppress(OSError):
                file.close()

    def append(self, pixels: np.ndarray, records: np.ndarray, problems: Mapping[int, str]) -> None:
        """The next images."""
        self.files[0].write(np.ascontiguousarray(pixels).data)
        self.files[1].write(records.tobytes())
        self.problems |= problems
        self.n_written += len(records)

    def keep(self) -> State:
        """See to it that all that was appended is on the disk, and say so."""
        for file in self.files:
            file.flush()
            os.fsync(file.fileno())
        self.state = replace(self.state, n_done=self.n_written, problems=dict(self.problems))
        self.entry.write_state(self.state)
        return self.state

    def complete(self, fingerprints: Mapping[str, str]) -> State:
        """The same of an entry that holds all images."""
        state = self.keep()
        self.state = replace(state, fingerprints=fingerprints, checksum=measure_checksum(self.entry, state))
        self.entry.write_state(self.state)
        return self.state


def open_at(path: Path, size: int) -> Any:
    """A file of just that size, made or cut, to append to. One of nothing is a new one: a process that has the old one
    mapped must not lose what it reads."""
    if size == 0:
        with contextlib.suppress(PermissionError):  # systems that keep what is mapped
            path.unlink(missing_ok=True)
    file = path.open("r+b" if path.exists() else "w+b")
    file.truncate(size)
    file.seek(size)
    return file


@dataclass(frozen=True)
class Listed:
    """An entry as `splitgen cache` shows it. size_bytes: on the disk. used: when it was opened last, seconds since
    1970."""

    name: str
    source: str
    shape: tuple[int, ...]
    n_done: int
    is_complete: bool
    size_bytes: int
    used: float


def list_entries(folder: Path) -> list[Listed]:
    """The entries of a cache folder, last used first; none where it is no cache folder."""
    return sorted((found for _, found in find_entries(folder)), key=lambda listed: -listed.used)


def find_entries(folder: Path) -> Iterator[tuple[Path, Listed]]:
    """Real folders right below a cache folder with a state of splitgen's in them; links are never followed."""
    if not (folder / TAG).is_file():
        return
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_dir():
            continue
        names = {each.name for each in path.iterdir()}
        size = sum((path / name).stat().st_size for name in names & {PIXELS, RECORDS, STATE})
        used = path.stat().st_mtime
        try:
            state = json.loads((path / STATE).read_text(encoding="utf-8"))
            used = (path / STATE).stat().st_mtime
            shape, n_done, is_complete = tuple(state["shape"]), int(state["n_done"]), bool(state["checksum"])
            yield path, Listed(path.name, str(state["source"]), shape, n_done, is_complete, size, used)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            if PIXELS in names and RECORDS in names:
                yield path, Listed(path.name, "damaged", (0, 0, 0, 0), 0, False, size, used)


def clear_entries(folder: Path, name: str) -> tuple[list[Listed], list[Listed]]:
    """Remove an entry, or "all": those removed, and those that stay as a process makes them just now.

    Nothing but splitgen's own files in its own entries is removed. Raises `CacheError` for a name that is not there.
    """
    found = [(path, listed) for path, listed in find_entries(folder) if name in ("all", listed.name)]
    if not found and name != "all":
        known = ", ".join(listed.name for listed in list_entries(folder)) or "nothing"
        raise CacheError(str(folder), f"it has no entry '{name}'", f"it holds {known}; give one of them, or all")
    removed: list[Listed] = []
    busy: list[Listed] = []
    for path, listed in found:
        (removed if remove_entry(path) else busy).append(listed)
    return removed, busy


def remove_entry(path: Path) -> bool:
    """Remove an entry's own files, and its folder where it is empty then; False where a process writes into it."""
    try:
        claim = FolderClaim(path)
    except BlockingIOError:
        return False
    except FileNotFoundError:  # removed by somebody else just now
        return True
    for name in (STATE, PIXELS, RECORDS):
        (path / name).unlink(missing_ok=True)
    for left in path.glob(f".{STATE}.*"):  # of a process that was killed while it wrote
        left.unlink()
    with contextlib.suppress(OSError):
        path.rmdir()
    claim.release()
    return True


def wait_for(entry: Entry) -> int:
    """Wait a little for the process that makes an entry; how many images it has done."""
    time.sleep(POLL_SECONDS)
    state = entry.read_state()
    return 0 if state is None else state.n_done


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder."""
    return shutil.disk_usage(folder).free
