"""Arrays of packed files, read no further than their headers allow: a file of a few MB can ask for gigabytes."""

from __future__ import annotations

import contextlib
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LARGE = 256 * 2**20  # bytes up to which an array may be packed as tightly as it likes
PACKING = 200  # bytes that one packed byte may become beyond that; MNIST packs by 5
MAX_HEADER = 10_000  # characters: numpy's own limit, but numpy reads all of a header before it looks at it
DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)
SAVE_AGAIN = "save it again with numpy.savez"


class ArchiveError(ValueError):
    """A packed file is damaged, or asks for too much. problem, remedy: for the error that says whose file it is."""

    def __init__(self, problem: str, remedy: str = SAVE_AGAIN) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(f"{problem}; {remedy}")


@dataclass(frozen=True)
class Header:
    """What an array says of itself."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Npz:
    """An open NumPy archive. size: bytes of the whole file. Methods raise `ArchiveError`, and `KeyError` for a name
    that the archive does not have."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self.archive, self.size = archive, size
        self.members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}

    def header(self, name: str) -> Header:
        """Shape and type of an array that can be read: it is as long as it says, and fits into memory."""
        member = self.members[name]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArchiveError(f"array {name} is packed in a way that numpy does not use")  # and zipfile sets no bound
        # a member's own size may lie, the file's cannot
        check_packing(f"array {name}", min(member.compress_size, self.size), member.file_size)
        with self.archive.open(member) as file:
            start = io.BytesIO(file.read(MAX_HEADER + 100))
        found = parse_header(name, start)
        check_memory(f"array {name}", found.shape, found.dtype.itemsize)
        n_bytes, needed = member.file_size - start.tell(), math.prod(found.shape) * found.dtype.itemsize
        if n_bytes != needed:
            raise ArchiveError(f"array {name} has {n_bytes} bytes, its shape {found.shape} needs {needed}")
        return found

    def read(self, name: str) -> np.ndarray:
        """An array, once its header has been checked."""
        self.header(name)
        with self.archive.open(self.members[name]) as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return array


@contextlib.contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """A NumPy archive. Raises `OSError` for a file that is not there, `ArchiveError` for one that is none."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield Npz(archive, os.fstat(file.fileno()).st_size)
        except ArchiveError:
            raise
        except DAMAGED as error:
            raise ArchiveError("it cannot be read as an npz archive: another file, cut short or damaged") from error


def parse_header(name: str, start: io.BytesIO) -> Header:
    """The header at the start of an npy file; the position is after it."""
    try:
        version = np.lib.format.read_magic(start)
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = readers[version](start, max_header_size=MAX_HEADER)
    except Exception as error:  # it is a Python literal: what a malformed one raises is not numpy's to say
        raise ArchiveError(f"array {name} has no header of a plain array") from error
    if dtype.hasobject:
        raise ArchiveError(f"array {name} holds Python objects", "save numbers with numpy.savez")
    if any(n < 0 for n in shape):
        raise ArchiveError(f"array {name} has the shape {shape}")
    return Header(tuple(map(int, shape)), dtype)


def check_packing(what: str, packed: int, unpacked: int) -> None:
    """Raise `ArchiveError` for what becomes far larger than it is."""
    if unpacked > LARGE and unpacked > PACKING * packed:
        problem = f"{what} is {tell_size(packed)} that unpack to {tell_size(unpacked)}"
        raise ArchiveError(problem, "if it is meant to be so large, save it unpacked")


def check_packed(path: Path) -> None:
    """`check_packing` of every member, where the file is a zip archive. Raises `OSError` for one that is not there."""
    size = path.stat().st_size
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    check_packing(f"'{member.filename}'", min(member.compress_size, size), member.file_size)
    except zipfile.BadZipFile as error:
        raise ArchiveError("it is cut short or damaged", "write it again") from error


def check_memory(what: str, shape: Sequence[int], itemsize: int = 4) -> None:
    """Raise `ArchiveError` for an array that as float32, or as it is, does not fit into the machine's memory."""
    needed, there = math.prod(shape) * max(4, itemsize), physical_memory()
    if needed > there:
        shown = " x ".join(map(str, shape))
        problem = f"{what} of {shown} needs {tell_size(needed)}, the machine has {tell_size(there)} of memory"
        raise ArchiveError(problem, "take fewer or smaller images, or a larger machine")


def physical_memory() -> int:
    """Bytes of the machine's memory; where it does not tell, more than any array has."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no POSIX
        return 2**62


def tell_size(n_bytes: int) -> str:
    """2.6 MB, 3.1 GB."""
    value, units = float(n_bytes), ["bytes", "kB", "MB", "GB", "TB", "PB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "bytes" else f"{value:.1f} {units[0]}"
