"""Labels, targets and sizes of a split that a dataset cannot have."""

from __future__ import annotations

import numpy as np
from bad_case import Case, Recipe, nothing, write_arrays

IMAGES = np.zeros((40, 8, 8), np.uint8)
HALVES = np.arange(40) % 2
OPEN = "make npz:bad.npz --config quick.toml --out out"


def label(name: str, labels: np.ndarray, words: str) -> Case:
    recipe: Recipe = write_arrays("bad.npz", x=IMAGES, y=labels)
    return Case(name, recipe, OPEN, words)


def size(name: str, options: str, words: str) -> Case:
    return Case(name, nothing, f"make npz:digits.npz --config quick.toml --out out {options}", words)


CASES = [
    label("fractions", HALVES + 0.5, "labels must be integers, got float64 such as 0.5"),
    label("NaN", HALVES + np.nan, "labels must be integers, got float64 such as nan"),
    label("infinity", HALVES + np.inf, "labels must be integers"),
    label("truths", HALVES == 1, "labels must be integers, got bool"),
    label("words", np.array(["a", "b"] * 20), "labels must be integers"),
    label("dates", HALVES.astype("M8[D]"), "labels must be integers"),
    label("below 0", HALVES - 1, "labels must be 0 or more, got -1"),
    label("a gap", HALVES * 2, "class '1' has 0 rows"),
    label("a number beyond all rows", HALVES * 10**9, "has 0 rows"),
    label("a number beyond 64 bits", HALVES.astype("u8") * np.uint64(2**63), "has 0 rows"),
    label("one class", HALVES * 0, "it has one class only"),
    label("a class of nine", (np.arange(40) < 9).astype(int), "class '1' has 9 rows"),
    label("a label less", HALVES[:39], "40 images but labels of shape (39,)"),
    label("one column for each class", np.eye(2)[HALVES], "40 images but labels of shape (40, 2)"),
    Case("no rows", write_arrays("bad.npz", x=IMAGES[:0], y=HALVES[:0]), OPEN, "it has no rows"),
    size("a target of no class", "--target 7", "target names class 7"),
    size("a target of words", "--target cat", "target names class cat"),
    size("a target of all classes", "--target 0,1,2", "target lists all 3 classes"),
    size("an empty target", "--target ''", "target"),
    size("an empty entry of a target", "--target 0,,1", "target has an empty entry"),
    size("no test rows", "--test-fraction 0", "test_fraction must be"),
    size("test rows below 0", "--test-fraction -0.5", "test_fraction must be"),
    size("all rows in test", "--test-fraction 1", "test_fraction"),
    size(
        "more than all rows",
        "--test-fraction 0.6 --reserve-fraction 0.6",
        "must leave rows to train on, they sum to 1.2",
    ),
    size("a class without test rows", "--test-fraction 0.001", "would have none in test"),
    size("a class without train rows", "--test-fraction 0.5 --reserve-fraction 0.499", "would have none in train"),
    size("NaN test rows", "--test-fraction nan", "test_fraction must be"),
    size("infinite validation rows", "--validation-fraction inf", "validation_fraction must be"),
]
