"""Verification: planted cases with a known verdict, and the sampling against what it promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from splitgen import (
    ImageDataset,
    MemoryImages,
    ModelFactory,
    Split,
    TrainingConfig,
    VerificationConfig,
    find_model,
    make_bench,
    verify_split,
)
from splitgen.errors import ModelError, TrainingError
from splitgen.splits.sampling import Rows, count_folds, draw_random_split, draw_strata, share_counts, shuffle
from splitgen.splits.verification import Figure, score_classes, summarize

FAST = TrainingConfig(epochs=15)
TWO_SEEDS = VerificationConfig(seeds=2)


def judge(dataset, split, training=FAST, config=TWO_SEEDS, model=None, **options):
    return verify_split(make_bench(dataset, model or find_model("mlp"), training=training), split, config, **options)


def split_by(dataset, parts, targets=None) -> Split:
    zeros = np.zeros(dataset.n_points, np.float32)
    targets = dataset.labels if targets is None else targets
    return Split(dataset.ids, dataset.labels, targets, parts, zeros, zeros, {"dataset": {}})


def random_parts(dataset, seed=0):
    parts = np.full(dataset.n_points, "train", dtype="U10")
    for c in range(dataset.n_classes):
        rows = np.random.default_rng([seed, c]).permutation(np.flatnonzero(dataset.labels == c))
        parts[rows[: len(rows) // 2]] = "test"
    return parts


def test_a_random_split_is_not_adversarial(digits):
    result = judge(digits, split_by(digits, random_parts(digits)), config=None)
    assert result.is_fair
    assert not result.is_adversarial
    assert result.verdict.startswith("NOT adversarial")
    assert result.imbalance < 0.02


def test_a_planted_shortcut_is_adversarial(digits):
    """A bright corner tells the binary target on train, and its opposite on test."""
    targets = (digits.labels >= 5).astype(np.int64)
    parts = random_parts(digits)
    corner = np.where(parts == "test", 1 - targets, targets)
    images = digits.images.pixels.clone()
    images[torch.from_numpy(corner == 1), :, :2, :2] = 40.0
    planted = replace(digits, images=MemoryImages(images))
    result = judge(planted, split_by(digits, parts, targets))
    assert result.is_adversarial
    assert result.figures["test_accuracy"].mean < 0.5
    assert result.figures["train_holdout_accuracy"].mean > 0.95


def test_a_model_that_learned_nothing_gets_no_verdict_but_that(digits):
    """Its drop is real, and no merit of the split: the figures that it comes from are those of guesses."""
    lazy = TrainingConfig(epochs=1, learning_rate=1e-12)
    result = judge(digits, split_by(digits, random_parts(digits)), lazy)
    assert result.figures["recoverable_accuracy"].mean < 0.37
    assert result.unlearned is not None
    assert result.verdict.startswith("NOT adversarial: mlp has not learned: accuracy 0.")
    high = Figure((0.32, 0.32), 0.32, 0.32, 0.32)
    figures = {**result.figures, "fair_drop": Figure((0.2, 0.2), 0.2, 0.2, 0.2), "recoverable_accuracy": high}
    figures |= {"random_accuracy": high, "train_holdout_accuracy": high}
    assert not replace(result, figures=figures).is_adversarial
    assert result.chance_accuracy == pytest.approx(91 / 898, abs=0.001)


def test_mislabelled_test_rows_are_called_unfair_and_not_adversarial(digits):
    """The model fails on these rows under any split: the failure is not the split's."""
    parts = random_parts(digits)
    wrong = np.flatnonzero(parts == "test")[::2]
    labels = digits.labels.copy()
    labels[wrong] = (labels[wrong] + np.random.default_rng(0).integers(1, 10, len(wrong))) % 10
    spoiled = replace(digits, labels=labels)
    result = judge(spoiled, split_by(spoiled, parts))
    assert not result.is_fair
    assert not result.is_adversarial
    assert "the rows themselves are hard" in result.verdict or "not clearly above 0" in result.verdict


def test_validation_rows_are_the_held_out_ones_and_the_seed_fixes_the_figures(digits):
    parts = random_parts(digits)
    parts[np.flatnonzero(parts == "train")[::10]] = "validation"
    arguments, fits = (digits, split_by(digits, parts), TrainingConfig(epochs=2)), []
    first = judge(*arguments, on_fit=lambda: fits.append(1))
    assert len(fits) == 2 * (2 + count_folds(first.n_train + first.n_test, first.n_test))
    again = judge(*arguments)
    assert first == again
    assert np.array_equal(first.test_confusion, again.test_confusion)


