"""scikit-learn's `PredefinedSplit`."""

from __future__ import annotations

from typing import Any

import numpy as np

from splitgen.errors import ExportError
from splitgen.exports.export import Export
from splitgen.parquet import replacing
from splitgen.splits.split import Split


def make_predefined_split(split: Split, held_out: str = "test") -> tuple[Any, np.ndarray]:
    """A `PredefinedSplit` with one fold, and the positions in the source that X and y must be cut down to.

    held_out: "test" or "validation"; the fold trains on train and is scored on this part. The rest is dropped,
        since scikit-learn would train on it. Raises `ExportError` where the part has no rows.
    """
    from sklearn.model_selection import PredefinedSplit

    indices, test_fold = fold_rows(split, held_out)
    return PredefinedSplit(test_fold), indices


def fold_rows(split: Split, held_out: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions that are kept, int64 [n], and their fold: 0 held out, -1 always train, int64 [n]."""
    if not len(split.indices(held_out)):
        raise ExportError("sklearn", f"the split has no {held_out} rows", "hold out test or validation")
    indices = np.flatnonzero(np.isin(split.parts, ("train", held_out)))
    return indices, np.where(split.parts[indices] == held_out, 0, -1)


def write_folds(export: Export) -> None:
    """An npz file with index and test_fold: `PredefinedSplit(file["test_fold"])` for `X[file["index"]]`."""
    indices, test_fold = fold_rows(export.split, "test")
    with replacing(export.out) as temporary, temporary.open("wb") as file:
        np.savez(file, index=indices, test_fold=test_fold)
