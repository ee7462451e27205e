"""One seed makes named, independent streams of random numbers."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

GLOBAL_GENERATOR = threading.RLock()  # torch has one for all threads


def stream_seed(seed: int, *name: str | int) -> int:
    """A seed of 63 bits for the stream of that name, e.g. `stream_seed(0, "verify", 2)`."""
    text = "/".join([str(seed), *map(str, name)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def stream_generator(seed: int, *name: str | int) -> torch.Generator:
    """A CPU generator for the stream of that name."""
    return torch.Generator().manual_seed(stream_seed(seed, *name))


@contextmanager
def seed_global(seed: int) -> Iterator[None]:
    """Seed torch's global generator for what draws from it unasked (initialisation, dropout).

    Its state is put back afterwards, and one thread at a time holds it.
    """
    with GLOBAL_GENERATOR, torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def draws_random_numbers(module: nn.Module, images: torch.Tensor) -> bool:
    """Whether a forward pass draws random numbers, as dropout does: found by one pass.

    The module's buffers (running statistics) may change.
    """
    with seed_global(0), torch.no_grad():
        before = generator_state(images.device)
        module(images)
        return not torch.equal(before, generator_state(images.device))


def generator_state(device: torch.device) -> torch.Tensor:
    """State of the global generator that a module on the device draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_generator_state(state: torch.Tensor, device: torch.device) -> None:
    """Put back what `generator_state` gave."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
