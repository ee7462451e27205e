"""Scores, targets and the search over candidates, with a task whose strength is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from splitgen import SelectionConfig, TrainingConfig, find_model, make_bench, make_target, score_datapoints
from splitgen.errors import SettingError
from splitgen.search.candidates import (
    Candidate,
    CutPlan,
    SearchSpace,
    add_candidates,
    count_fits,
    judge_candidates,
    list_candidates,
    plan_cuts,
    preselect,
    search_candidates,
)
from splitgen.settings.stages import SearchConfig


def make_space(digits, margins) -> SearchSpace:
    """A binary target with margins [N, K]."""
    bench = make_bench(digits, find_model("conv"), "0,1,2,3,4", TrainingConfig(epochs=15))
    return SearchSpace(bench, margins, SelectionConfig("0,1,2,3,4"))


def test_the_predictor_tells_a_shortcut_from_noise_and_chooses_what_is_trained(digits):
    ink = digits.images.pixels.mean(dim=(1, 2, 3)).numpy()
    noise = np.random.default_rng(0).normal(size=(digits.n_points, 3))
    margins = np.column_stack([noise, ink - ink.mean()])
    space = make_space(digits, margins)
    candidates = list_candidates(4, [np.where(np.arange(10) < 5, 1, -1)])
    trained, left = preselect(space, candidates, 2)
    assert [candidate.task for candidate in trained] == [3, 3]
    assert sorted(candidate.task for candidate in left) == [0, 0, 1, 1, 2, 2]
    assert preselect(space, candidates, 8) == (candidates, [])
    config = SearchConfig(max_trained=2, rows=(300,), keep=())
    ranked = search_candidates(space, candidates, config)
    assert [len(candidate.test_accuracies) for candidate in ranked] == [1, 1, 0, 0, 0, 0, 0, 0]
    assert count_fits(len(candidates), config) == [2]
    assert add_candidates(ranked, [], config) == ranked


def test_scores_are_margins_with_the_sign_of_the_class_side():
    scores = score_datapoints(np.array([0.5, -0.5, 2.0]), np.array([0, 1, 1]), np.array([1, -1]))
    assert scores.tolist() == [0.5, 0.5, -2.0]


def test_a_binary_target_groups_the_listed_classes(digits):
    target = make_target(digits, "3,1,3")
    assert (target.spec, target.n_outputs, target.positive_classes) == ("1,3", 2, (1, 3))
    assert np.array_equal(target.values == 1, np.isin(digits.labels, [1, 3]))
    with pytest.raises(SettingError, match="lists all 10 classes"):
        make_target(digits, "0,1,2,3,4,5,6,7,8,9")


def test_candidates_are_every_task_cut_and_sign():
    candidates = list_candidates(2, [np.array([1, -1]), np.array([1, 1])])
    assert len(candidates) == len({(c.task, c.class_sides) for c in candidates}) == 8


def test_candidates_of_drawn_sides_are_every_task_with_these():
    candidates = list_candidates(2, [np.array([1, -1])], (1,))
    assert [(c.task, c.class_sides) for c in candidates] == [(0, (1, -1)), (1, (1, -1))]
    assert plan_cuts(SearchConfig(class_sides="random"), "label").count_candidates(2) == len(candidates)


def test_a_binary_target_has_its_own_sides_and_needs_no_confusion():
    """A large network was foretold a training of minutes that never came, and its search made smaller for it."""
    config = SearchConfig(n_cuts=3)
    assert plan_cuts(config, "label") == CutPlan(3, 2, by_confusion=True)
    assert plan_cuts(config, "label").count_candidates(2) == 12
    for class_sides in ("searched", "random"):
        assert plan_cuts(replace(config, class_sides=class_sides), "0,1") == CutPlan(1, 2, by_confusion=False)


def test_a_strong_task_is_found_beside_a_random_one(digits):
    ink = digits.images.pixels.mean(dim=(1, 2, 3)).numpy()
    noise = np.random.default_rng(0).normal(size=digits.n_points)
    margins = np.stack([noise, ink - ink.mean()], axis=1)
    space = make_space(digits, margins)
    cut = np.where(np.arange(10) < 5, 1, -1)
    config = SearchConfig(rows=(400, 900), keep=(2,))
    candidates = list_candidates(2, [cut])
    ranked = search_candidates(space, candidates, config)
    assert count_fits(len(candidates), config) == [4, 2]
    assert [len(candidate.test_accuracies) for candidate in ranked] == [2, 2, 1, 1]
    assert ranked[0].task == 1
    assert ranked[0].test_accuracies[-1] < 0.9

    worse, same = (Candidate(1, ranked[0].class_sides, own_margins=margins[:, k].astype(np.float32)) for k in (0, 1))
    refined = judge_candidates(space, [worse, same], config)
    after = add_candidates(ranked, refined, config)
    assert [candidate.own_margins is None for candidate in after[:2]] == [False, True]
    assert after[0].own_margins is same.own_margins
    assert after[0].test_accuracies[-1] == ranked[0].test_accuracies[-1]
    assert len(after) == len(ranked) + 2
