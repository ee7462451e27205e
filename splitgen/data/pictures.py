"""Encoded images in files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from splitgen.data.decode import DecodeError


@dataclass(frozen=True)
class FilePictures:
    """Image files below a folder. paths: POSIX, relative to it."""

    root: Path
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, row: int) -> bytes:
        """The bytes of a file. Raises `DecodeError` for one that cannot be read."""
        try:
            return (self.root / self.paths[row]).read_bytes()
        except OSError as error:
            raise DecodeError(f"cannot be read ({error.strerror})") from error

    def name(self, row: int) -> str:
        return self.paths[row]

    def stamp(self) -> str:
        return stamp_files(self.root / path for path in self.paths)


def stamp_files(paths: Iterable[Path]) -> str:
    """SHA-256 over paths, sizes and times of files; "" where one of them is gone."""
    digest = hashlib.sha256()
    try:
        for path in paths:
            found = path.stat()
            digest.update(f"{path.absolute()}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(errors="surrogateescape"))
    except OSError:
        return ""
    return digest.hexdigest()
