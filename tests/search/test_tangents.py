"""New tasks from the tangent space: random starts, of which the better go on, and real trainings judge the last."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from splitgen import find_model, make_bench
from splitgen.keeping import Keeper
from splitgen.search import tangents
from splitgen.search.candidates import Candidate, SearchSpace, judge_candidates
from splitgen.search.tangents import count_descents, find_tangent_tasks
from splitgen.settings.stages import SearchConfig, SelectionConfig, TangentConfig

SEARCH = SearchConfig(rows=(600,), keep=())
CONFIG = TangentConfig(starts=5, dim=512, steps=(30, 60), rows=(200, 300), keep=(2,))
CUTS = [np.array([1, -1] * 5), np.array([1] * 5 + [-1] * 5)]


def space_of(digits, target="label", keeper=None):
    bench = make_bench(digits, find_model("conv"), target, seed=3)
    bench = bench if keeper is None else dataclasses.replace(bench, keeper=keeper)
    return SearchSpace(bench, np.zeros((len(digits), 1), dtype=np.float32), SelectionConfig(target))


@pytest.fixture(scope="module")
def found(digits):
    return find_tangent_tasks(space_of(digits), CUTS, CONFIG, SEARCH)


def test_the_better_tasks_of_the_first_round_go_on_with_the_sides_that_they_began_with(digits, monkeypatch):
    seen = []

    def watch(*arguments, round_, **options):
        after = go_down(*arguments, round_=round_, **options)
        seen.append((round_, after.candidate.draw, after.candidate.class_sides, after.failure))
        return after

    go_down = tangents.go_down
    monkeypatch.setattr(tangents, "go_down", watch)
    tasks = find_tangent_tasks(space_of(digits), CUTS, CONFIG, SEARCH)
    first, second = ([entry[1:] for entry in seen if entry[0] == round_] for round_ in (0, 1))
    assert [(draw, sides) for draw, sides, _ in first] == [(draw, tuple(CUTS[draw % 2])) for draw in range(5)]
    best = sorted(first, key=lambda entry: entry[2])[:2]
    assert [(draw, sides) for draw, sides, _ in second] == [(draw, sides) for draw, sides, _ in best]
    assert [(task.draw, task.class_sides) for task in tasks] == [(draw, sides) for draw, sides, _ in best]


def test_the_model_fails_on_them_far_more_than_on_random_ones(digits, found):
    noise = np.random.default_rng(0).normal(size=len(digits)).astype(np.float32)
    beside = Candidate(None, tuple(CUTS[0]), own_margins=noise)
    space = space_of(digits)
    accuracies = [
        candidate.test_accuracies[-1]
        for candidate in judge_candidates(
            space, [beside, *(dataclasses.replace(task, test_accuracies=()) for task in found)], SEARCH
        )
    ]
    assert min(accuracies[1:]) < accuracies[0] - 0.15
    assert [task.test_accuracies[-1] for task in found] == accuracies[1:]


def test_a_task_is_told_by_its_draw_and_its_steps(found):
    for task in found:
        assert task.name == f"tangent task {task.draw}"
        assert task.is_refined
        told = task.describe()
        assert (told["tangent_steps"], told["meta_steps"], told["task"], told["refined"]) == (90, 0, None, True)
        assert task.own_margins.dtype == np.float32


def test_descents_side_by_side_give_the_same_each_time(digits):
    torch.set_num_threads(2)
    try:
        found, again = (find_tangent_tasks(space_of(digits), CUTS, CONFIG, SEARCH) for _ in range(2))
    finally:
        torch.set_num_threads(1)
    for one, other in zip(found, again, strict=True):
        assert (one.draw, one.test_accuracies) == (other.draw, other.test_accuracies)
        assert np.array_equal(one.own_margins, other.own_margins)


class Memory(Keeper):
    """Keeps what was computed, and counts it."""

    def __init__(self):
        self.states, self.computed = {}, 0

    def recall(self, key, compute):
        if repr(key) not in self.states:
            self.computed += 1
            self.states[repr(key)] = super().recall(key, compute)
        return self.states[repr(key)]


def test_descents_that_were_done_are_not_done_again_and_those_of_other_settings_are(digits):
    keeper = Memory()
    space = space_of(digits, keeper=keeper)
    before = find_tangent_tasks(space, CUTS, CONFIG, SEARCH)
    assert keeper.computed == 5 + 2 + 2  # descents of both rounds, and trainings
    again = find_tangent_tasks(space, CUTS, CONFIG, SEARCH)
    assert keeper.computed == 9
    assert np.array_equal(before[0].own_margins, again[0].own_margins)
    find_tangent_tasks(space, CUTS, dataclasses.replace(CONFIG, ridge=0.2), SEARCH)
    assert keeper.computed == 18
    find_tangent_tasks(dataclasses.replace(space, selection=SelectionConfig(test_fraction=0.3)), CUTS, CONFIG, SEARCH)
    assert keeper.computed == 27


def test_a_binary_target_is_failed_too_with_the_sides_that_it_gives(digits):
    sides = np.array([1] * 5 + [-1] * 5)
    tasks = find_tangent_tasks(space_of(digits, "0,1,2,3,4"), [sides], CONFIG, SEARCH)
    assert {task.class_sides for task in tasks} == {tuple(sides)}
    assert min(task.test_accuracies[-1] for task in tasks) < 0.7  # a random split's: 0.97


def test_progress_counts_descents_and_trainings(digits):
    done = []
    find_tangent_tasks(space_of(digits), CUTS, CONFIG, SEARCH, lambda: done.append(1))
    assert len(done) == count_descents(CONFIG) == 5 + 2 + 2


def test_fewer_starts_than_are_kept_all_go_on():
    assert dataclasses.replace(CONFIG, starts=1).count_running() == [1, 1]
    assert dataclasses.replace(CONFIG, starts=3, keep=(4,)).count_running() == [3, 3]
