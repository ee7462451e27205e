"""What it saves to keep freed memory (`splitgen.heap`): time, CPU, page faults and peak memory, with and without.

    python tests/benchmarks/heap.py [--repeats 3]

Steps of the built-in net, and of ResNet-18 of width 0.25, on batches of 128 random images, one training alone and two
side by side, each in a process of its own; with and without take turns.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time

import torch

from splitgen.heap import keep_freed_memory
from splitgen.models.registry import build_network, find_model
from splitgen.parallel import map_threads

CASES = (  # model, channels, pixels a side, steps
    ("conv", 1, 8, 300),
    ("conv", 1, 28, 100),
    ("conv", 3, 32, 100),
    ("conv", 3, 64, 30),
    ("resnet18x0.25", 1, 32, 8),
)
WARM_UP = 3


def train_some(model: str, n_channels: int, side: int, n_steps: int, n_trainings: int) -> None:
    """Plain steps of Adam, as many trainings at a time."""
    images = torch.randn(128, n_channels, side, side).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (128,))

    def train(seed: int) -> None:
        network = build_network(find_model(model), 10, (n_channels, side, side), seed)
        optimizer = torch.optim.AdamW(network.parameters())
        for _ in range(n_steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    list(map_threads(train, range(n_trainings)))


def measure(model: str, n_channels: int, side: int, n_steps: int, n_trainings: int) -> tuple[float, float, int, float]:
    """Seconds by the clock and of CPU, page faults, and the peak in MiB."""
    train_some(model, n_channels, side, WARM_UP, n_trainings)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    train_some(model, n_channels, side, n_steps, n_trainings)
    after, seconds = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - start
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, after.ru_minflt - before.ru_minflt, after.ru_maxrss / 1024


def call(*arguments: object) -> tuple[float, ...]:
    done = subprocess.run(
        [sys.executable, __file__, "--work", *map(str, arguments)], stdout=subprocess.PIPE, check=True
    )
    return tuple(map(float, done.stdout.split()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", nargs=6, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        model, *numbers = given.work
        n_channels, side, n_steps, n_trainings, is_kept = map(int, numbers)
        if is_kept and not keep_freed_memory():
            sys.exit("the allocator of this process cannot be told to keep memory")
        print(*measure(model, n_channels, side, n_steps, n_trainings))
        return
    print(
        "With over without, median and range:\n\n| model | images | side by side | seconds | CPU | page faults | MiB |"
    )
    print("|---|---|---|---|---|---|---|")
    for model, n_channels, side, n_steps in CASES:
        for n_trainings in (1, 2):
            case = (model, n_channels, side, n_steps, n_trainings)
            pairs = [[call(*case, kept) for kept in (1, 0)] for _ in range(given.repeats)]
            ratios = [[kept[k] / plain[k] for kept, plain in pairs] for k in (0, 1)]
            told = " | ".join(f"{statistics.median(of):.2f} ({min(of):.2f} to {max(of):.2f})" for of in ratios)
            faults, peaks = (" for ".join(f"{each[k]:.0f}" for each in pairs[-1]) for k in (2, 3))
            images = f"{n_channels}x{side}x{side}"
            print(f"| {model} | {images} | {n_trainings} | {told} | {faults} | {peaks} |", flush=True)


if __name__ == "__main__":
    main()
