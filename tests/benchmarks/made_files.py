"""Pictures of files, in a module of their own, as those of a source are: worker processes load it, and not a script."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Files:
    """Pictures of files below a folder."""

    root: Path
    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, row: int) -> bytes:
        with open(f"{self.root}/{self.paths[row]}", "rb", buffering=0) as file:
            return file.read()

    def name(self, row: int) -> str:
        return self.paths[row]

    def stamp(self) -> str:
        digest = hashlib.sha256()
        for path in self.paths:
            found = os.stat(self.root / path)
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
        return digest.hexdigest()
