"""A place for states that keeps each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from splitgen.keeping import Slot, State
from splitgen.store.states import read_state, write_state


class Recorder(Slot):
    """Keeps every state that it is given, in a file each, and gives one of them to begin with, and then keeps none.

    n_kept: how many it was given.
    """

    def __init__(self, folder: Path, begin_with: int | None = None) -> None:
        self.folder, self.begin_with, self.n_kept = folder, begin_with, 0

    def load(self) -> State | None:
        return None if self.begin_with is None else read_state(self.folder / f"{self.begin_with}.safetensors")

    def offer(self, make: Callable[[], State], now: bool = False) -> None:
        self.n_kept += 1
        if self.begin_with is None:
            write_state(make(), self.folder / f"{self.n_kept}.safetensors")
