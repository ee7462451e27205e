"""Verification: planted cases with a known verdict, and the sampling against what it promises."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

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
from splitgen.data.dataset import OwnTest
from splitgen.errors import ModelError, TrainingError
from splitgen.verification.sampling import (
    Rows,
    draw_controls,
    draw_random_split,
    draw_strata,
    share_counts,
    shuffle,
    thin_out,
)
from splitgen.verification.verification import Figure, count_trials, score_classes, summarize

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


def plant_corner(dataset, corner):
    """The images with a bright corner where it is 1. corner: [N] of 0 and 1."""
    images = dataset.images.pixels.clone()
    images[torch.from_numpy(corner == 1), :, :2, :2] = 40.0
    return MemoryImages(images)


@pytest.fixture(scope="module")
def planted(digits):
    """The verification of a split whose train rows have a bright corner where the binary target is 1, and whose test
    rows where it is 0; the source's own test set has the corner as on test."""
    targets = (digits.labels >= 5).astype(np.int64)
    parts = random_parts(digits)
    own_test = OwnTest(plant_corner(digits, 1 - targets), digits.labels)
    images = plant_corner(digits, np.where(parts == "test", 1 - targets, targets))
    dataset = replace(digits, images=images, own_test=own_test)
    return judge(dataset, split_by(digits, parts, targets))


def test_a_planted_shortcut_is_adversarial(planted):
    assert planted.is_adversarial
    assert planted.figures["test_accuracy"].mean < 0.5
    assert planted.figures["train_holdout_accuracy"].mean > 0.95


def test_a_shortcut_fails_on_the_sources_own_test_set_and_under_a_random_split_it_does_not(planted):
    """Rows of either kind are in a random split, so that the corner says nothing."""
    assert planted.figures["source_test_accuracy"].mean < 0.5
    assert planted.figures["source_test_random_accuracy"].mean > 0.7


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
    assert result.figures["recoverable_accuracy"].mean < result.figures["random_accuracy"].mean - 0.1
    assert "not clearly above 0" in result.verdict
    figures = {**result.figures, "fair_drop": Figure((0.2, 0.2), 0.2, 0.2, 0.2)}
    fooled = replace(result, figures=figures)
    assert not fooled.is_adversarial
    assert "the rows themselves are hard" in fooled.verdict


@dataclass
class Watched:
    """A network of a verification: the seed that it was built with, and the rows that it was trained and judged on."""

    seed: int
    trained: set[int] = field(default_factory=set)
    judged: set[int] = field(default_factory=set)


def watch(digits, parts) -> dict[int, Watched]:
    """The networks that a verification judges, by their seeds. Every image has its row's number as a pixel."""
    images = digits.images.pixels.clone()
    images[:, 0, 0, 0] = torch.arange(digits.n_points)
    numbered, built = replace(digits, images=MemoryImages(images)), []

    class Watching(torch.nn.Linear):
        def forward(self, images):
            seen = self.watched.trained if self.training else self.watched.judged
            seen.update(row_of[pixel] for pixel in images[:, 0, 0, 0].tolist())
            return super().forward(images.flatten(1))

    def build(n_classes, in_channels, image_size):
        network = Watching(64, n_classes)
        network.watched = Watched(torch.initial_seed())
        built.append(network.watched)
        return network

    # batches of 16, so that the rows that an epoch leaves out are few, and in another epoch in
    recipe = TrainingConfig(epochs=4, batch_size=16)
    bench = make_bench(numbered, ModelFactory("watching", build), training=recipe)
    row_of = {float(pixel): row for row, pixel in enumerate(bench.batch(torch.arange(len(images)))[:, 0, 0, 0])}
    verify_split(bench, split_by(numbered, parts), TWO_SEEDS)
    return {network.seed: network for network in built if network.judged}


