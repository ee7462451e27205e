"""Class sides: which half of the source classes each class is put in (docs/method.md, section 5).

For a binary target the sides are given. For the label as target, classes that the target model
confuses go to opposite sides: a maximum cut of the confusion, with halves that differ by at most one. Or they are
drawn at random.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import nn

from splitgen.keeping import Slot, State
from splitgen.models.bench import Bench
from splitgen.random import stream_generator, stream_seed
from splitgen.search.bisection import bisect
from splitgen.strata import count_earlier

EXACT_CLASSES = 20  # up to here every balanced cut is looked at
SAFE_COUNT = 30  # rows of a class expected in a random half: one without any is then out of the question
PROBS_CHUNK = 500  # rows with probabilities of many classes in memory at a time
DENSE_CLASSES = 100  # up to here all probabilities are averaged at once; in chunks the last digit would differ


def binary_sides(n_classes: int, positive_classes: tuple[int, ...]) -> np.ndarray:
    """+1 for the classes of side 1 of a binary target, -1 for the rest. int64 [C]."""
    return np.where(np.isin(np.arange(n_classes), positive_classes), 1, -1)


def draw_sides(n_classes: int, seed: int) -> np.ndarray:
    """Random class sides, whose numbers differ by at most one, as the paper has them. int64 [C] of -1 and +1."""
    order = torch.randperm(n_classes, generator=stream_generator(seed, "class sides")).numpy()
    return np.where(order < -(-n_classes // 2), 1, -1)


def measure_confusion(bench: Bench, max_rows: int) -> np.ndarray:
    """Mean predicted probability of each class [C, C] (rows: true class) on at most so many rows not trained on.

    Probabilities rather than counts of errors: they tell classes apart also where a model hardly errs.
    Every class of two rows or more is among those trained on and those judged; one of fewer has a row of NaN.
    """
    labels, n_classes = bench.labels, bench.n_classes
    order = torch.randperm(len(labels), generator=stream_generator(bench.seed, "confusion")).to(bench.device)
    train, judged = halve_rows(order, labels, max_rows)
    seed = stream_seed(bench.seed, "confusion", "fit")

    def confuse(slot: Slot) -> State:
        network = bench.fit(labels, train, n_classes, seed, bench.training.for_trials(), slot)
        if n_classes > DENSE_CLASSES:
            return State({"confusion": torch.from_numpy(average_probs(bench, network, judged))})
        probs, true = bench.predict_probs(network, judged).double(), labels[judged].cpu()
        return State({"confusion": torch.stack([probs[true == c].mean(dim=0) for c in range(n_classes)])})

    return bench.recall(("confusion", train, judged, seed), confuse).tensors["confusion"].numpy()


def halve_rows(order: torch.Tensor, labels: torch.Tensor, max_rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows to train on and as many to judge, at most about `max_rows` each, from rows in random order [N].

    Where a class is so small that chance might leave it out of a half, every class is halved by itself.
    """
    n_half = min(len(order) // 2, max_rows)
    counts = torch.bincount(labels)
    smallest = int(counts[counts > 0].min())
    if smallest * n_half >= SAFE_COUNT * len(order):
        return order[:n_half], order[n_half : 2 * n_half]
    share = n_half / (len(order) // 2)
    quotas = (counts // 2 * share).long().clamp_min(1)[labels[order]]
    earlier = torch.from_numpy(count_earlier(labels[order].cpu().numpy())).to(order.device)
    return order[earlier < quotas], order[(earlier >= quotas) & (earlier < 2 * quotas)]


def average_probs(bench: Bench, network: nn.Module, rows: torch.Tensor) -> np.ndarray:
    """Mean predicted probabilities of the rows [n] of each class, [C, C], added up a chunk of rows at a time."""
    sums = torch.zeros(bench.n_classes, bench.n_classes, dtype=torch.float64)
    for part in torch.split(rows, PROBS_CHUNK):
        sums.index_add_(0, bench.labels[part].cpu(), bench.predict_probs(network, part).double())
    counts = torch.bincount(bench.labels[rows].cpu(), minlength=bench.n_classes)
    return sums.div_(counts[:, None]).numpy()


def cut_classes(confusion: np.ndarray, n_cuts: int) -> list[np.ndarray]:
    """The best class sides [C] of -1 and +1 by the confusion across the cut, best first.

    Exact up to `EXACT_CLASSES` classes; above, one cut by Kernighan and Lin's heuristic.
    Class 0 is on side +1: the opposite signs are the same cut.
    Raises `ValueError` where the confusion [C, C] has an entry that is no number.
    """
    unknown = np.flatnonzero(~np.isfinite(confusion.sum(axis=1)))
    if len(unknown):
        raise ValueError(f"the confusion of class {unknown[0]} is not known; each class needs two rows or more")
    weights = confusion + confusion.T
    np.fill_diagonal(weights, 0.0)
    if len(weights) > EXACT_CLASSES:
        return [bisect(weights)]
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
