"""One seed makes named, independent streams of random numbers."""

from __future__ import annotations

import hashlib

import torch


def stream_seed(seed: int, *name: str | int) -> int:
    """A seed of 63 bits for the stream of that name, e.g. `stream_seed(0, "verify", 2)`."""
    text = "/".join([str(seed), *map(str, name)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def stream_generator(seed: int, *name: str | int) -> torch.Generator:
    """A CPU generator for the stream of that name."""
    return torch.Generator().manual_seed(stream_seed(seed, *name))
