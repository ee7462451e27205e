"""Class groups: which classes go with which value of a task of more than two (docs/method.md, section 5).

Groups are class sides for V values: their sizes differ by at most one, and classes that the target model confuses go to
different ones. The weight of confusion within the groups is made small by swaps of two classes, from several starts.
"""

from __future__ import annotations

import numpy as np
import torch

from splitgen.random import stream_generator

N_STARTS = 24  # with ten classes nearly all of them end at the same groups
N_STARTS_OF_MANY, MANY_CLASSES = 1, 100
ROUNDING = 1e-12  # of all weight: a gain below this is none


def draw_groups(n_classes: int, n_groups: int, seed: int) -> np.ndarray:
    """Random class groups, whose sizes differ by at most one. int64 [C] of 0..n_groups - 1."""
    order = torch.randperm(n_classes, generator=stream_generator(seed, "class sides")).numpy()
    return np.asarray(order * n_groups // n_classes)


def group_classes(confusion: np.ndarray, n_groups: int, n_groupings: int, seed: int = 0) -> list[np.ndarray]:
    """The best class groups [C] of 0..n_groups - 1 by the confusion between groups, best first; as many different ones
    as asked for, or as the starts have found. confusion: [C, C]. The seed fixes the starts."""
    weights = confusion + confusion.T
    np.fill_diagonal(weights, 0.0)
    n_starts = N_STARTS if len(weights) <= MANY_CLASSES else N_STARTS_OF_MANY
    rng = np.random.default_rng(seed)
    starts = (rng.permutation(len(weights)) * n_groups // len(weights) for _ in range(n_starts))
    found = {tuple(number_groups(groups)): groups for groups in (swap_classes(weights, start) for start in starts)}
    return sorted(map(np.array, found), key=lambda groups: weigh_within(weights, groups))[:n_groupings]


def number_groups(groups: np.ndarray) -> list[int]:
    """The same groups, numbered in the order of their first classes."""
    first = {group: number for number, group in enumerate(dict.fromkeys(groups.tolist()))}
    return [first[group] for group in groups.tolist()]


def weigh_within(weights: np.ndarray, groups: np.ndarray) -> float:
    """The weight between classes of one group."""
    return float(weights[groups[:, None] == groups].sum()) / 2


def swap_classes(weights: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Groups [C] after swaps of two classes, the best at a time, until none lowers the weight within the groups."""
    groups, least = groups.copy(), ROUNDING * float(weights.sum())
    while True:
        to_groups = weights @ np.eye(groups.max() + 1)[groups]  # [C, groups]
        own = to_groups[np.arange(len(groups)), groups]
        to_others = to_groups[:, groups]  # [C, C]: of a class to the group of another
        gains = own[:, None] + own - to_others - to_others.T + 2 * weights
        gains[groups[:, None] == groups] = -np.inf
        one, other = np.unravel_index(gains.argmax(), gains.shape)
        if gains[one, other] <= least:
            return groups
        groups[[one, other]] = groups[[other, one]]
