"""Sharpening: networks put stray rows back, never score a row they were trained on, and keep the classes halved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from splitgen import TrainingConfig, find_model, make_target
from splitgen.config import SelectionConfig, SharpeningConfig
from splitgen.models.training import fit
from splitgen.random import stream_generator, stream_seed
from splitgen.splits.search import Candidate, SearchProblem
from splitgen.splits.sharpening import draw_folds, halve_classes, sharpen_candidates, sharpen_margins

SIDES = tuple(1 if c < 5 else -1 for c in range(10))


@pytest.fixture(scope="module")
def problem(digits):
    ink = digits.images.mean(dim=(1, 2, 3)).numpy().astype(np.float32)
    return SearchProblem(
        digits.normalized_images(),
        digits.labels,
        digits.ids,
        make_target(digits, "0,1,2,3,4"),
        (ink - ink.mean())[:, None],
        find_model("conv"),
        TrainingConfig(epochs=15),
        SelectionConfig("0,1,2,3,4"),
        0,
    )


def test_rows_that_stray_from_a_task_are_put_back(problem):
    clean = problem.margins[:, 0]
    halves = halve_classes(clean, problem.labels)
    stray = np.random.default_rng(0).random(len(clean)) < 0.1
    noisy = np.where(stray, -np.sign(halves - 0.5), np.sign(halves - 0.5)).astype(np.float32)
    is_right = halve_classes(sharpen_margins(problem, noisy, 2), problem.labels) == halves
    far = np.abs(clean) > np.abs(clean).mean()  # near the boundary, ink is no shortcut and either side will do
    assert is_right[stray & far].mean() > 0.8
    assert is_right[~stray & far].mean() > 0.8


def test_a_margin_is_the_logit_of_a_network_that_was_trained_on_the_other_folds(problem):
    margins = problem.margins[:, 0]
    sharper = sharpen_margins(problem, margins, 3, round_=2)
    folds = draw_folds(len(margins), None, 3, stream_generator(0, "sharpen", 2))
    task_labels = torch.from_numpy(halve_classes(margins, problem.labels))
    rows = torch.from_numpy(np.flatnonzero(folds != 1))
    network = fit(
        problem.model, problem.images, task_labels, rows, 2, problem.training, stream_seed(0, "sharpen", 2, 1)
    )
    with torch.no_grad():
        logits = network(problem.images[folds == 1])
    assert np.allclose(sharper[folds == 1], (logits[:, 1] - logits[:, 0]).numpy(), atol=1e-4)


def test_every_class_is_halved_and_an_odd_one_has_a_row_more_below():
    margins = np.array([5.0, 6.0, 7.0, -1.0, -2.0, -3.0, -4.0])
    assert halve_classes(margins, np.array([0, 0, 0, 1, 1, 1, 1])).tolist() == [0, 0, 1, 1, 1, 0, 0]


def test_folds_are_of_the_same_size_and_do_not_tear_groups_apart():
    folds = draw_folds(100, None, 3, torch.Generator().manual_seed(0))
    assert sorted(np.bincount(folds)) == [33, 33, 34]
    groups = np.repeat(np.arange(20) * 7, 5)
    folds = draw_folds(100, groups, 2, torch.Generator().manual_seed(0))
    assert np.bincount(folds).tolist() == [50, 50]
    assert all(len(set(folds[groups == group])) == 1 for group in groups)


def test_every_round_of_every_candidate_is_judged_and_the_names_say_it(problem):
    candidates = [Candidate(0, SIDES), Candidate(None, SIDES, own_margins=problem.margins[:, 0], meta_steps=7)]
    config = SharpeningConfig(rounds=2, folds=2)
    found = sharpen_candidates(problem, candidates, config, 400, 0)
    names = ["task 0 sharpened", "new task 0 sharpened"]
    assert [(each.name, each.sharpened) for each in found] == [(name, n) for name in names for n in (1, 2)]
    assert all(len(each.test_accuracies) == 1 for each in found)
    again = sharpen_candidates(problem, candidates[:1], dataclasses.replace(config, rounds=1), 400, 0)
    assert np.array_equal(again[0].own_margins, found[0].own_margins)
