"""Refinement by rounds: marks, starts, and that the better tasks go on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from splitgen import DiscoveryConfig, RefinementConfig, SelectionConfig, TrainingConfig, find_model, make_bench
from splitgen.search.candidates import Candidate, SearchSpace
from splitgen.search.rounds import Runner, choose_starts, list_marks, refine_by_rounds
from splitgen.settings.stages import SearchConfig
from splitgen.settings.stop import Stop
from splitgen.tasks.problem import pose_problem
from splitgen.tasks.refinement import Start, start_refinement

SIDES = tuple(1 if c < 5 else -1 for c in range(10))
CONFIG = RefinementConfig(meta_steps=4, first_round=2, keep=2, inner_steps=10)
STOP = Stop(4)
SEARCH = SearchConfig(rows=(800,), keep=())


@pytest.mark.parametrize(
    ("last", "marks"), [(40, [40]), (10, [10]), (80, [40, 80]), (90, [40, 80, 90]), (200, [40, 80, 160, 200])]
)
def test_rounds_double_and_end_at_the_last_meta_step(last, marks):
    assert list(list_marks(40, last)) == marks


def test_rounds_without_an_end_double_for_ever():
    assert list(itertools.islice(list_marks(40, None), 4)) == [40, 80, 160, 320]


def test_new_tasks_take_the_best_cuts_in_turn_and_a_cut_with_both_signs_once():
    other = tuple(1 if c % 2 else -1 for c in range(10))
    one_sided = Candidate(0, (1,) * 10)  # refinement needs both sides
    ranked = [one_sided, Candidate(1, SIDES), Candidate(0, tuple(-side for side in SIDES)), Candidate(0, other)]
    best, *new = choose_starts(ranked, RefinementConfig(new_tasks=3))
    assert best is ranked[1]
    assert [(each.task, each.draw) for each in new] == [(None, 0), (None, 1), (None, 2)]
    assert new[0].class_sides == new[2].class_sides == SIDES
    assert new[1].class_sides == tuple(-side for side in other)  # the sign does not matter
    assert [each.name for each in new] == ["new task 0", "new task 1", "new task 2"]


@pytest.fixture(scope="module")
def problems(digits):
    bench = make_bench(digits, find_model("conv"), "0,1,2,3,4", TrainingConfig(epochs=5))
    selection = SelectionConfig("0,1,2,3,4")
    space = SearchSpace(bench, np.zeros((digits.n_points, 1)), selection)
    return space, pose_problem(bench, DiscoveryConfig(), CONFIG, selection)


def run_rounds(problems, stop=STOP, judge_seconds=None):
    space, problem = problems
    runners = [
        Runner(Candidate(None, SIDES, draw=draw), start_refinement(problem, Start(None, np.array(SIDES), draw), {}))
        for draw in range(3)
    ]
    return refine_by_rounds(space, problem, runners, CONFIG, SEARCH, stop, judge_seconds=judge_seconds)


def test_every_state_is_judged_and_the_better_tasks_go_on(problems):
    found = run_rounds(problems)
    assert [(each.draw, each.meta_steps) for each in found[:3]] == [(0, 2), (1, 2), (2, 2)]
    best = sorted(found[:3], key=lambda each: each.test_accuracies[-1])[:2]
    assert [(each.draw, each.meta_steps) for each in found[3:]] == [(each.draw, 4) for each in best]
    assert all(each.own_margins is not None and len(each.test_accuracies) == 1 for each in found)


def test_a_run_that_time_stopped_is_replayed_by_its_meta_steps(problems):
    stopped = run_rounds(problems, Stop(None, 0.0))
    replayed = run_rounds(problems, Stop(1))
    assert [each.meta_steps for each in stopped] == [1, 1, 1]
    for one, other in zip(stopped, replayed, strict=True):
        assert np.array_equal(one.own_margins, other.own_margins)
        assert one.test_accuracies == other.test_accuracies


def test_meta_steps_end_early_enough_to_be_judged_within_the_time(problems):
    found = run_rounds(problems, Stop(None, 60.0), lambda n_candidates: 100.0 * n_candidates)
    assert [each.meta_steps for each in found] == [1, 1, 1]  # one at least, and no second round
