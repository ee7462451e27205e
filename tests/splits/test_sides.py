"""Class sides by maximum cut, against a loop over all balanced halves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from splitgen.splits.sides import binary_sides, cut_classes


def cut_value(weights: np.ndarray, sides: np.ndarray) -> float:
    n = len(weights)
    return sum(weights[i, j] + weights[j, i] for i in range(n) for j in range(i) if sides[i] != sides[j])


@pytest.mark.parametrize("n_classes", [2, 3, 5, 6])
def test_the_best_cut_is_that_of_a_loop_over_all_halves(n_classes):
    confusion = np.random.default_rng(n_classes).random((n_classes, n_classes))
    halves = [
        np.where(np.isin(np.arange(n_classes), half), 1, -1)
        for size in (n_classes // 2, n_classes - n_classes // 2)
        for half in itertools.combinations(range(n_classes), size)
    ]
    best = cut_classes(confusion, 1)[0]
    assert cut_value(confusion, best) == pytest.approx(max(cut_value(confusion, half) for half in halves))
    assert abs(best.sum()) <= 1


def test_several_cuts_come_best_first_and_differ():
    confusion = np.random.default_rng(0).random((6, 6))
    cuts = cut_classes(confusion, 4)
    values = [cut_value(confusion, cut) for cut in cuts]
    assert values == sorted(values, reverse=True)
    assert len({tuple(cut) for cut in cuts}) == 4


def test_many_classes_are_halved_by_the_heuristic():
    confusion = np.random.default_rng(0).random((30, 30))
    sides = cut_classes(confusion, 3)[0]
    rng = np.random.default_rng(1)
    chance = [cut_value(confusion, rng.permutation(np.repeat([1, -1], 15))) for _ in range(50)]
    assert sides.sum() == 0
    assert cut_value(confusion, sides) > np.mean(chance)


def test_sides_of_a_binary_target_are_its_groups():
    assert binary_sides(4, (0, 3)).tolist() == [1, -1, -1, 1]