def test_the_confusions_tell_the_same_accuracies_as_the_figures(digits):
    targets = (digits.labels >= 5).astype(np.int64)
    split = split_by(digits, random_parts(digits), targets)
    result = judge(digits, split, TrainingConfig(epochs=2))
    counts = np.bincount(digits.labels[split.indices("test")])
    for confusion, name in ((result.test_confusion, "test_accuracy"), (result.random_confusion, "random_accuracy")):
        assert confusion.shape == (10, 2)
        assert confusion[np.arange(10), (np.arange(10) >= 5).astype(int)].sum() / confusion.sum() == pytest.approx(
            result.figures[name].mean
        )
    assert np.array_equal(result.test_confusion.sum(axis=1), 2 * counts)


def test_the_random_control_has_the_class_counts_of_the_split():
    labels = torch.arange(1000) % 3
    rows = Rows(torch.arange(0, 600), torch.arange(0), torch.arange(600, 900))
    fitted = rows.train[:500]
    sample, comparable = draw_random_split(labels, fitted, rows, torch.Generator().manual_seed(0))
    assert torch.bincount(labels[sample]).tolist() == torch.bincount(labels[fitted]).tolist()
    assert not torch.isin(sample, comparable).any()
    assert torch.isin(torch.cat([sample, comparable]), rows.used).all()


def test_a_sample_of_many_strata_is_that_of_a_look_at_each():
    generator = torch.Generator().manual_seed(0)
    strata = torch.randint(300, (2000,), generator=generator)
    pool, counts = torch.randperm(2000, generator=generator)[:1500], torch.randint(8, (300,), generator=generator)
    drawn = draw_strata(pool, strata, counts, torch.Generator().manual_seed(1))
    shuffled = shuffle(pool, torch.Generator().manual_seed(1))
    each = [shuffled[strata[shuffled] == s][:n] for s, n in enumerate(counts.tolist())]
    assert torch.equal(drawn, torch.cat(each))


def test_the_accuracy_of_each_of_many_classes_is_the_share_of_its_hits():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(300, (2000,), generator=generator)
    rows = torch.randperm(2000, generator=generator)[:900]
    hits = torch.rand(900, generator=generator) < 0.4
    images, names = MemoryImages(torch.zeros(2000, 1, 1, 1)), tuple(map(str, range(300)))
    dataset = ImageDataset("made", images, labels.numpy(), tuple(map(str, range(2000))), names, "")
    found = score_classes(make_bench(dataset, find_model("mlp")), hits, rows)
    classes = labels[rows]
    each = [float(hits[classes == c].double().mean()) for c in range(300)]
    assert np.isnan(each).any()
    assert np.array_equal(found, each, equal_nan=True)


def test_shares_are_proportional_and_sum_up():
    counts = share_counts(torch.tensor([10, 20, 31]), 20)
    assert int(counts.sum()) == 20
    assert (counts - torch.tensor([10, 20, 31]) * 20 / 61).abs().max() < 1


def test_the_interval_is_students_t():
    figure = summarize([0.1, 0.2, 0.3])
    assert figure.mean == pytest.approx(0.2)
    assert figure.high - figure.mean == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-5)


def test_an_interval_ends_where_its_figure_does():
    accuracy, drop = summarize([0.9, 1.0, 1.0]), summarize([-0.1, 0.0, 0.0], -1, 1)
    assert accuracy.high == 1.0
    assert accuracy.low == pytest.approx(accuracy.mean - 4.302653 * 0.057735 / 3**0.5, rel=1e-4)
    assert drop.low == pytest.approx(-0.0333 - 0.1434, abs=1e-3)
    assert summarize([0.0, 0.1]).low == 0.0


def test_logits_that_are_no_numbers_are_refused_and_no_class_0(digits):
    class Broken(torch.nn.Linear):
        def forward(self, images):
            return super().forward(images.flatten(1)) * (1 if self.training else float("nan"))

    model = ModelFactory("broken", lambda n_classes, in_channels, image_size: Broken(64, n_classes))
    with pytest.raises(TrainingError, match="NaN or infinite logits for"):
        judge(digits, split_by(digits, random_parts(digits)), TrainingConfig(epochs=1), model=model)


def test_networks_that_share_weights_are_refused_before_the_test_rows_leak_into_their_training(digits):
    """On random labels such a factory read random 0.80 where 0.48 is true."""
    one = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    model = ModelFactory("cached", lambda n_classes, in_channels, image_size: one)
    targets = np.random.default_rng(0).integers(0, 2, digits.n_points)
    with pytest.raises(ModelError, match="share weights"):
        judge(digits, split_by(digits, random_parts(digits), targets), model=model)
