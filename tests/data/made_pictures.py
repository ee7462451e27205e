"""Pictures for tests and benchmarks: files below a folder. Without torch, so that a worker starts as fast as with
splitgen's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FilePictures:
    """Files below a folder, by their relative paths; every reading is noted in a file, where one is given."""

    root: Path
    paths: tuple[str, ...]
    journal: Path | None = None
    is_stamped: bool = True

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, row: int) -> bytes:
        if self.journal is not None:
            with self.journal.open("a") as file:
                file.write(f"{row}\n")
        return (self.root / self.paths[row]).read_bytes()

    def name(self, row: int) -> str:
        return self.paths[row]

    def stamp(self) -> str:
        if not self.is_stamped:
            return ""
        digest = hashlib.sha256()
        for path in self.paths:
            found = (self.root / path).stat()
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
        return digest.hexdigest()
