"""The floor below which a model has learned nothing that its failure could tell of."""

from __future__ import annotations

import numpy as np
import pytest

from splitgen.verification.chance import find_floor, measure_chance, tell_unlearned


def test_chance_is_the_best_constant_guess_of_the_part_where_it_does_best():
    assert measure_chance(np.array([0, 1, 2, 3]), np.array([0, 0, 0, 1])) == 0.75
    assert measure_chance(np.array([0, 0]), np.array([], dtype=np.int64)) == 1.0


@pytest.mark.parametrize(
    ("chance", "floor"), [(0.5, 0.65), (0.1, 0.37), (0.9, 0.93), (0.01, 0.2), (0.001, 0.02), (1.0, 1.0)]
)
def test_the_floor_lies_between_chance_and_one(chance, floor):
    assert find_floor(chance) == pytest.approx(floor)
    assert chance <= find_floor(chance) <= 1


def test_the_first_accuracy_below_the_floor_is_told_and_nan_lies_below():
    assert tell_unlearned("conv", {"a": 0.37, "b": 0.9}, 0.1) is None
    text = tell_unlearned("conv", {"a": 0.9, "b": 0.32}, 0.1)
    assert text == "conv has not learned: accuracy 0.320 on b, where a constant guess has 0.100 and 0.370 is the least"
    assert tell_unlearned("conv", {"a": float("nan")}, 0.1) is not None
