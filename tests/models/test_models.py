"""Every model name builds a network that trains, and the recipe is what it says."""

from __future__ import annotations

import pytest
import torch

from splitgen import TrainingConfig, find_model
from splitgen.models.registry import BUILT_IN, build_network, check_model
from splitgen.models.training import count_epochs, fit, predict, predict_probs, score_accuracy


@pytest.mark.parametrize("name", [*BUILT_IN, "torchvision:mobilenet_v3_small"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 28, 28)])
def test_a_model_takes_grey_and_colour_images_of_any_size(name, shape):
    check_model(find_model(name), 7, torch.randn(4, *shape))


def test_a_users_model_is_called_with_classes_and_channels(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(
        "from torch import nn\n"
        "def net(n_classes, in_channels):\n"
        "    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.Flatten(), nn.LazyLinear(n_classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    logits = build_network(find_model("theirs:net"), 5, torch.randn(2, 3, 8, 8), seed=0)(torch.randn(2, 3, 8, 8))
    assert logits.shape == (2, 5)


def test_the_seed_fixes_the_network_and_leaves_the_global_random_state():
    images = torch.zeros(1, 1, 8, 8)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, second, other = (build_network(find_model("conv"), 2, images, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_the_recipe_learns_digits(digits, optimizer):
    images, labels = digits.normalized_images(), torch.from_numpy(digits.labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    rate = 0.05 if optimizer == "sgd" else 4e-3
    config = TrainingConfig(optimizer, learning_rate=rate, epochs=20)
    network = fit(find_model("conv"), images, labels, order[:1200], 10, config, seed=0)
    assert score_accuracy(network, images, labels, order[1200:]) > 0.93


def test_predictions_in_chunks_are_those_of_the_probabilities_of_all_rows(digits, monkeypatch):
    images, rows = digits.normalized_images(), torch.arange(1000).flip(0)
    network = build_network(find_model("conv"), 10, images, seed=0).eval()
    expected = predict_probs(network, images, rows).argmax(dim=1)
    assert torch.equal(predict(network, images, rows), expected)
    monkeypatch.setattr("splitgen.models.training.PREDICTION_CHUNK", 300)
    assert torch.equal(predict(network, images, rows), expected)


def test_epochs_follow_the_size_within_bounds():
    assert count_epochs(900, TrainingConfig()) == 20
    assert count_epochs(900, TrainingConfig(), at_most=60) == 60
    assert count_epochs(30_000, TrainingConfig()) == 5
    assert count_epochs(10_000, TrainingConfig()) == 13
    assert count_epochs(10_000, TrainingConfig(epochs=2)) == 2
