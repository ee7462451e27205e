"""What a linear classifier reads of a task off features (embeddings), which have no pixels to describe."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from splitgen.data.dataset import ImageDataset

MAX_ROWS = 4_000
MIN_SIDE_ROWS = 30
PENALTIES = (1.0, 10.0, 100.0, 1_000.0)  # of which the training rows choose one
CLEAR_AUC = 0.75


def take_features(dataset: ImageDataset, rows: np.ndarray) -> np.ndarray | None:
    """The features of the first `MAX_ROWS` of some rows, float32 [n, D]; None where a row is an image."""
    if not dataset.holds_features:
        return None
    return dataset.images.take(torch.from_numpy(rows[:MAX_ROWS])).flatten(1).float().numpy()


def measure_linear(features: np.ndarray, margins: np.ndarray) -> float | None:
    """AUC of a linear classifier of features [n, D] for the sides of a task's margins [n or more], each datapoint
    judged by one that never saw it; None where a side has too few."""
    sides = (margins[: len(features)] > 0).astype(np.int64)
    if np.bincount(sides, minlength=2).min() < MIN_SIDE_ROWS:
        return None
    classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES))
    scores = cross_val_predict(classifier, features, sides, cv=StratifiedKFold(3), method="decision_function")
    return float(roc_auc_score(sides, scores))


def say_linear(auc: float | None) -> list[str]:
    """The same in a sentence; none where there is no figure."""
    if auc is None:
        return []
    if auc >= 0.9:
        judged = "they tell it well"
    else:
        judged = "they tell part of it" if auc >= CLEAR_AUC else "it is mostly no linear function of them"
    told = f"A linear classifier of the features tells the side of unseen datapoints with an AUC of {auc:.2f}"
    return [f"{told}: {judged}."]
