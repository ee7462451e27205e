"""The linear template of a task: the weights of a ridge regression of the pixels on its sides, within class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from torch.nn import functional

from splitgen.data.dataset import ImageDataset
from splitgen.data.images import CHUNK
from splitgen.explain.ranking import MIN_CLASS_ROWS, score_ranks
from splitgen.random import stream_seed

TEMPLATE_ROWS = 6_000  # of the dataset, at most: two thirds are fitted, one is judged
TEMPLATE_VALUES = 4_096  # channels times pixels, at most: larger images are made smaller
MIN_SIDE = 3  # pixels of an image that has a template
PENALTY = 30.0  # by the mean variance along a direction: weights of neighbouring pixels are then alike, and can be seen


@dataclass(frozen=True)
class Template:
    """weights: float64 [channels, height, width], above 0 where large values speak for side +. auc: the mean AUC within
    class over datapoints that it was not fitted on; NaN where no class has enough of them on both sides."""

    weights: np.ndarray
    auc: float


def fit_templates(dataset: ImageDataset, margins: Sequence[np.ndarray], seed: int = 0) -> list[Template]:
    """The template of each task, by its margins [N] above 0 on side +, at 0 on neither; none for images under
    `MIN_SIDE` pixels, and for a task of one side."""
    if min(dataset.images.shape[1:]) < MIN_SIDE or not margins:
        return []
    drawn = np.random.default_rng(stream_seed(seed, "template")).permutation(dataset.n_points)[:TEMPLATE_ROWS]
    pixels, labels = take_small(dataset, drawn), dataset.labels[drawn]
    shape, values = pixels.shape[1:], centre_classes(pixels.reshape(len(drawn), -1), labels)
    signs = np.stack([np.sign(each[drawn]) for each in margins], axis=1).astype(np.float32)
    above, sides = signs > 0, centre_classes(signs, labels)
    n_fit = -(-2 * len(drawn) // 3)
    penalty = PENALTY * float(np.square(values[:n_fit]).sum()) / values.shape[1]
    model = Ridge(alpha=max(penalty, 1e-6), solver="cholesky", fit_intercept=False).fit(values[:n_fit], sides[:n_fit])
    weights = np.asarray(model.coef_, dtype=np.float64).reshape(above.shape[1], -1)
    told = values[n_fit:] @ weights.T
    return [
        Template(each.reshape(shape), judge_within(told[on, k], above[n_fit:][on, k], labels[n_fit:][on]))
        for k, each in enumerate(weights)
        for on in [signs[n_fit:, k] != 0]
    ]


def take_small(dataset: ImageDataset, rows: np.ndarray) -> np.ndarray:
    """Images as float32 [n, channels, height, width] of at most `TEMPLATE_VALUES` values each, over their range."""
    channels, height, width = dataset.images.shape
    scale = min(1.0, math.sqrt(TEMPLATE_VALUES / (channels * height * width)))
    size = max(1, int(height * scale)), max(1, int(width * scale))
    step = max(1, CHUNK * TEMPLATE_VALUES // (channels * height * width))
    parts = []
    for part in torch.split(torch.from_numpy(rows), min(step, CHUNK)):
        pixels = dataset.images.take(part).float()
        parts.append(pixels if scale == 1 else functional.adaptive_avg_pool2d(pixels, size))
    pixels = torch.cat(parts)
    return ((pixels - pixels.min()) / (pixels.max() - pixels.min()).clamp_min(1e-6)).numpy()


def centre_classes(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Values [n, d] less their mean within each class."""
    centred = values.copy()
    for label in np.unique(labels):
        centred[labels == label] -= values[labels == label].mean(axis=0)
    return centred


def judge_within(told: np.ndarray, above: np.ndarray, labels: np.ndarray) -> float:
    """The mean AUC within class, weighted by class size, over the classes with `MIN_CLASS_ROWS` on both sides."""
    aucs, sizes = [], []
    for label in np.unique(labels):
        mine = above[labels == label]
        if min(mine.sum(), (~mine).sum()) >= MIN_CLASS_ROWS:
            aucs.append(score_ranks(rankdata(told[labels == label])[:, None], mine)[0])
            sizes.append(len(mine))
    return float(np.average(aucs, weights=sizes)) if aucs else float("nan")
