"""The last judging: what was lucky once does not win, as the mean of more trainings decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from splitgen import SelectionConfig, TrainingConfig, find_model, make_bench
from splitgen.search.candidates import NO_SPLIT, Candidate, SearchSpace, judge_candidates, try_candidate
from splitgen.search.finals import CLOSE, choose_finalists, count_final_fits, judge_finalists
from splitgen.settings.stages import SearchConfig

CONFIG = SearchConfig(rows=(200, 400), keep=(3,), finalists=3, final_fits=2)
SIDES = tuple(1 if c < 5 else -1 for c in range(10))
OWN = np.zeros(1, np.float32)


@pytest.fixture(scope="module")
def space(digits):
    """A task of brightness and one of noise, with a binary target."""
    ink = digits.images.pixels.mean(dim=(1, 2, 3)).numpy()
    noise = np.random.default_rng(0).normal(size=len(digits)).astype(np.float32)
    bench = make_bench(digits, find_model("conv"), "0,1,2,3,4", TrainingConfig(epochs=15))
    return SearchSpace(bench, np.column_stack([ink - ink.mean(), noise]), SelectionConfig("0,1,2,3,4"))


def judged(*accuracies, **more):
    return Candidate(0, SIDES, accuracies, **more)


def test_finalists_are_the_best_that_were_judged_alike_and_are_close_to_the_first():
    fallen = judged(0.10)  # of the first round alone: no measure beside those of the last
    ranked = [judged(0.7, 0.30), judged(0.31, own_margins=OWN), judged(0.9, 0.30 + CLOSE), judged(0.4, 0.33), fallen]
    assert choose_finalists(ranked, CONFIG) == ranked[:3]
    assert choose_finalists(ranked, replace(CONFIG, finalists=4)) == ranked[:4]
    assert choose_finalists([ranked[0], judged(0.2, 0.31 + CLOSE), ranked[3]], CONFIG) == [ranked[0], ranked[3]]


@pytest.mark.parametrize(
    "ranked",
    [
        [judged(0.2, 0.3)],
        [judged(0.2, 0.3), judged(0.2, 0.4)],
        [judged(0.2, 0.3), judged(0.2), Candidate(1, SIDES)],
        [judged(NO_SPLIT, own_margins=OWN), judged(NO_SPLIT, own_margins=OWN)],
        [],
    ],
)
def test_there_are_none_where_there_is_nothing_to_decide(ranked):
    assert choose_finalists(ranked, CONFIG) == []


def test_none_take_part_where_they_are_left_out():
    ranked = [judged(0.2, 0.3), judged(0.2, 0.3)]
    assert choose_finalists(ranked, replace(CONFIG, finalists=0)) == []
    assert choose_finalists(ranked, replace(CONFIG, finalists=1)) == []


def test_a_candidate_that_was_lucky_once_falls_behind_a_stronger_one(space):
    strong = Candidate(0, SIDES, (0.9, 0.70))
    lucky = Candidate(1, SIDES, (0.9, 0.67))
    last = Candidate(1, SIDES, (0.66,))
    calls = []
    found = judge_finalists(space, [lucky, strong, last], CONFIG, lambda: calls.append(1))
    assert [(each.task, len(each.final_accuracies)) for each in found] == [(0, 2), (1, 2), (1, 0)]
    assert len(calls) == 4
    assert [each.test_accuracies for each in found] == [strong.test_accuracies, lucky.test_accuracies, (0.66,)]
    assert found[0].accuracy < found[1].accuracy - 0.05
    assert found[1].accuracy == pytest.approx((0.67 + sum(found[1].final_accuracies)) / 3)
    assert found[1].describe()["final_accuracies"] == list(found[1].final_accuracies)


def test_each_training_is_of_other_rows_and_another_network_than_the_search_had(space):
    both = judge_candidates(space, [replace(judged(), test_accuracies=(0.9,)), judged(0.9)], CONFIG)
    first = judge_finalists(space, both, CONFIG)[0]
    accuracies = [*first.test_accuracies[1:], *first.final_accuracies]
    assert len(set(accuracies)) == 3
    expected = [try_candidate(space, first, config=CONFIG, round_=1, trial=trial) for trial in range(3)]
    assert accuracies == expected


def test_trainings_side_by_side_give_the_same(space):
    ranked = judge_candidates(space, [judged(0.9), judged(0.9)], CONFIG)
    one = judge_finalists(space, ranked, CONFIG)
    torch.set_num_threads(2)
    try:
        two = judge_finalists(space, ranked, CONFIG)
    finally:
        torch.set_num_threads(1)
    assert [each.final_accuracies for each in one] == [each.final_accuracies for each in two]


def test_those_that_were_finalists_before_are_not_trained_on_again(space):
    ranked = [judged(0.9, 0.66), judged(0.9, 0.69, final_accuracies=(0.7, 0.68)), judged(0.9, 0.67)]
    before = list(ranked)
    assert count_final_fits(ranked, CONFIG) == 4
    found = judge_finalists(space, ranked, CONFIG)
    assert sum(each is before[1] for each in found) == 1
    assert sorted(len(each.final_accuracies) for each in found) == [2, 2, 2]
    assert [each.accuracy for each in found] == sorted(each.accuracy for each in found)