def stream(*name) -> int:
    """The seed of a stream of the run's seed 0, as METHOD.md has it."""
    digest = hashlib.sha256("/".join(map(str, (0, *name))).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def part_rows(parts, part) -> set[int]:
    return set(np.flatnonzero(parts == part).tolist())


def with_validation(parts):
    parts = parts.copy()
    parts[np.flatnonzero(parts == "train")[::10]] = "validation"
    return parts


@pytest.mark.parametrize("change", [lambda parts: parts, with_validation], ids=["no validation", "validation"])
def test_no_network_is_judged_on_a_row_that_it_was_trained_on(digits, change):
    parts = change(random_parts(digits))
    networks = watch(digits, parts).values()
    assert len(networks) == 2 * (1 + 3)  # on the split, and on samples that leave out three folds of the test rows
    for network in networks:
        assert network.trained
        assert not network.trained & network.judged


def test_held_out_rows_are_a_tenth_of_the_train_rows_and_the_rest_is_trained_on(digits):
    parts = random_parts(digits)
    train, test, networks = part_rows(parts, "train"), part_rows(parts, "test"), watch(digits, parts)
    held_out = []
    for which in range(2):
        network = networks[stream("verify", which, "split")]
        assert test < network.judged
        held_out.append(network.judged - test)
        assert held_out[-1] < train
        assert len(held_out[-1]) == len(train) // 10
        assert network.trained == train - held_out[-1]
    assert held_out[0] != held_out[1]


def test_validation_rows_are_the_held_out_ones_and_not_trained_on(digits):
    parts = with_validation(random_parts(digits))
    networks = watch(digits, parts)
    for which in range(2):
        network = networks[stream("verify", which, "split")]
        assert network.judged == part_rows(parts, "test") | part_rows(parts, "validation")
        assert network.trained == part_rows(parts, "train")


def test_all_that_is_random_comes_from_streams_that_the_search_has_no_part_in(digits):
    """The search draws from streams named "search": a winner must not meet the rows and networks that it won with."""
    parts = random_parts(digits)
    networks = watch(digits, parts)
    names = [*(("control", number) for number in range(3)), ("split",)]
    assert set(networks) == {stream("verify", which, *name) for which in range(2) for name in names}
    train = np.flatnonzero(parts == "train")
    for which in range(2):
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(stream("verify", which)))
        held_out = set(train[order[: len(train) // 10]].tolist())
        assert networks[stream("verify", which, "split")].judged == part_rows(parts, "test") | held_out


def test_the_seed_fixes_the_figures_and_every_training_is_counted(digits):
    fits = []
    split = split_by(digits, with_validation(random_parts(digits)))
    arguments = (digits, split, TrainingConfig(epochs=2))
    first = judge(*arguments, on_fit=lambda: fits.append(1))
    assert len(fits) == 2 * (1 + 3) == count_trials(make_bench(digits, find_model("mlp")), split, TWO_SEEDS)
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


def controls_of(labels, rows, n_fitted, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return list(draw_controls(labels, rows.train[:n_fitted], rows, generator))


def test_where_train_has_the_mix_of_all_rows_the_first_sample_serves_as_the_random_split_too():
    labels = torch.arange(900) % 3
    rows = Rows(torch.arange(0, 450), torch.arange(0), torch.arange(450, 900))
    first, second = controls_of(labels, rows, 405)
    assert [sorted(judged) for _, judged in (first, second)] == [["fold", "random"], ["fold"]]
    sample, judged = first
    assert torch.bincount(labels[sample]).tolist() == [136, 135, 134]  # 67 or 68 of each class and part
    assert torch.bincount(labels[judged["random"]]).tolist() == [150, 150, 150]
    assert not torch.isin(sample, torch.cat([judged["random"], judged["fold"]])).any()
    folds = torch.cat([judged["fold"], second[1]["fold"]])
    assert sorted(folds.tolist()) == rows.test.tolist()


def test_that_sample_is_a_random_one_of_all_rows_and_so_are_those_that_it_is_judged_on():
    """A row of test is in either as often as one of train: in no fold that is left out would it be in the sample."""
    labels = torch.arange(600) % 2
    rows = Rows(torch.arange(0, 300), torch.arange(0), torch.arange(300, 600))
    trained, judged = torch.zeros(600), torch.zeros(600)
    for seed in range(300):
        sample, control = controls_of(labels, rows, 240, seed)[0]
        trained[sample] += 1 / 300
        judged[control["random"]] += 1 / 300
    for of_part in (rows.train, rows.test):
        assert float(trained[of_part].mean()) == pytest.approx(240 / 600)
        assert float(judged[of_part].mean()) == pytest.approx(300 / 600, abs=0.005)
    for often, share in ((trained, 240 / 600), (judged, 300 / 600)):
        assert float(often.std()) == pytest.approx((share * (1 - share) / 300) ** 0.5, rel=0.15)  # as by chance


@pytest.mark.parametrize("groups", [None, torch.arange(900) // 2], ids=["another mix", "groups"])
def test_where_it_has_not_or_groups_bind_rows_the_random_split_is_drawn_by_itself(groups):
    labels = torch.arange(900) % 3
    train = torch.arange(0, 450)
    if groups is None:
        train = torch.cat([torch.arange(0, 900)[labels == 0][:200], torch.arange(0, 900)[labels > 0][:250]])
    test = torch.arange(900)[~torch.isin(torch.arange(900), train)]
    rows = Rows(train, torch.arange(0), test, groups)
    first, *folds = controls_of(labels, rows, 450)
    assert (sorted(first[1]), [sorted(judged) for _, judged in folds]) == (["random"], [["fold"]] * 2)
    off = torch.bincount(labels[first[0]]) - torch.bincount(labels[train])
    assert off.abs().max() <= (0 if groups is None else 2)  # as near as whole groups allow


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
    assert repr(summarize([0.0, 0.1]).low) == "0.0"  # and no 0, which JSON would show


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


def test_fewer_rows_are_drawn_in_proportion_to_part_and_class(digits):
    labels = torch.from_numpy(digits.labels)
    train, validation, test = torch.arange(1797).split([1000, 200, 597])
    rows, generator = Rows(train, validation, test), torch.Generator().manual_seed(0)
    fewer = thin_out(rows, labels, 600, generator)
    for part, whole in ((fewer.train, train), (fewer.validation, validation), (fewer.test, test)):
        assert set(part.tolist()) <= set(whole.tolist())
        assert len(part) == len(set(part.tolist()))
        counts, expected = (torch.bincount(labels[each], minlength=10) for each in (part, whole))
        assert (counts - expected / 1797 * 600).abs().max() <= 1
    assert abs(len(fewer.used) - 600) <= 1
    assert thin_out(rows, labels, 1797, generator) is thin_out(rows, labels, None, generator) is rows
    few = thin_out(rows, labels, 20, generator)
    assert all(len(set(labels[part].tolist())) == 10 for part in (few.train, few.validation, few.test))


def test_a_verification_by_fewer_rows_says_so_in_its_verdict(digits):
    split = split_by(digits, random_parts(digits))
    result = judge(digits, split, config=VerificationConfig(seeds=2, max_rows=900))
    assert abs(result.n_train + result.n_test - 900) <= 1
    assert result.verdict.endswith(f"; judged by {result.n_train + result.n_test} of its 1,797 rows, drawn at random")
    assert not judge(digits, split).limits
