"""Is a planted shortcut discovered, and named first? `splitgen make`, from images to report, on digits in colour and on
CIFAR-10.

    python tests/benchmarks/planted_shortcuts.py --seeds 10 --threads 1 [--tasks 1] [--kinds patch ...] [--told]

In a random half of the images something is planted that has nothing to do with the class: a red instead of a
blue patch in a corner; a shift of brightness; a shift of brightness that a column `site` of the user's table
drives, beside a column `scanner` that says nothing. On photographs of CIFAR-10: a red border; a yellow upper
third; a fine chequered texture all over. Prints a Markdown row a run: the attribute that the report names first for
the task that the split is made of, its AUC, that of the task's margins for what was planted (was it discovered at
all?), and the names for all discovered tasks. --told: nothing is discovered; what is planted is itself the task that is
to be named, which takes seconds and not minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from splitgen import DataConfig, gather_evidence, open_dataset, read_split
from splitgen.data.regions import PLACES
from splitgen.explain.explanation import explain_task

CIFAR10 = Path(__file__).parents[2] / ".." / "shared" / "data" / "cifar10"  # as the hub of Hugging Face serves it
CIFAR10_ROWS = 2_000


def plant_red_border(images: np.ndarray) -> np.ndarray:
    """The outer three pixels of images [n, 32, 32, 3] are red, as a frame is."""
    border = np.ones(images.shape[1:3], dtype=bool)
    border[3:-3, 3:-3] = False
    images[:, border] = (200, 0, 0)
    return images


def plant_yellow_top(images: np.ndarray) -> np.ndarray:
    """The upper third is seen through yellow paint, three quarters of it."""
    third = images.shape[1] // 3
    images[:, :third] = images[:, :third] / 4 + 0.75 * np.array([255, 220, 0])
    return images


def plant_texture(images: np.ndarray) -> np.ndarray:
    """A chequered pattern all over, of two pixels, that leaves the mean as it is."""
    rows, columns = np.indices(images.shape[1:3])
    pattern: np.ndarray = np.where((rows // 2 + columns // 2) % 2 == 0, 60.0, -60.0)
    return np.asarray(images + pattern[None, :, :, None])


def join_names(names: Sequence[str], places: Sequence[str]) -> tuple[str, ...]:
    """Statistics by what they measure, and where."""
    return tuple(f"{name} {place}".strip() for name in names for place in places)


LEADING = ("in the upper half", "in the top third", "in the left half", "in the left third")
# What may be named: each says what was planted, where it was planted.
KINDS = {
    "patch": join_names(
        ("red", "blue", "red-green", "yellow-blue", "warmth", "hue"),
        ("", "at the border", *LEADING, "top left"),
    ),
    "brightness": ("brightness", "background brightness", "foreground brightness"),
    "site": ("site",),
    "red-border": join_names(("red", "red-green", "warmth", "red light"), ("at the border",)),
    "yellow-top": join_names(("yellow-blue", "warmth"), (*LEADING[:2], "top left", "top middle", "top right")),
    "texture": join_names(("fine texture", "edge density", "sharpness"), PLACES),
}
PHOTOGRAPHS = {"red-border": plant_red_border, "yellow-top": plant_yellow_top, "texture": plant_texture}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--told", action="store_true", help="name what is planted, without discovery")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    options = parser.parse_args()
    print("| planted | seed | the split's task | margins | all tasks |\n|---|---|---|---|---|", flush=True)
    for kind in options.kinds:
        named = [measure(kind, seed, options) for seed in range(options.first, options.first + options.seeds)]
        print(f"| {kind} | named first | {sum(named)} of {options.seeds} | | |", flush=True)


def measure(kind: str, seed: int, given: argparse.Namespace) -> bool:
    """One run; prints its row, and tells whether the planted attribute is named first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        planted = plant(kind, seed, folder)
        if given.told:
            return tell(kind, seed, planted, folder)
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
        if kind in PHOTOGRAPHS:
            options += ["--meta-steps", 24, "--epochs", 3]
        files = [f"npz:{folder / 'planted.npz'}", "--metadata", folder / "columns.csv", "--out", folder / "run"]
        command = [sys.executable, "-m", "splitgen", "make", *map(str, [*files, *options])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        explanations = json.loads((folder / "run" / "run.json").read_text())["explanations"]
        found = roc_auc_score(planted, read_split(folder / "run").margins)
    first = [each["associations"][0] for each in explanations]
    told = [f"{best['name']} {best['auc']:.3f}" for best in first]
    print(f"| {kind} | {seed} | {told[0]} | {max(found, 1 - found):.3f} | {', '.join(told[1:])} |", flush=True)
    return first[0]["name"] in KINDS[kind]


def tell(kind: str, seed: int, planted: np.ndarray, folder: Path) -> bool:
    """Name what is planted, as if the task had been discovered without a fault."""
    source = DataConfig(f"npz:{folder / 'planted.npz'}", metadata=str(folder / "columns.csv"))
    explained = explain_task(gather_evidence(open_dataset(source)), "task 0", np.where(planted, 1.0, -1.0))
    best = explained.associations[0]
    print(f"| {kind} | {seed} | {best.name} {best.auc:.3f} | | |", flush=True)
    return best.name in KINDS[kind]


def plant(kind: str, seed: int, folder: Path) -> np.ndarray:
    """planted.npz and columns.csv in a folder; which datapoints [n] have what was planted."""
    random = np.random.default_rng([17, seed])
    return plant_photographs(kind, random, folder) if kind in PHOTOGRAPHS else plant_digits(kind, random, folder)


def plant_photographs(kind: str, random: np.random.Generator, folder: Path) -> np.ndarray:
    """The same on a random half, within each class, of some photographs."""
    images, labels = read_photographs(random)
    planted = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        mine = random.permutation(np.flatnonzero(labels == label))
        planted[mine[: len(mine) // 2]] = True
    changed = PHOTOGRAPHS[kind](images[planted].astype(np.float64))
    images[planted] = changed.round().clip(0, 255).astype(np.uint8)
    np.savez(folder / "planted.npz", x=images, y=labels)
    scanner = random.integers(0, 5, len(labels)).astype(str)
    pd.DataFrame({"id": np.arange(len(labels)), "scanner": scanner}).to_csv(folder / "columns.csv", index=False)
    return planted


def read_photographs(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 32, 32, 3] and classes of `CIFAR10_ROWS` random rows."""
    files = sorted(CIFAR10.glob("train-*.parquet"))
    if not files:
        raise SystemExit(f"CIFAR-10 as Parquet files is not in {CIFAR10}")
    frame = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    frame = frame.iloc[random.permutation(len(frame))[:CIFAR10_ROWS]]
    images = [np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in frame["image"]]
    return np.stack(images), frame["label"].to_numpy()


def plant_digits(kind: str, random: np.random.Generator, folder: Path) -> np.ndarray:
    """The same on digits in colour."""
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
    return np.asarray(planted == 1)


if __name__ == "__main__":
    main()
