"""Image files below a folder, as a listing's pictures; and which files are images, by their suffix."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile

from splitgen.data.listings.names import show_path
from splitgen.data.pixels.decode import DecodeError

NEVER_LOADED = ("MPEG",)  # Pillow knows its header alone
READ_AS_JPEG = ("MPO",)  # opened by the reader of JPEG, and registered for writing alone


@dataclass(frozen=True)
class FilePictures:
    """Image files, as `Pictures`.

    root: the folder. paths: N paths in it, with slashes on every system; an absolute one stands for itself.
    """

    root: str | Path
    paths: Sequence[str]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, row: int) -> bytes:
        """The bytes of a file. Raises `DecodeError` where it cannot be read."""
        try:
            with open(self.locate(row), "rb") as file:
                return file.read()
        except OSError as error:
            raise DecodeError(f"cannot be read ({error.strerror})") from error

    def name(self, row: int) -> str:
        return show_path(self.paths[row])

    def stamp(self) -> str:
        """SHA-256 over the folder's path and each file's path, size and times."""
        digest = hashlib.sha256(os.fsencode(os.path.realpath(self.root)))
        for row, path in enumerate(self.paths):
            digest.update(b"\0" + os.fsencode(path) + self.look_up(row))
        return digest.hexdigest()

    def look_up(self, row: int) -> bytes:
        """Size and times of a file, also that of its last move: a copy of an older file may keep the others."""
        try:
            found = os.stat(self.locate(row))
        except OSError:
            return b"\0gone"
        return b"\0%d %d %d" % (found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def locate(self, row: int) -> str:
        return os.path.join(self.root, self.paths[row])


def stamp_files(paths: Iterable[Path]) -> str:
    """SHA-256 over paths, sizes and times of files; "" where one of them is gone."""
    digest = hashlib.sha256()
    try:
        for path in paths:
            found = path.stat()
            told = f"{path.absolute()}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\n"
            digest.update(told.encode(errors="surrogateescape"))
    except OSError:
        return ""
    return digest.hexdigest()


def list_suffixes() -> frozenset[str]:
    """Suffixes of the files that Pillow, with the plugins that are registered, makes pixels of: ".png", ..."""
    suffixes = Image.registered_extensions()
    return frozenset(suffix for suffix, kind in suffixes.items() if makes_pixels(kind))


def makes_pixels(kind: str) -> bool:
    """Whether Pillow decodes a format itself, and does not only write it or know its name."""
    if kind in READ_AS_JPEG or kind in NEVER_LOADED or kind not in Image.OPEN:
        return kind in READ_AS_JPEG
    reader = Image.OPEN[kind][0]
    return not (isinstance(reader, type) and issubclass(reader, ImageFile.StubImageFile))
