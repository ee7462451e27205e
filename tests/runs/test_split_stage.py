"""From tasks to a split: the strongest candidate is taken, a sharpened one too, and its scores order the rows."""

from __future__ import annotations

import numpy as np
import pytest

from splitgen import SavedTasks, Split, find_model
from splitgen.runs.run import open_run
from splitgen.runs.split import run_split
from splitgen.screen.console import Screen
from splitgen.search.sides import draw_sides
from splitgen.settings.layers import build_config


def split_tasks(margins, rounds, target="0,1,2,3,4", class_sides="searched", **found) -> tuple[Split, dict]:
    """The split that digits with tasks of margins [N, K] get, sharpened so many times, and the record of the run.
    found: what the tasks' metadata tells beside."""
    settings = {
        "refinement": {"meta_steps": 0},
        "sharpening": {"rounds": rounds, "networks": 1, "candidates": 1},
        "agreement": {"epochs": 1},
        "training": {"epochs": 8},
        "selection": {"target": target},
        "search": {"rows": [600], "keep": [], "class_sides": class_sides},
    }
    run = open_run(build_config(settings), find_model("conv"), Screen(quiet=True), "cpu", None, "split")
    tasks = SavedTasks(margins, {"meta_steps": 0, "agreement": [], **found})
    return run_split(run, tasks), run.record


@pytest.fixture(scope="module")
def margins(digits):
    """Of noise, and of a task that strays from the brightness in every seventh row: float32 [N, 2]."""
    random = np.random.default_rng(0)
    ink = digits.images.pixels.mean(dim=(1, 2, 3)).numpy()
    bright = np.where(random.random(len(digits)) < 0.15, ink.mean() - ink, ink - ink.mean())
    return np.column_stack([random.normal(size=len(digits)), bright]).astype(np.float32)


@pytest.fixture(scope="module")
def plain(margins):
    return split_tasks(margins, 0)


@pytest.fixture(scope="module")
def sharpened(margins):
    return split_tasks(margins, 1)


def test_the_candidate_on_which_the_model_fails_most_makes_the_split(plain):
    split, record = plain
    assert [len(candidate["test_accuracies"]) for candidate in record["search"]] == [1, 1, 1, 1]
    accuracies = [candidate["test_accuracies"][-1] for candidate in record["search"]]
    assert accuracies == sorted(accuracies)
    assert (split.metadata["task"], split.metadata["sharpened"]) == (1, 0)
    assert split.metadata["class_sides"] == record["search"][0]["class_sides"]


def test_margins_are_those_of_the_task_and_scores_have_the_sign_of_the_class_side(digits, plain, margins):
    split, _ = plain
    sides = np.array(split.metadata["class_sides"])
    assert np.array_equal(split.margins, margins[:, 1])
    assert np.array_equal(split.scores, margins[:, 1] * sides[digits.labels])
    assert set(sides) == {-1, 1}


@pytest.mark.parametrize("made", ["plain", "sharpened"])
def test_in_each_class_the_rows_with_the_highest_scores_are_trained_on(digits, request, made):
    split, _ = request.getfixturevalue(made)
    for c in range(10):
        train, test = (split.scores[(digits.labels == c) & (split.parts == part)] for part in ("train", "test"))
        assert train.min() >= test.max()


def test_a_sharpened_task_is_a_candidate_and_taken_where_the_model_fails_more_on_it(plain, sharpened):
    """Rows that stray are put back, and the model fails the more: test accuracy falls from 0.86 to 0.67."""
    split, record = sharpened
    assert [candidate["sharpened"] for candidate in record["search"]] == [1, 0, 0, 0, 0]
    first, second = (candidate["test_accuracies"][-1] for candidate in record["search"][:2])
    assert second == plain[1]["search"][0]["test_accuracies"][-1]
    assert first < second - 0.05
    assert (split.metadata["task_name"], split.metadata["sharpened"]) == ("task 1 sharpened", 1)
    assert split.metadata["agreement"][-1]["task"] == "task 1 sharpened"


def test_of_drawn_class_sides_every_task_is_tried_as_they_are_and_the_split_says_so(digits, margins):
    """As the paper's split of ImageNet: no cut is searched for, and every class is halved at its own median."""
    split, record = split_tasks(margins, 0, "label", "random", way="untrained network")
    sides = draw_sides(10, 0)
    assert [candidate["class_sides"] for candidate in record["search"]] == [sides.tolist()] * 2
    assert sorted(candidate["task"] for candidate in record["search"]) == [0, 1]
    assert split.provenance.sides_drawn
    assert split.provenance.class_sides == tuple(sides)
    task = split.metadata["task"]
    for c in range(10):
        mine = digits.labels == c
        above = sides[c] * (margins[mine, task] - np.median(margins[mine, task]))
        assert (above[split.parts[mine] == "train"] >= 0).all()
        assert (above[split.parts[mine] == "test"] <= 0).all()


def test_the_sides_of_a_binary_target_are_not_drawn(margins):
    split, _ = split_tasks(margins[:, 1:], 0, class_sides="random")
    assert not split.provenance.sides_drawn
    assert split.provenance.class_sides in (sides := (1,) * 5 + (-1,) * 5, tuple(-side for side in sides))
