"""Work that may be taken up again: where it puts what it has come to.

Every result here is a function of the run's settings and data alone, so that one that was kept and one that is computed
are the same to the byte. `Keeper` itself keeps nothing; that of a run folder is in `splitgen.store.states`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from splitgen.stopping import check_stop


@dataclass(frozen=True)
class State:
    """What a piece of work has come to, or what it gave. tensors: by name. told: what JSON can hold beside them."""

    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)


class Slot:
    """The place of one piece of work: this one keeps nothing."""

    def load(self) -> State | None:
        """Where the work stood, or None before its beginning."""
        return None

    def offer(self, make: Callable[[], State], now: bool = False) -> None:
        """Say that the work can be taken up from here. make: gives the state, which is kept now and then. now: it is
        kept whenever the last was. Raises `Terminated` where the process was asked to end."""
        check_stop()

    def keep(self, state: State) -> None:
        """Keep a state now, in place of the one before."""


NOWHERE = Slot()


class Keeper:
    """What the trainings and the meta loops of a run give their states to: this one keeps nothing."""

    def slot(self, name: str) -> Slot:
        """The place of a piece of work of that name."""
        return NOWHERE

    def recall(self, key: tuple[Any, ...], compute: Callable[[Slot], State]) -> State:
        """What a piece of work gave, or gives now. key: all that its result depends on, as `digest_parts` takes it.
        compute: does it; called with the place to keep what it comes to on the way."""
        check_stop()
        return compute(NOWHERE)

    def decide(self, name: str, choose: Callable[[], Any]) -> Any:
        """What was chosen by the clock, or is now: a value of JSON. name: of the choice."""
        return choose()

    @property
    def writing_seconds(self) -> float:
        """What it took to keep all this."""
        return 0.0

    def spent(self) -> float:
        """CPU seconds that the run has taken, of all threads, those of processes that were ended among them."""
        return time.process_time()

    def flush(self) -> None:
        """Write what waits to be written."""

    def discard(self) -> None:
        """Take away what is kept: the run is whole."""


def digest_parts(*parts: Any) -> str:
    """SHA-256 of numbers, texts, records, arrays, tensors, None, and tuples and lists of them."""
    digest = hashlib.sha256()
    add_part(digest, parts)
    return digest.hexdigest()


def add_part(digest: Any, part: Any) -> None:
    if isinstance(part, torch.Tensor):
        part = part.detach().cpu().numpy()
    if isinstance(part, np.ndarray):
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    elif isinstance(part, tuple | list):
        digest.update(f"[{len(part)}".encode())
        for each in part:
            add_part(digest, each)
    else:
        text = repr(part).encode()
        digest.update(f"{len(text)}:".encode())
        digest.update(text)
