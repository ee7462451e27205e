"""Confusions in run.json: how often rows of a class are predicted as an output; of many classes without C^2 numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from splitgen.splits.split import Split

DENSE_CLASSES = 100  # up to here all counts are written
MAX_WRONG = 20_000  # of more classes, so many of the confusions that take the largest share of their class


@dataclass(frozen=True)
class Confusion:
    """Counts [C, n_outputs], of which rare ones may be left out, and how many rows each class has with these, [C]."""

    counts: csr_array
    totals: np.ndarray

    def count_right(self, targets: np.ndarray) -> np.ndarray:
        """How often a row of each class was predicted as the class's target, [C]. targets: int [C]."""
        pairs, right = self.counts.tocoo(), np.zeros(len(self.totals), dtype=np.int64)
        hits = pairs.col == targets[pairs.row]
        right[pairs.row[hits]] = pairs.data[hits]
        return right

    def score_classes(self, targets: np.ndarray) -> np.ndarray:
        """Accuracy of each class [C]; NaN for one without rows. targets: int [C]."""
        return np.asarray(np.where(self.totals > 0, self.count_right(targets) / self.totals.clip(1), np.nan))

    def share_rows(self, classes: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        """Counts of some classes [c] as some outputs [o] in shares of the class's rows, [c, o]; 0 where it has none."""
        counts = self.counts[classes][:, outputs].toarray()
        return np.asarray(counts / self.totals[classes, None].clip(1))

    def rank_wrong(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Class, output and share of the class's rows of every confusion, [n] each, the largest share first."""
        pairs = self.counts.tocoo()
        wrong = pairs.col != targets[pairs.row]
        classes, outputs, counts = pairs.row[wrong], pairs.col[wrong], pairs.data[wrong]
        shares = counts / self.totals[classes]
        order = np.argsort(-shares, kind="stable")
        return classes[order], outputs[order], shares[order]


def map_targets(split: Split) -> np.ndarray:
    """The target of each source class, int64 [C]."""
    targets = np.zeros(int(split.labels.max()) + 1, dtype=np.int64)
    targets[split.labels] = split.targets
    return targets


def store_confusion(counts: np.ndarray, targets: np.ndarray) -> Any:
    """A confusion [C, n_outputs] as JSON. targets: int [C], the output that is right for each class.

    Of many classes all right predictions, and of the others those that take the largest share of their class.
    """
    if len(counts) <= DENSE_CLASSES:
        return counts.tolist()
    classes, outputs = np.nonzero(counts)
    found, totals = counts[classes, outputs], counts.sum(axis=1)
    right = outputs == targets[classes]
    wrong = np.flatnonzero(~right)
    shares = found[wrong] / totals[classes[wrong]]
    kept = wrong[np.argsort(-shares, kind="stable")[:MAX_WRONG]]
    chosen = np.sort(np.concatenate([np.flatnonzero(right), kept]))
    return {
        "shape": list(counts.shape),
        "totals": totals.tolist(),
        "classes": classes[chosen].tolist(),
        "outputs": outputs[chosen].tolist(),
        "counts": found[chosen].tolist(),
    }


def load_confusion(stored: Any) -> Confusion:
    """What `store_confusion` gave."""
    if not isinstance(stored, Mapping):
        counts = np.array(stored)
        return Confusion(csr_array(counts), counts.sum(axis=1))
    pairs = np.array(stored["counts"], dtype=np.int64), (np.array(stored["classes"]), np.array(stored["outputs"]))
    return Confusion(csr_array(coo_array(pairs, shape=tuple(stored["shape"]))), np.array(stored["totals"]))
