"""A signal that asks the process to end: at once, or, while work is going on that can be kept, once it is kept."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


class Terminated(KeyboardInterrupt):
    """A signal asked the process to end; raised where it was, so that what is half-written is taken away."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"signal {number}")


@dataclass
class Request:
    """What was asked of this process. n_heeding: pieces of work going on that look at it. number: of the signal."""

    n_heeding: int = 0
    number: int | None = None


REQUEST = Request()  # signals are the process's, and so is this


@contextlib.contextmanager
def terminated_by(*numbers: int, tell: Callable[[], None]) -> Iterator[None]:
    """Raise `Terminated` for these signals in the block, those left out that the process is to ignore (as `nohup` has
    it); not where another thread than the main one calls it. While work heeds them, the first is told and left to the
    work, and the second raises.

    tell: says that the work is being kept.
    """

    def answer(number: int, frame: Any) -> None:
        if REQUEST.n_heeding == 0 or REQUEST.number is not None:
            raise Terminated(number)
        REQUEST.number = number
        tell()

    before = {}
    for number in dict.fromkeys(numbers):
        if signal.getsignal(number) != signal.SIG_IGN:
            with contextlib.suppress(ValueError):
                before[number] = signal.signal(number, answer)
    try:
        yield
    finally:
        REQUEST.number = None
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def heeding() -> Iterator[None]:
    """A block that looks at `is_asked` again and again, and ends by `check_stop` when its work is kept."""
    REQUEST.n_heeding += 1
    try:
        yield
    finally:
        REQUEST.n_heeding -= 1


def is_asked() -> bool:
    """Whether the process was asked to end."""
    return REQUEST.number is not None


def check_stop() -> None:
    """Raise `Terminated` where the process was asked to end."""
    if REQUEST.number is not None:
        raise Terminated(REQUEST.number)
