"""Thousands of classes, and classes of ten rows: what `splitgen make` takes, and whether every class gets a side.

    python tests/benchmarks/many_classes.py [--classes 1000 3000] [--small 10 21] [--seeds 50]

First a Markdown row for each number of classes, ten made images each: wall seconds and peak memory of
`splitgen make` with few steps, the size of its run.json, and the seconds that the cut alone takes. What ten
classes take is what importing torch and any run take. Then, for each small number of classes, at how many seeds
the sides were all +-1, halved, and no confusion unknown.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS = 10  # of a class
FEW_STEPS = (
    *("--meta-steps", "3", "--refine-steps", "0", "--seeds", "2", "--epochs", "2"),
    *("--threads", "1", "--agreement-networks", "2", "--quiet"),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--classes", type=int, nargs="*", default=[10, 1_000, 3_000])
    parser.add_argument("--small", type=int, nargs="*", default=[10, 21])
    parser.add_argument("--seeds", type=int, default=50)
    options = parser.parse_args()
    # Linux counts the memory of this process, too, until the child starts its program: torch is imported afterwards
    made = [measure_make(n_classes) for n_classes in options.classes]
    print("| classes | make, s | peak memory, MB | run.json, MB | cut alone, s |\n|---|---|---|---|---|", flush=True)
    for n_classes, figures in zip(options.classes, made, strict=True):
        print(f"| {n_classes} | {figures} | {time_cut(n_classes):.1f} |", flush=True)
    print("\n| classes | seeds with all sides +-1, in halves |\n|---|---|", flush=True)
    for n_classes in options.small:
        good = sum(has_sides(n_classes, seed) for seed in range(options.seeds))
        print(f"| {n_classes} | {good} of {options.seeds} |", flush=True)


def make_images(n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grey images uint8 [N, 8, 8], a pattern a class and noise, and labels int64 [N], in random order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(n_classes), ROWS))
    images = rng.uniform(0, 255, (n_classes, 8, 8))[labels] + rng.normal(0, 40, (len(labels), 8, 8))
    return images.clip(0, 255).astype(np.uint8), labels


def measure_make(n_classes: int) -> str:
    """One run of `splitgen make`: its seconds, peak memory and size as cells."""
    with tempfile.TemporaryDirectory() as name:
        file, out = Path(name) / "many.npz", Path(name) / "run"
        images, labels = make_images(n_classes)
        np.savez(file, x=images, y=labels)
        command = [sys.executable, "-m", "splitgen", "make", f"npz:{file}", *FEW_STEPS, "--out", str(out)]
        start = time.monotonic()
        peak = run_measured(command)
        seconds = time.monotonic() - start
        size = (out / "run.json").stat().st_size
    return f"{seconds:.1f} | {peak / 1e6:.0f} | {size / 1e6:.2f}"


def run_measured(command: list[str]) -> int:
    """Run a command, and give its own peak memory in bytes. Raises `CalledProcessError` where it fails."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return usage.ru_maxrss * 1024


def time_cut(n_classes: int) -> float:
    """Seconds for the cut of a made confusion, in which each class is taken for a few others."""
    from splitgen.search.sides import cut_classes

    confusion = np.random.default_rng(0).dirichlet(np.full(n_classes, 0.1), n_classes)
    start = time.monotonic()
    cut_classes(confusion, 2)
    return time.monotonic() - start


def has_sides(n_classes: int, seed: int) -> bool:
    """Whether every class got a side, and the sides are halves, on made images of that seed."""
    import torch

    from splitgen import TrainingConfig, find_model, make_bench, make_dataset
    from splitgen.search.sides import cut_classes, measure_confusion

    torch.set_num_threads(1)
    images, labels = make_images(n_classes, seed)
    dataset = make_dataset("made", torch.from_numpy(images)[:, None], labels, raw=[images.tobytes()])
    training = TrainingConfig(epochs=2, batch_size=32)
    confusion = measure_confusion(make_bench(dataset, find_model("conv"), training=training, seed=seed), 10_000)
    if not np.isfinite(confusion).all():
        return False
    cuts = cut_classes(confusion, 2)
    return all(set(sides.tolist()) == {-1, 1} and abs(int(sides.sum())) <= 1 for sides in cuts)


if __name__ == "__main__":
    main()
