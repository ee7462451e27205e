"""Memory that a step of a training frees is kept for the next one.

glibc gives what is free at the end of its heap back to the system, and a step takes it anew, page by page: up to a
fifth of the time of a training (tests/benchmarks/heap.py). What is kept is no more than the process had at its peak.
Each thread keeps its own arena: two trainings that took turns at one would wait for each other at every tensor.
"""

from __future__ import annotations

import ctypes
import os
import sys

LARGE = 32 << 20  # bytes: what is larger, such as all images, is mapped by itself and given back as before
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of malloc.h
OPTIONS = ((MMAP_THRESHOLD, LARGE), (TRIM_THRESHOLD, 2**31 - 1))


def keep_freed_memory() -> bool:
    """Have this process keep it, before it starts threads; whether it does. Not where another allocator than glibc's
    is at work, nor where the environment says how glibc's is to be (`MALLOC_...`, `GLIBC_TUNABLES`)."""
    if sys.platform != "linux" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(option, value) == 1 for option, value in OPTIONS)
