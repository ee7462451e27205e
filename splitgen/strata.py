"""Rows by class without a look at all rows for each class, which thousands of classes would make slow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd


def count_earlier(strata: np.ndarray) -> np.ndarray:
    """How many rows before each row are of its stratum, int64 [n]. strata: int [n]."""
    earlier: np.ndarray = pd.Series(strata).groupby(strata).cumcount().to_numpy(np.int64, copy=True)
    return earlier


def list_strata(strata: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Every stratum that has rows, ascending, with its rows, ascending. strata: int [n]."""
    present, counts = np.unique(strata, return_counts=True)
    rows = np.split(np.argsort(strata, kind="stable"), counts.cumsum()[:-1])
    return zip(present.tolist(), rows, strict=True)
