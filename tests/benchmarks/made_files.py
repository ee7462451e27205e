"""Pictures of files, in a module of their own, as those of a source are: worker processes load it, and not a script."""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np


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


@dataclass(frozen=True)
class Blobs:
    """Made images of 32 x 32 x 3, as arrays: on noise, a blob whose colour goes with the class, and a brightness from
    left to right that goes with half of each class."""

    n_images: int
    n_classes: int = 10
    seed: int = 0

    def __len__(self) -> int:
        return self.n_images

    def read(self, row: int) -> np.ndarray:
        noise, slope, y, x = make_parts(self.seed)
        number = (row * 2654435761 + self.seed) % 2**32  # Knuth's hash: rows side by side differ
        pixels = noise[number % len(noise)].copy()
        side = 1 if number % 1000 < 500 else -1
        pixels += (side * 30 * slope)[..., None]
        distance = (y - (8 + number // 7 % 16)) ** 2 + (x - (8 + number // 113 % 16)) ** 2
        label = row % self.n_classes
        colour = np.array([label // 2**bit % 2 for bit in range(3)]) * 120 - 60 + label * 3
        pixels += np.exp(-distance / 30)[..., None] * colour
        found: np.ndarray = pixels.clip(0, 255).astype(np.uint8)
        return found

    def name(self, row: int) -> str:
        return f"row {row}"

    def stamp(self) -> str:
        return f"blobs {self.n_images} {self.n_classes} {self.seed}"


@functools.cache
def make_parts(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Backgrounds of noise [256, 32, 32, 3], a slope -1..1 from left to right, and the places y and x."""
    noise = np.random.default_rng(seed).normal(120, 25, (256, 32, 32, 3)).astype(np.float32)
    y, x = np.mgrid[0:32, 0:32].astype(np.float32)
    return noise, x / 15.5 - 1, y, x
