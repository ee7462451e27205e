"""Every model name builds a network that trains, and the recipe is what it says."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from torch import nn

from splitgen import ModelFactory, TrainingConfig, find_model, make_bench
from splitgen.errors import ModelError, TrainingError
from splitgen.models.checks import check_model
from splitgen.models.registry import build_network
from splitgen.models.training import count_epochs, predict, predict_probs


def test_a_users_model_is_called_with_classes_and_channels(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(
        "from torch import nn\n"
        "def net(n_classes, in_channels):\n"
        "    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.Flatten(), nn.LazyLinear(n_classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    logits = build_network(find_model("theirs:net"), 5, (3, 8, 8), seed=0)(torch.randn(2, 3, 8, 8))
    assert logits.shape == (2, 5)


def test_the_seed_fixes_the_network_and_leaves_the_global_random_state():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, second, other = (build_network(find_model("conv"), 2, (1, 8, 8), seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_the_recipe_learns_digits(digits, optimizer):
    labels = torch.from_numpy(digits.labels)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    rate = 0.05 if optimizer == "sgd" else 4e-3
    config = TrainingConfig(optimizer, learning_rate=rate, epochs=20)
    bench = make_bench(digits, find_model("conv"), training=config)
    network = bench.fit(labels, order[:1200], 10, seed=0)
    assert bench.score_accuracy(network, labels, order[1200:]) > 0.93


def share_module(module):
    return lambda n_classes, in_channels, image_size: module


def share_layer(layer):
    return lambda n_classes, in_channels, image_size: nn.Sequential(nn.Flatten(), layer, nn.Linear(8, n_classes))


def share_values(layer):
    """New modules around the same memory."""

    def build(n_classes, in_channels, image_size):
        fresh = nn.Linear(64, 8)
        fresh.weight = nn.Parameter(layer.weight.data)
        return nn.Sequential(nn.Flatten(), fresh, nn.Linear(8, n_classes))

    return build


def share_statistics(norm):
    norm.weight = norm.bias = None

    def build(n_classes, in_channels, image_size):
        return nn.Sequential(nn.Flatten(), norm, nn.Linear(64, n_classes))

    return build


@pytest.mark.parametrize(
    "build",
    [
        share_module(nn.Sequential(nn.Flatten(), nn.Linear(64, 3))),
        share_layer(nn.Linear(64, 8)),
        share_values(nn.Linear(64, 8)),
        share_statistics(nn.BatchNorm1d(64)),
        functools.cache(lambda n_classes, *_: nn.Sequential(nn.Flatten(), nn.Linear(64, n_classes))),
    ],
    ids=["a module", "a layer", "memory", "statistics", "a cache"],
)
def test_a_factory_whose_networks_share_anything_that_training_changes_is_refused(build):
    with pytest.raises(ModelError, match="networks that share weights"):
        check_model(ModelFactory("theirs", build), 3, torch.randn(2, 1, 8, 8))


def test_a_factory_may_copy_a_template():
    template = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3))
    model = ModelFactory("theirs", lambda *_: copy.deepcopy(template))
    check_model(model, 3, torch.randn(2, 1, 8, 8))
    check_model(model, 3, torch.randn(2, 1, 8, 8))
    built = build_network(model, 3, (1, 8, 8), seed=0)
    check_model(ModelFactory("copies", lambda *_: copy.deepcopy(built)), 3, torch.randn(2, 1, 8, 8))


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 4)), r"logits of shape \(3, 4\)"),
        (nn.Flatten, "no weights to train"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 3).requires_grad_(False)), "no weights to train"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(63, 3)), "fails on images of 1x8x8"),
        (lambda: Scaled(float("inf")), "NaN or infinite logits before it is trained"),
        (lambda: Scaled(None), "gives tuple"),
    ],
)
def test_a_model_that_cannot_work_is_refused_in_one_line(module, words):
    with pytest.raises(ModelError, match=words) as caught:
        check_model(ModelFactory("theirs", lambda *_: module()), 3, torch.randn(2, 1, 8, 8))
    assert "\n" not in str(caught.value)


class Scaled(nn.Linear):
    """Logits times a factor; None: a pair of them."""

    def __init__(self, factor):
        super().__init__(64, 3)
        self.factor = factor

    def forward(self, images):
        logits = super().forward(images.flatten(1))
        return (logits, logits) if self.factor is None else logits * self.factor


def test_a_training_that_diverges_is_an_error_that_says_what_to_do(digits):
    bench = make_bench(digits, find_model("mlp"))
    config = TrainingConfig("sgd", learning_rate=1e20, epochs=2)
    with pytest.raises(
        TrainingError, match=r"the training of mlp diverged: the loss is .* --learning-rate below 1e\+20"
    ):
        bench.fit(bench.labels, torch.arange(1000), 10, seed=0, recipe=config)


def test_torchvisions_models_for_other_purposes_are_refused_and_fetch_nothing():
    with pytest.raises(ModelError, match="is no classifier"):
        find_model("torchvision:fcn_resnet50")


def test_predictions_in_chunks_are_those_of_the_probabilities_of_all_rows(digits, monkeypatch):
    pixels, rows = make_bench(digits, find_model("conv")).pixels, torch.arange(1000).flip(0)
    network = build_network(find_model("conv"), 10, pixels.shape, seed=0).eval()
    expected = predict_probs(network, pixels, rows).argmax(dim=1)
    assert torch.equal(predict(network, pixels, rows), expected)
    monkeypatch.setattr("splitgen.models.training.PREDICTION_CHUNK", 300)
    assert torch.equal(predict(network, pixels, rows), expected)


def test_epochs_follow_the_size_within_bounds():
    recipe = TrainingConfig(steps=1000)
    assert count_epochs(900, recipe) == 20
    assert count_epochs(900, recipe, at_most=60) == 60
    assert count_epochs(30_000, recipe) == 5
    assert count_epochs(10_000, recipe) == 13
    assert count_epochs(10_000, TrainingConfig(epochs=2)) == 2
