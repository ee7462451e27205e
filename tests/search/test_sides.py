"""Class sides by maximum cut, against a loop over all balanced halves."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from splitgen import Bench, ImageDataset, MemoryImages, TrainingConfig, find_model, make_bench
from splitgen.search.sides import binary_sides, cut_classes, draw_sides, halve_rows, measure_confusion


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


def test_of_many_classes_those_that_are_taken_for_each_other_go_to_opposite_sides():
    confusion = np.full((30, 30), 0.01) + 0.5 * np.eye(30)[np.arange(30) ^ 1]
    sides = cut_classes(confusion, 3)[0]
    assert (sides[::2] == -sides[1::2]).all()
    assert sides[0] == 1


@pytest.mark.parametrize("n_classes", [3, 25])
def test_a_confusion_with_an_unknown_class_is_refused(n_classes):
    confusion = np.ones((n_classes, n_classes))
    confusion[2] = np.nan
    with pytest.raises(ValueError, match="the confusion of class 2 is not known; each class needs two rows or more"):
        cut_classes(confusion, 1)


def make_patterns(n_classes: int, n_each: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images [N, 1, 8, 8] of a pattern a class and noise, and labels [N], in random order."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.rand(n_classes, 1, 8, 8, generator=generator)
    labels = torch.arange(n_classes).repeat_interleave(n_each)[torch.randperm(n_classes * n_each, generator=generator)]
    return patterns[labels] + 0.5 * torch.randn(len(labels), 1, 8, 8, generator=generator), labels


def bench_of(images: torch.Tensor, labels: torch.Tensor, n_classes: int, training: TrainingConfig, seed: int) -> Bench:
    ids, names = tuple(map(str, range(len(labels)))), tuple(map(str, range(n_classes)))
    dataset = ImageDataset("made", MemoryImages(images), labels.numpy(), ids, names, "")
    return make_bench(dataset, find_model("mlp"), training=training, seed=seed)


@pytest.mark.parametrize("n_classes", [10, 21])
def test_classes_of_ten_rows_are_all_known_and_cut_best_at_fifty_seeds(n_classes):
    for seed in range(50):
        images, labels = make_patterns(n_classes, 10, seed)
        training = TrainingConfig(epochs=2, batch_size=32)
        confusion = measure_confusion(bench_of(images, labels, n_classes, training, seed), 1_000)
        assert np.isfinite(confusion).all()
        assert confusion.sum(axis=1) == pytest.approx(1)
        for sides in cut_classes(confusion, 2):
            assert set(sides.tolist()) == {-1, 1}
            assert abs(sides.sum()) == n_classes % 2
        if n_classes == 10:
            assert cut_value(confusion, cut_classes(confusion, 2)[0]) == pytest.approx(weigh_best_cut(confusion))


def weigh_best_cut(confusion: np.ndarray) -> float:
    """Over all halves with class 0, by a loop."""
    weights, n = confusion + confusion.T, len(confusion)
    halves = ((0, *others) for others in itertools.combinations(range(1, n), n // 2 - 1))
    return max(float(weights[np.ix_(half, np.setdiff1d(np.arange(n), half))].sum()) for half in halves)


def test_large_classes_are_halved_all_together_as_the_order_has_them():
    labels = torch.arange(600) % 10
    order = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    train, judged = halve_rows(order, labels, 1_000)
    assert torch.equal(train, order[:300])
    assert torch.equal(judged, order[300:])


def test_small_classes_are_halved_each_by_itself_and_only_a_row_without_a_partner_is_left_out():
    labels = torch.tensor([0] * 50 + [1] * 5 + [2] * 2)
    order = torch.randperm(57, generator=torch.Generator().manual_seed(0))
    train, judged = halve_rows(order, labels, 1_000)
    for c, half in ((0, 25), (1, 2), (2, 1)):
        mine = order[labels[order] == c]
        assert train[labels[train] == c].tolist() == mine[:half].tolist()
        assert judged[labels[judged] == c].tolist() == mine[half : 2 * half].tolist()


def test_of_many_rows_each_class_gives_its_share():
    labels = torch.tensor([0] * 400 + [1] * 80 + [2] * 3)
    train, judged = halve_rows(torch.randperm(483, generator=torch.Generator().manual_seed(0)), labels, 100)
    assert torch.bincount(labels[train]).tolist() == torch.bincount(labels[judged]).tolist() == [82, 16, 1]
    assert not torch.isin(train, judged).any()


def test_probabilities_added_up_in_chunks_are_the_mean_of_each_class(monkeypatch):
    images, labels = make_patterns(101, 4, 0)
    bench = bench_of(images, labels, 101, TrainingConfig(epochs=1), 0)
    monkeypatch.setattr("splitgen.search.sides.PROBS_CHUNK", 37)
    in_chunks = measure_confusion(bench, 1_000)
    monkeypatch.setattr("splitgen.search.sides.DENSE_CLASSES", 101)
    assert in_chunks == pytest.approx(measure_confusion(bench, 1_000), rel=1e-5)


def test_sides_of_a_binary_target_are_its_groups():
    assert binary_sides(4, (0, 3)).tolist() == [1, -1, -1, 1]


@pytest.mark.parametrize("n_classes", [2, 3, 10, 101])
def test_drawn_sides_halve_the_classes_each_half_as_likely_as_another(n_classes):
    drawn = np.stack([draw_sides(n_classes, seed) for seed in range(400)])
    assert set(drawn.flatten().tolist()) == {-1, 1}
    assert (drawn.sum(axis=1) == n_classes % 2).all()
    assert np.abs(drawn.mean(axis=0) - n_classes % 2 / n_classes).max() < 0.2  # four standard errors
    assert np.array_equal(drawn[3], draw_sides(n_classes, 3))
