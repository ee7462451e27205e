"""Is a planted shortcut discovered, and named first? `splitgen make`, from images to report, on digits in colour.

    python tests/benchmarks/planted_shortcuts.py --seeds 10 --threads 1 --tasks 1 [--kinds patch brightness site]

In a random half of the images something is planted that has nothing to do with the class: a red instead of a
blue patch in a corner; a shift of brightness; a shift of brightness that a column `site` of the user's table
drives, beside a column `scanner` that says nothing. Prints a Markdown row a run: the attribute that the
report names first for the task that the split is made of, its AUC, and the same for all discovered tasks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

KINDS = {
    "patch": ("red", "blue", "hue"),
    "brightness": ("brightness", "background brightness", "foreground brightness"),
    "site": ("site",),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    print("| planted | seed | the split's task | all tasks |\n|---|---|---|---|", flush=True)
    for kind in options.kinds:
        named = [measure(kind, seed, options) for seed in range(options.first, options.first + options.seeds)]
        print(f"| {kind} | named first | {sum(named)} of {options.seeds} | |", flush=True)


def measure(kind: str, seed: int, given: argparse.Namespace) -> bool:
    """One run; prints its row, and tells whether the planted attribute is named first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(kind, seed, folder)
        options = [
            "--seed",
            seed,
            "--threads",
            given.threads,
            "--refine-steps",
            0,
            "--seeds",
            2,
            "--quiet",
            "--tasks",
            given.tasks,
        ]
        files = [f"npz:{folder / 'planted.npz'}", "--metadata", folder / "columns.csv", "--out", folder / "run"]
        command = [sys.executable, "-m", "splitgen", "make", *map(str, [*files, *options])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        explanations = json.loads((folder / "run" / "run.json").read_text())["explanations"]
    first = [each["associations"][0] for each in explanations]
    told = [f"{best['name']} {best['auc']:.3f}" for best in first]
    print(f"| {kind} | {seed} | {told[0]} | {', '.join(told[1:])} |", flush=True)
    return first[0]["name"] in KINDS[kind]


def plant(kind: str, seed: int, folder: Path) -> None:
    """planted.npz and columns.csv in a folder."""
    random = np.random.default_rng([17, seed])
    pixels, labels = load_digits(return_X_y=True)
    grey = (pixels.reshape(-1, 8, 8, 1) / 16 * 200).round()
    images = np.repeat(grey, 3, axis=3)
    planted = random.integers(0, 2, len(labels))
    columns = pd.DataFrame({"id": np.arange(len(labels)), "scanner": random.integers(0, 5, len(labels)).astype(str)})
    if kind == "patch":
        images[planted == 1, :2, :2] = (200, 0, 0)
        images[planted == 0, :2, :2] = (0, 0, 200)
    else:
        images[planted == 1] += 40
    if kind == "site":
        columns["site"] = np.where(planted == 1, "north", "south")
    np.savez(folder / "planted.npz", x=images.astype(np.uint8), y=labels)
    columns.to_csv(folder / "columns.csv", index=False)


if __name__ == "__main__":
    main()
