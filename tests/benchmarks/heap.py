"""What it saves to keep freed memory (`splitgen.heap`): CPU, page faults and peak memory, with and without.

    python tests/benchmarks/heap.py [--repeats 3]

Steps of the built-in net and of ResNet-18 of width 0.25 on batches of 128 random images of 32 x 32, one training alone
and two side by side, each in a process of its own; with and without take turns.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys

import torch

from splitgen.heap import keep_freed_memory
from splitgen.models.registry import build_network, find_model
from splitgen.parallel import map_threads

CASES = (("conv", 3, 60), ("resnet18x0.25", 1, 8))  # model, channels, steps
WARM_UP = 3


def train_some(model: str, n_channels: int, n_steps: int, n_trainings: int) -> None:
    """Plain steps of Adam, as many trainings at a time."""
    images = torch.randn(128, n_channels, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (128,))

    def train(seed: int) -> None:
        network = build_network(find_model(model), 10, (n_channels, 32, 32), seed)
        optimizer = torch.optim.AdamW(network.parameters())
        for _ in range(n_steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    list(map_threads(train, range(n_trainings)))


def measure(model: str, n_channels: int, n_steps: int, n_trainings: int) -> tuple[float, int, float]:
    """Seconds of CPU, page faults, and the peak in MiB."""
    train_some(model, n_channels, WARM_UP, n_trainings)
    before = resource.getrusage(resource.RUSAGE_SELF)
    train_some(model, n_channels, n_steps, n_trainings)
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, after.ru_minflt - before.ru_minflt, after.ru_maxrss / 1024


def call(*arguments: object) -> tuple[float, float, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--work", *map(str, arguments)], stdout=subprocess.PIPE, check=True
    )
    seconds, faults, peak = map(float, done.stdout.split())
    return seconds, faults, peak


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--work", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work is not None:
        model, *numbers = given.work
        n_channels, n_steps, n_trainings, is_kept = map(int, numbers)
        if is_kept and not keep_freed_memory():
            sys.exit("the allocator of this process cannot be told to keep memory")
        print(*measure(model, n_channels, n_steps, n_trainings))
        return
    print("| model | side by side | CPU with over without (range) | page faults | MiB at most |\n|---|---|---|---|---|")
    for model, n_channels, n_steps in CASES:
        for n_trainings in (1, 2):
            pairs = [
                [call(model, n_channels, n_steps, n_trainings, kept) for kept in (1, 0)] for _ in range(given.repeats)
            ]
            ratios = [kept[0] / plain[0] for kept, plain in pairs]
            told = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            faults, peaks = (" for ".join(f"{each[k]:.0f}" for each in pairs[-1]) for k in (1, 2))
            print(f"| {model} | {n_trainings} | {told} | {faults} | {peaks} |", flush=True)


if __name__ == "__main__":
    main()
