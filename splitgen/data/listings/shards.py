"""Members of tar archives: where their bytes lie. Nothing is ever unpacked, so their names can do no harm."""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from splitgen.data.listings.pictures import stamp_files
from splitgen.data.pixels.decode import DecodeError
from splitgen.errors import SourceError

PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
KEY = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)", re.DOTALL)  # webdataset's own rule
META = re.compile(r"__[^/]*__($|/)")  # names that webdataset leaves out
WRITE_AGAIN = "write the shard again"
BLOCK = 2**20


@dataclass(frozen=True)
class Member:
    """A file in a shard. offset, size: where its bytes are."""

    offset: int
    size: int


@dataclass(frozen=True)
class Sample:
    """Members of one key. members: by extension, in lower case."""

    shard: int
    key: str
    members: dict[str, Member]


@dataclass(frozen=True)
class ShardPictures:
    """N images in shards. shards, offsets, sizes: int64 [N], where each image's bytes lie. keys: N."""

    files: tuple[Path, ...]
    shards: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, row: int) -> bytes:
        """The bytes of an image. Raises `DecodeError` where they are no longer there."""
        try:
            with self.files[self.shards[row]].open("rb") as shard:
                shard.seek(int(self.offsets[row]))
                content: bytes = shard.read(int(self.sizes[row]))
        except OSError as error:
            raise DecodeError(f"cannot be read ({error.strerror})") from error
        if len(content) < self.sizes[row]:
            raise DecodeError("is cut short")
        return content

    def name(self, row: int) -> str:
        return f"{self.keys[row]} of {self.files[self.shards[row]].name}"

    def stamp(self) -> str:
        stamp = stamp_files(self.files)
        return stamp and hashlib.sha256(stamp.encode() + self.offsets.tobytes() + self.shards.tobytes()).hexdigest()


def read_samples(source: str, files: Sequence[Path]) -> Iterator[tuple[Sample, BinaryIO]]:
    """The samples of shards in order, each with its open shard: members in a row, of one name up to its first dot.

    Raises `SourceError` for a shard that is packed, damaged or no tar archive, and for an extension that stands twice.
    """
    for shard, path in enumerate(files):
        try:
            with path.open("rb") as file:
                check_unpacked(source, path, file)
                for sample in group_members(source, path, shard, list_members(source, path, file)):
                    yield sample, file
        except (OSError, tarfile.TarError, ValueError, OverflowError) as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            problem = f"'{path.name}' cannot be read as a tar archive ({reason})"
            raise SourceError(source, problem, WRITE_AGAIN) from error


def check_unpacked(source: str, path: Path, file: BinaryIO) -> None:
    """Raise `SourceError` for an archive in which nothing can be found by its place."""
    start = file.read(8)
    file.seek(0)
    packed = next((name for mark, name in PACKED.items() if start.startswith(mark)), None)
    if packed is not None:
        problem = f"'{path.name}' is packed by {packed}, so that no image can be read by itself"
        raise SourceError(source, problem, "unpack it to a plain .tar first")


def list_members(source: str, path: Path, file: BinaryIO) -> Iterator[tuple[str, Member]]:
    """Names and places of an archive's files. Raises `SourceError` where the archive does not end as it should."""
    with tarfile.open(fileobj=file, mode="r:") as archive:
        last, name = -1, "its start"
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # else a shard of a million files is held whole
            if member.size < 0 or archive.offset <= last:
                break
            last, name = archive.offset, f"'{member.name}'"
            if member.isreg() and not member.issparse() and not META.match(member.name):
                yield member.name, Member(member.offset_data, member.size)
        file.seek(archive.offset)
        while block := file.read(BLOCK):
            if block.strip(b"\0"):  # tarfile takes a damaged header for the end
                problem = f"'{path.name}' is damaged behind {name}, or is several archives in one"
                raise SourceError(source, problem, WRITE_AGAIN)


def group_members(source: str, path: Path, shard: int, members: Iterable[tuple[str, Member]]) -> Iterator[Sample]:
    """Members in a row that share a key, as samples. What has no dot in its name is of none."""
    sample: Sample | None = None
    for name, member in members:
        found = KEY.fullmatch(name)
        if found is None:
            continue
        key, extension = found[1], found[2].lower()
        if sample is None or sample.key != key:
            if sample is not None:
                yield sample
            sample = Sample(shard, key, {})
        if extension in sample.members:
            problem = f"'{path.name}' has '{key}.{extension}' twice"
            raise SourceError(source, problem, WRITE_AGAIN)
        sample.members[extension] = member
    if sample is not None:
        yield sample


def read_member(file: BinaryIO, member: Member) -> bytes:
    """The bytes of a member of an open shard."""
    file.seek(member.offset)
    return file.read(member.size)
