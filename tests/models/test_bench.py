"""The bench: batches of rows, networks trained on targets, and what these predict, from one record."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from splitgen import Bench, ModelFactory, TrainingConfig, find_model, make_bench
from splitgen.data.dataset import OwnTest
from splitgen.data.images import MemoryImages
from splitgen.data.metadata import Groups
from splitgen.errors import ModelError, SettingError, TrainingError
from splitgen.models import training
from splitgen.models.training import fit, predict_probs

FAST = TrainingConfig(epochs=3, learning_rate=4e-3, steps=1000, augment="none")


@pytest.fixture(scope="module")
def bench(digits) -> Bench:
    return make_bench(digits, find_model("conv"), "0,1,2,3,4", FAST, seed=3)


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_it_holds_labels_targets_and_sizes(digits, bench):
    assert (bench.n_points, bench.n_classes, bench.seed, bench.device) == (1797, 10, 3, "cpu")
    assert torch.equal(bench.labels, torch.from_numpy(digits.labels))
    assert torch.equal(bench.targets, torch.from_numpy((digits.labels < 5).astype(np.int64)))
    assert bench.targets.dtype == bench.labels.dtype == torch.int64
    assert (bench.target.spec, bench.target.n_outputs) == ("0,1,2,3,4", 2)
    assert bench.groups is None
    grouped = make_bench(replace(digits, groups=Groups("writer", np.arange(1797) // 30)), bench.model)
    assert np.array_equal(grouped.groups, np.arange(1797) // 30)


def test_without_more_it_is_for_the_label_with_the_default_recipe(digits):
    plain = make_bench(digits, find_model("mlp"))
    assert plain.target.n_outputs == 10
    assert torch.equal(plain.targets, plain.labels)
    assert plain.training == TrainingConfig(steps=1000, augment="none")
    with pytest.raises(SettingError, match="target names class 10"):
        make_bench(digits, find_model("mlp"), "3,10")


def test_a_batch_is_the_rows_normalised_by_the_whole_dataset(digits, bench):
    pixels, rows = digits.images.pixels, torch.tensor([1500, 2, 2])
    expected = (pixels[rows] - pixels.mean()) / pixels.std()
    torch.testing.assert_close(bench.batch(rows), expected, rtol=1e-5, atol=1e-5)
    assert bench.batch(rows).is_contiguous(memory_format=torch.channels_last)


def test_the_own_test_set_is_normalised_by_the_statistics_of_the_dataset(digits, bench):
    assert bench.own_pixels is None
    own = OwnTest(MemoryImages(digits.images.pixels[:20] + 100), digits.labels[:20])
    other = make_bench(replace(digits, own_test=own), bench.model)
    shift = 100 / digits.images.pixels.std()
    expected = bench.batch(torch.arange(20)) + shift
    torch.testing.assert_close(other.own_pixels.take(torch.arange(20)), expected, rtol=1e-5, atol=1e-4)


def test_a_training_builds_one_network_beside_the_one_that_shows_whether_the_model_draws_random_numbers(digits):
    built = []

    def build(n_classes: int, in_channels: int, image_size: int) -> nn.Module:
        built.append(n_classes)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, n_classes))

    bench = make_bench(digits, ModelFactory("counted", build), training=FAST)
    for seed in range(3):
        bench.fit(bench.labels, torch.arange(200), 10, seed)
    assert len(built) == 4
    assert not bench.is_noisy
    dropping = ModelFactory("drops", lambda *_: nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(64, 10)))
    assert bench.with_model(dropping).is_noisy


def test_a_training_stops_after_the_first_epoch_whose_mean_loss_is_low_enough(bench, monkeypatch):
    """Losses of the epochs are seen as they are reckoned: by hand, in the same order of batches."""
    seen, rows = [], torch.arange(512)
    entropy = training.F.cross_entropy
    monkeypatch.setattr(training.F, "cross_entropy", lambda *given: seen.append(entropy(*given)) or seen[-1])
    bench.fit(bench.targets, rows, 2, 7, TrainingConfig(epochs=6))
    means = torch.stack(seen).detach().view(6, 4).mean(dim=1)
    assert bool((means[1:] < means[:-1]).all())
    for stop_after, limit in ((1, 10.0), (4, float(means[2:4].mean())), (6, float(means[-1]) / 2)):
        seen.clear()
        bench.fit(bench.targets, rows, 2, 7, TrainingConfig(epochs=6, converged_loss=limit))
        assert len(seen) == 4 * stop_after


def test_networks_are_those_of_the_seed_and_a_training_is_the_recipes(bench):
    assert torch.equal(weights(bench.build(2, 7)), weights(bench.build(2, 7)))
    assert not torch.equal(weights(bench.build(2, 7)), weights(bench.build(2, 8)))
    rows = torch.arange(600)
    trained = bench.fit(bench.targets, rows, 2, 7)
    assert not trained.training
    by_hand = fit(bench.build(2, 7), "conv", bench.pixels, bench.targets, rows, FAST, 7)
    assert torch.equal(weights(trained), weights(by_hand))
    assert not torch.equal(weights(trained), weights(bench.build(2, 7)))
    longer = bench.fit(bench.targets, rows, 2, 7, TrainingConfig(epochs=4))
    assert not torch.equal(weights(trained), weights(longer))
    assert bench.training == FAST


def test_rows_that_are_not_trained_on_do_not_matter(bench):
    rows = torch.arange(600)
    spoiled = bench.targets.clone()
    spoiled[600:] = 1 - spoiled[600:]
    assert torch.equal(weights(bench.fit(bench.targets, rows, 2, 1)), weights(bench.fit(spoiled, rows, 2, 1)))


def test_predictions_are_those_of_the_network_on_the_rows_in_their_order(bench):
    network, rows = bench.fit(bench.labels, torch.arange(900), 10, 0), torch.arange(1796, 1400, -1)
    with torch.no_grad():
        logits = network(bench.batch(rows))
    torch.testing.assert_close(bench.predict_logits(network, rows), logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(bench.predict_probs(network, rows), logits.softmax(dim=1), rtol=1e-4, atol=1e-5)
    assert torch.equal(bench.predict_probs(network, rows), predict_probs(network, bench.pixels, rows))
    assert torch.equal(bench.predict(network, rows), bench.predict_probs(network, rows).argmax(dim=1))
    right = (bench.predict(network, rows) == bench.labels[rows]).double().mean()
    assert bench.score_accuracy(network, bench.labels, rows) == float(right)
    assert float(right) > 0.5
    assert bench.score_accuracy(network, bench.predict(network, torch.arange(1797)), rows) == 1.0


def test_logits_that_are_no_numbers_are_an_error_in_every_prediction(bench):
    network = bench.build(2, 0).eval()
    with torch.no_grad():
        network[-1].bias.fill_(torch.nan)
    for predict in (bench.predict_logits, bench.predict_probs, bench.predict):
        with pytest.raises(TrainingError, match="NaN or infinite logits for 9 of 9 rows"):
            predict(network, torch.arange(9))


def test_a_model_is_checked_on_two_images_of_the_dataset(digits, bench):
    bench.check_model(2)
    for n_inputs, words in (
        (65, "fails on images of 1x8x8"),
        (64, r"logits of shape \(3, 3\) for 3 images; return \[batch, 2\]"),
    ):

        def build(n_classes, in_channels, image_size, n_inputs=n_inputs):
            return nn.Sequential(nn.Flatten(), nn.Linear(n_inputs, 3))

        with pytest.raises(ModelError, match=words):
            bench.with_model(ModelFactory("theirs", build)).check_model(2)


def test_another_model_finds_the_images_measured(bench):
    other = bench.with_model(find_model("mlp"))
    assert other.model.name == "mlp"
    assert bench.model.name == "conv"
    assert other.pixels is bench.pixels
    assert (other.seed, other.target, other.training, other.dataset) == (
        bench.seed,
        bench.target,
        bench.training,
        bench.dataset,
    )
    assert isinstance(other.build(2, 0)[0], nn.AdaptiveAvgPool2d)
