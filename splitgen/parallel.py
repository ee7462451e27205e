"""Independent trainings side by side: small networks leave most of a CPU idle if they take turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def count_workers(n_items: int) -> int:
    """How many of n items are worked on at a time: as many as torch may use threads."""
    return max(1, min(n_items, torch.get_num_threads()))


def map_threads(
    function: Callable[[Item], Result], items: Sequence[Item], on_each: Callable[[], None] | None = None
) -> Iterator[Result]:
    """`map`, several items at a time; torch's threads are shared out among them.

    Results come in the items' order. on_each: called in the caller's thread, once a result.
    """
    workers, threads = count_workers(len(items)), torch.get_num_threads()
    torch.set_num_threads(threads // workers)
    pool = ThreadPoolExecutor(workers)
    try:
        for result in pool.map(function, items) if workers > 1 else map(function, items):
            if on_each is not None:
                on_each()
            yield result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # on Ctrl-C, do not start what is still waiting
        torch.set_num_threads(threads)
