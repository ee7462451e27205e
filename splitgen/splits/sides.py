"""Class sides: which half of the source classes each class is put in (docs/method.md, section 5).

For a binary target the sides are given. For the label as target, classes that the target model
confuses go to opposite sides: a maximum cut of the confusion, with halves that differ by at most one.
"""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import torch

from splitgen.config import TrainingConfig
from splitgen.models.registry import ModelFactory
from splitgen.models.training import fit, predict_probs
from splitgen.random import stream_generator, stream_seed

EXACT_CLASSES = 20  # up to here every balanced cut is looked at
MAX_CONFUSION_ROWS = 10_000


def binary_sides(n_classes: int, positive_classes: tuple[int, ...]) -> np.ndarray:
    """+1 for the classes of side 1 of a binary target, -1 for the rest. int64 [C]."""
    return np.where(np.isin(np.arange(n_classes), positive_classes), 1, -1)


def measure_confusion(
    model: ModelFactory, images: torch.Tensor, labels: torch.Tensor, n_classes: int, config: TrainingConfig, seed: int
) -> np.ndarray:
    """Mean predicted probability of each class [C, C] (rows: true class) on rows not trained on.

    Probabilities rather than counts of errors: they tell classes apart also where a model hardly errs.
    """
    order = torch.randperm(len(labels), generator=stream_generator(seed, "confusion")).to(labels.device)
    train = order[: min(len(order) // 2, MAX_CONFUSION_ROWS)]
    rest = order[len(train) : 2 * len(train)]
    network = fit(model, images, labels, train, n_classes, config, stream_seed(seed, "confusion", "fit"))
    probs, true = predict_probs(network, images, rest).double(), labels[rest].cpu()
    return np.stack([probs[true == c].mean(dim=0).numpy() for c in range(n_classes)])


def cut_classes(confusion: np.ndarray, n_cuts: int) -> list[np.ndarray]:
    """The best class sides [C] of -1 and +1 by the confusion across the cut, best first.

    Exact up to `EXACT_CLASSES` classes; above, one cut by Kernighan and Lin's heuristic (networkx).
    Class 0 is on side +1: the opposite signs are the same cut.
    """
    weights = confusion + confusion.T
    np.fill_diagonal(weights, 0.0)
    if len(weights) > EXACT_CLASSES:
        return [heuristic_cut(weights)]
    return exact_cuts(weights, n_cuts)


def exact_cuts(weights: np.ndarray, n_cuts: int) -> list[np.ndarray]:
    """The n best of all balanced cuts of symmetric weights [C, C]."""
    n_classes = len(weights)
    sizes = {n_classes // 2, n_classes - n_classes // 2}
    partners = itertools.chain.from_iterable(
        itertools.combinations(range(1, n_classes), size - 1) for size in sorted(sizes)
    )
    best: list[tuple[float, np.ndarray]] = []
    while chunk := list(itertools.islice(partners, 20_000)):
        sides = -np.ones((len(chunk), n_classes))
        sides[:, 0] = 1
        for row, members in zip(sides, chunk, strict=True):
            row[list(members)] = 1
        # sum over pairs on opposite sides = (total - s W s) / 4 over ordered pairs, halved
        values = (weights.sum() - np.einsum("ni,ij,nj->n", sides, weights, sides, optimize=True)) / 4
        top = np.argsort(-values, kind="stable")[:n_cuts]
        best = sorted([*best, *((float(values[i]), sides[i]) for i in top)], key=lambda pair: -pair[0])[:n_cuts]
    return [side.astype(np.int64) for _, side in best]


def heuristic_cut(weights: np.ndarray) -> np.ndarray:
    """A balanced cut by a minimum bisection of the complement weights."""
    graph = nx.from_numpy_array(weights.max() - weights)
    first, _ = nx.algorithms.community.kernighan_lin_bisection(graph, weight="weight", seed=0)
    sides = np.where(np.isin(np.arange(len(weights)), list(first)), 1, -1)
    return sides if sides[0] == 1 else -sides
