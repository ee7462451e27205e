"""Datapoint scores from task margins and class sides."""

from __future__ import annotations

import numpy as np


def score_datapoints(margins: np.ndarray, labels: np.ndarray, class_sides: np.ndarray) -> np.ndarray:
    """Datapoint scores s_{y_i} * m_i, float32 [N] (docs/method.md, section 1): larger is more train-like.

    margins: [N], of one task. labels: int [N]. class_sides: [C] of -1 and +1.
    """
    scores: np.ndarray = (class_sides[labels] * margins).astype(np.float32)
    return scores
