"""Files with nothing wrong with them, which cases and fuzzing spoil: small digits, their run, pictures of them."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_digits

import splitgen
from splitgen import cli

QUICK = """
[discovery]
inner_steps = 2
[refinement]
inner_steps = 2
[agreement]
epochs = 1
[search]
max_trained = 2
rows = [100]
keep = []
[sharpening]
rounds = 0
"""
MAKE = "make npz:digits.npz --model mlp --config quick.toml --meta-steps 2 --refine-steps 1 --seeds 2 --epochs 1"


def call(line: str) -> int:
    """`splitgen LINE`, as the console script runs it; its exit code."""
    with mock.patch.object(sys, "argv", ["splitgen", *shlex.split(line)]):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def make_good(folder: Path) -> None:
    """Fill an empty folder, which is the current one: digits.npz, run/, quick.toml, pictures/CLASS/N.png; the
    run's index file as right.parquet, and its targets as predictions in right.csv and predictions.parquet."""
    digits = load_digits()
    rows = np.flatnonzero(digits.target < 3)[:240]
    np.savez(folder / "digits.npz", x=digits.images[rows].astype(np.uint8), y=digits.target[rows])
    (folder / "quick.toml").write_text(QUICK)
    for c in range(2):
        (folder / "pictures" / str(c)).mkdir(parents=True)
        for i, row in enumerate(np.flatnonzero(digits.target == c)[:12]):
            Image.fromarray(digits.images[row].astype(np.uint8) * 15).save(folder / "pictures" / str(c) / f"{i}.png")
    assert call(f"{MAKE} --threads 1 --quiet --out run") == 0
    shutil.copy("run/split.parquet", "right.parquet")
    right = pd.DataFrame({"index": range(240), "prediction": splitgen.read_split("right.parquet").targets})
    right.to_csv("right.csv", index=False)
    right.to_parquet("predictions.parquet")
