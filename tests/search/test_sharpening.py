"""Sharpening: networks put stray rows back, never score a row they were trained on, and keep the classes halved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from splitgen import TrainingConfig, find_model, make_bench
from splitgen.random import stream_generator, stream_seed
from splitgen.search.candidates import Candidate, SearchSpace
from splitgen.search.sharpening import (
    Sharpener,
    choose_sharpened,
    count_sharpening_fits,
    draw_folds,
    halve_classes,
    sharpen_candidates,
    shorten_recipe,
)
from splitgen.settings.stages import SearchConfig, SelectionConfig, SharpeningConfig

SEARCH = SearchConfig(rows=(400,), keep=())
SIDES = tuple(1 if c < 5 else -1 for c in range(10))


@pytest.fixture(scope="module")
def space(digits):
    ink = digits.images.pixels.mean(dim=(1, 2, 3)).numpy().astype(np.float32)
    bench = make_bench(digits, find_model("conv"), "0,1,2,3,4", TrainingConfig(epochs=15))
    return SearchSpace(bench, (ink - ink.mean())[:, None], SelectionConfig("0,1,2,3,4"))


def test_rows_that_stray_from_a_task_are_put_back(space):
    clean, labels = space.margins[:, 0], space.bench.dataset.labels
    halves = halve_classes(clean, labels)
    stray = np.random.default_rng(0).random(len(clean)) < 0.1
    noisy = np.where(stray, -np.sign(halves - 0.5), np.sign(halves - 0.5)).astype(np.float32)
    is_right = (
        halve_classes(Sharpener(space, SharpeningConfig(networks=1, first_epochs=1.0)).sharpen(noisy), labels) == halves
    )
    far = np.abs(clean) > np.abs(clean).mean()  # near the boundary, ink is no shortcut and either side will do
    assert is_right[stray & far].mean() > 0.8
    assert is_right[~stray & far].mean() > 0.8


def test_by_the_rule_equality_a_task_keeps_its_sides_and_its_classes_are_not_halved(space):
    """A third of each class lies on side +; networks trained on halves would put half of it there."""
    labels, clean = space.bench.dataset.labels, space.margins[:, 0]
    margins = clean.copy()
    for c in range(10):
        margins[labels == c] -= np.quantile(clean[labels == c], 2 / 3)
    config = SharpeningConfig(networks=1, first_epochs=1.0)
    shares = {}
    for rule in ("halves", "equality"):
        selection = SelectionConfig("0,1,2,3,4", rule=rule)
        sharper = Sharpener(dataclasses.replace(space, selection=selection), config).sharpen(margins)
        shares[rule] = (sharper > 0).mean()
    assert shares == pytest.approx({"halves": 1 / 2, "equality": 1 / 3}, abs=0.06)


def test_a_margin_is_the_logit_of_networks_that_are_trained_on_the_other_folds_round_after_round(space):
    bench, margins = space.bench, space.margins[:, 0]
    sharpener = Sharpener(space, SharpeningConfig(folds=3, networks=2, first_epochs=0.4, more_epochs=0.2))
    first = sharpener.sharpen(margins)
    second = sharpener.sharpen(first)
    folds = draw_folds(len(margins), None, 3, stream_generator(0, "sharpen"))
    rows, mine = (torch.from_numpy(np.flatnonzero(which)) for which in (folds != 1, folds == 1))
    seeds = [[stream_seed(0, "sharpen", round_, 1, number) for number in range(2)] for round_ in (1, 2)]
    networks = [bench.build(2, seed) for seed in seeds[0]]
    for labelled, expected, epochs, of_round in ((margins, first, 6, seeds[0]), (first, second, 3, seeds[1])):
        task_labels = torch.from_numpy(halve_classes(labelled, bench.dataset.labels))
        total = torch.zeros(len(mine), 2)
        for network, seed in zip(networks, of_round, strict=True):
            bench.train(network, task_labels, rows, seed, TrainingConfig(epochs=epochs))  # of the recipe's 15
            with torch.no_grad():
                total += network(bench.batch(mine))
        assert np.allclose(expected[folds == 1], (total[:, 1] - total[:, 0]).numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("n_rows", "share", "epochs"), [(25_000, 0.4, 2), (25_000, 0.2, 1), (5_000, 0.4, 8), (10, 0.01, 1)]
)
def test_a_share_of_the_epochs_that_the_recipe_takes_is_at_least_one(n_rows, share, epochs):
    assert shorten_recipe(TrainingConfig(steps=4000), n_rows, share).epochs == epochs


def test_every_class_is_halved_and_an_odd_one_has_a_row_more_below():
    margins = np.array([5.0, 6.0, 7.0, -1.0, -2.0, -3.0, -4.0])
    assert halve_classes(margins, np.array([0, 0, 0, 1, 1, 1, 1])).tolist() == [0, 0, 1, 1, 1, 0, 0]


def test_many_classes_are_halved_as_each_by_its_median():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 200, 3000) * 3
    margins = rng.normal(size=3000).astype(np.float32).round(1)  # with ties
    halves = np.zeros(3000, dtype=np.int64)
    for c in np.unique(labels):
        halves[labels == c] = margins[labels == c] > np.median(margins[labels == c])
    assert np.array_equal(halve_classes(margins, labels), halves)


def test_folds_are_of_the_same_size_and_do_not_tear_groups_apart():
    folds = draw_folds(100, None, 3, torch.Generator().manual_seed(0))
    assert sorted(np.bincount(folds)) == [33, 33, 34]
    groups = np.repeat(np.arange(20) * 7, 5)
    folds = draw_folds(100, groups, 2, torch.Generator().manual_seed(0))
    assert np.bincount(folds).tolist() == [50, 50]
    assert all(len(set(folds[groups == group])) == 1 for group in groups)


def test_every_round_is_judged_the_best_of_the_first_goes_on_and_names_say_it(space):
    candidates = [Candidate(0, SIDES), Candidate(None, SIDES, own_margins=space.margins[:, 0], meta_steps=7)]
    config, calls = SharpeningConfig(rounds=3, networks=1), []
    found = sharpen_candidates(space, candidates, config, SEARCH, lambda: calls.append(1))
    assert [each.name for each in found[:2]] == ["task 0 sharpened", "new task 0 sharpened"]
    best = min(found[:2], key=lambda each: each.test_accuracies[-1])
    assert [each.name for each in found[2:]] == [best.name] * 2
    assert [each.sharpened for each in found] == [1, 1, 2, 3]
    assert all(len(each.test_accuracies) == 1 for each in found)
    assert len(calls) == count_sharpening_fits(2, config)
    again = sharpen_candidates(space, candidates[:1], dataclasses.replace(config, rounds=1), SEARCH)
    assert np.array_equal(again[0].own_margins, found[0].own_margins)


def test_no_round_begins_that_would_end_too_late(space):
    candidates, config = [Candidate(0, SIDES)], SharpeningConfig(rounds=3, networks=1)
    alone = sharpen_candidates(space, candidates, config, SEARCH, seconds=0.0)
    assert [each.sharpened for each in alone] == [1]
    whole = sharpen_candidates(space, candidates, config, SEARCH, seconds=1e6)
    assert [each.sharpened for each in whole] == [1, 2, 3]
    assert np.array_equal(alone[0].own_margins, whole[0].own_margins)


def test_of_states_of_one_refinement_the_best_is_sharpened_and_the_task_as_it_was_found_beside_it():
    sides, others = (1, -1), (-1, 1)
    states = [Candidate(0, sides, (0.1,), own_margins=np.zeros(1, np.float32), meta_steps=n) for n in (12, 24)]
    found, turned, new = Candidate(0, sides, (0.2,)), Candidate(0, others, (0.3,)), Candidate(None, sides, draw=1)
    ranked = [*states, found, turned, new]
    assert choose_sharpened(ranked, 1) == states[:1]
    assert choose_sharpened(ranked, 3) == [states[0], found, turned]
    assert choose_sharpened(ranked, 9) == [states[0], found, turned, new]
