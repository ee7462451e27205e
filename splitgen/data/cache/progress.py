"""Who is told how far the opening of a dataset has come.

Between the caller of `open_dataset` and the decoding lie the sources, functions of a spec and settings that anybody may
add: the listener is handed past them by a context variable, not through each of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar

OnProgress = Callable[[int, int], None]  # called with how many images are done, and of how many

LISTENER: ContextVar[OnProgress | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def listening(on_progress: OnProgress | None) -> Iterator[None]:
    """Tell this function of all progress in the block."""
    token = LISTENER.set(on_progress)
    try:
        yield
    finally:
        LISTENER.reset(token)


def tell_progress(done: int, total: int) -> None:
    """Say how many images are done, and of how many."""
    listener = LISTENER.get()
    if listener is not None:
        listener(done, total)
