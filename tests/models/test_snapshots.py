"""A training that is taken up at any of its batches ends in the same network, to the bit."""

from __future__ import annotations

import pytest
import torch
from recording import Recorder
from torch import nn

from splitgen import TrainingConfig, find_model, make_bench
from splitgen.models.registry import BUILT_IN
from splitgen.models.snapshots import put_module, put_optimizer, take_module, take_optimizer


def dropping_net(n_classes, in_channels, image_size):
    """One with batch norm, dropout, and weights of a size that lie in memory in two ways at once."""
    layers = nn.Conv2d(in_channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(8 * (image_size - 2) ** 2, n_classes))


RECIPES = {
    "adamw": TrainingConfig(epochs=2, batch_size=64),
    "sgd": TrainingConfig("sgd", epochs=2, batch_size=64, learning_rate=0.02, augment="crop"),
    "adam, stops when it has converged": TrainingConfig("adam", epochs=9, batch_size=64, converged_loss=1.9),
    "flips, in bfloat16": TrainingConfig(epochs=2, batch_size=64, augment="flip", precision="bfloat16"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("model", ["conv", "dropping"])
def test_a_training_that_is_taken_up_ends_in_the_same_network(recipe, model, digits, tmp_path, monkeypatch):
    monkeypatch.setitem(BUILT_IN, "dropping", dropping_net)
    bench = make_bench(digits, find_model(model), training=recipe)
    rows, whole = torch.arange(200), Recorder(tmp_path)
    expected = bench.fit(bench.targets, rows, 10, seed=5, slot=whole)
    assert whole.n_kept % 3 == 0  # 3 batches an epoch
    for begin_with in range(1, whole.n_kept + 1):
        rest = Recorder(tmp_path, begin_with)
        found = bench.fit(bench.targets, rows, 10, seed=5, slot=rest)
        assert rest.n_kept == whole.n_kept - begin_with
        for name, value in expected.state_dict().items():
            assert torch.equal(found.state_dict()[name], value), (begin_with, name)


def test_a_network_without_a_slot_is_the_same_as_one_with(digits, tmp_path):
    bench = make_bench(digits, find_model("conv"), training=RECIPES["adamw"])
    one = bench.fit(bench.targets, torch.arange(200), 10, seed=5)
    other = bench.fit(bench.targets, torch.arange(200), 10, seed=5, slot=Recorder(tmp_path))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_module_and_optimizer_go_on_as_they_would_have(make, tmp_path):
    def step(network, optimizer, seed):
        optimizer.zero_grad()
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        network(images.contiguous(memory_format=torch.channels_last)).square().sum().backward()
        optimizer.step()

    def build():
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
        network.register_parameter("scale", nn.Parameter(torch.tensor(1.0)))
        network.to(memory_format=torch.channels_last)
        momentum = {"momentum": 0.9} if make is torch.optim.SGD else {}
        return network, make(network.parameters(), lr=0.01, **momentum)

    network, optimizer = build()
    step(network, optimizer, 0)
    optimizer.param_groups[0]["lr"] = 0.003
    state = {**take_module(network, "n"), **take_optimizer(optimizer, "o")}
    from_state = {name: value.clone() for name, value in state.items()}
    other, its = build()
    put_module(other, "n", from_state)
    put_optimizer(its, "o", from_state)
    for seed in (1, 2):
        step(network, optimizer, seed)
        step(other, its, seed)
    assert its.param_groups[0]["lr"] == 0.003
    for name, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
        assert other.state_dict()[name].stride() == value.stride()
