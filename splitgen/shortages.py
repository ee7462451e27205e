"""What a machine runs out of. Libraries say it by errors of many kinds, and code of others is at times between them."""

from __future__ import annotations

import re
import threading

from splitgen.errors import SplitgenError
from splitgen.plugins import PluginError

SPARE_THREADS = 8  # that libraries start beside those that compute
MEMORY = "out of memory; give fewer or smaller images, or a smaller model, or free memory"
THREADS = "no more threads can be started; give fewer --threads, or raise the limit of processes (ulimit -u)"
# torch (of the CPU and of CUDA), C++, a library that is loaded.
NO_MEMORY = re.compile(
    r"can't allocate memory|cannot allocate memory|out of memory|bad_alloc|failed to map segment", re.I
)
NO_THREADS = re.compile(r"can't start new thread|resource temporarily unavailable", re.I)


def find_shortage(error: BaseException) -> str | None:
    """What has run out, and what to do, in one line, where that is what an error comes from; None for others.

    Errors of ours that were made of another one are looked behind: a model that is out of memory is no bad model.
    """
    cause: BaseException | None = error
    while isinstance(cause, (SplitgenError, PluginError)):
        cause = cause.__cause__
    if isinstance(cause, MemoryError):
        return MEMORY
    if isinstance(cause, (RuntimeError, ImportError)):
        text = str(cause)
        if NO_MEMORY.search(text):
            return MEMORY
        if NO_THREADS.search(text):
            return THREADS
    return None


def try_threads(n_threads: int) -> None:
    """Start so many threads and some more, and end them. Raises `RuntimeError` where the system allows fewer: OpenMP
    would end the program then, with 1, and pyarrow would wait for ever."""
    is_over = threading.Event()
    try:
        for _ in range(n_threads + SPARE_THREADS):
            threading.Thread(target=is_over.wait, daemon=True).start()
    finally:
        is_over.set()
