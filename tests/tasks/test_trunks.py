"""A frozen trunk: what the encoder looks with stays as it is, and tasks are those of a projection of its features."""

from __future__ import annotations

import copy
import functools
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run_command
from safetensors.torch import save_file
from torch import nn

from splitgen import DiscoveryConfig, TrainingConfig, discover_tasks, find_model, make_bench, make_dataset, read_split
from splitgen.errors import ModelError, TasksFileError, WeightsError
from splitgen.models.registry import BUILT_IN, build_network
from splitgen.random import seed_global, stream_seed
from splitgen.runs.split import check_same_trunk
from splitgen.tasks import trunks
from splitgen.tasks.encoder import build_encoder, copy_state, load_encoder, score_margins
from splitgen.tasks.trunks import check_trunk, freeze_trunk, measure_look, reestimate_batch_norm

QUICK = Path(__file__).parent.parent / "quick.toml"
CONFIG = DiscoveryConfig(meta_steps=2, inner_steps=4, trunk="resnet18-small").for_images(8)


@pytest.fixture(scope="module")
def bench(digits):
    return make_bench(digits, find_model("mlp"), seed=3)


@pytest.fixture(scope="module")
def weights(digits, tmp_path_factory):
    """Of a network that was trained on half of the classes."""
    half = make_bench(digits, find_model("mlp"), training=TrainingConfig(epochs=3))
    network = half.fit(half.labels, torch.from_numpy((digits.labels < 5).nonzero()[0]), 5, seed=1)
    path = tmp_path_factory.mktemp("weights") / "half.safetensors"
    save_file(network.state_dict(), path)
    return str(path)


def standardize(features):
    return (features - features.mean(dim=0)) / features.std(dim=0).clamp_min(1e-6)


def hold(features):
    """The rows of a frozen trunk's features, [N, F]."""
    return features.take(torch.arange(len(features))).flatten(1)


def test_features_are_those_before_the_head_of_an_untrained_network_over_the_data(bench):
    network = build_network(find_model("resnet18-small"), 2, (1, 8, 8), stream_seed(3, "trunk"))
    reestimate_batch_norm(network, bench)
    with torch.no_grad():
        expected = standardize(network[:-1](bench.batch(torch.arange(bench.n_points))))
    trunk = freeze_trunk(bench, "resnet18-small", None)
    assert trunk.n_features == 512 // 4
    torch.testing.assert_close(hold(trunk.features), expected, atol=1e-4, rtol=1e-4)
    rows = trunk.features.take(torch.arange(20))
    assert torch.equal(trunk.train()(rows), rows[:, :, 0, 0])


def test_features_of_weights_are_those_of_the_network_that_was_saved(bench, weights, digits):
    trunk = freeze_trunk(bench, "mlp", weights)
    half = make_bench(digits, find_model("mlp"), training=TrainingConfig(epochs=3))
    network = half.fit(half.labels, torch.from_numpy((digits.labels < 5).nonzero()[0]), 5, seed=1)
    with torch.no_grad():
        expected = standardize(network[:-1](bench.batch(torch.arange(bench.n_points))))
    torch.testing.assert_close(hold(trunk.features), expected, atol=1e-4, rtol=1e-4)


def test_nothing_of_it_is_trained_saved_or_copied(bench):
    encoder = build_encoder(bench, CONFIG)
    before = hold(encoder.trunk.features).clone()
    found = discover_tasks(bench, CONFIG)
    with seed_global(stream_seed(3, "encoder")):
        start = build_encoder(bench, CONFIG)
    assert torch.equal(found.encoder_state["directions"], start.directions)
    assert not torch.equal(found.encoder_state["projection.weight"], start.projection.weight)  # which is trained
    assert set(found.encoder_state) == {"projection.weight", "directions"}
    assert copy.deepcopy(encoder).trunk is encoder.trunk
    assert torch.equal(hold(freeze_trunk(bench, "resnet18-small", None).features), before)


def test_the_images_are_looked_through_once_for_all_encoders_and_models(bench, monkeypatch):
    own, seen = make_bench(bench.dataset, bench.model, seed=3, discovery_model=find_model("linear")), []
    monkeypatch.setattr(trunks, "look_through", lambda *given: seen.append(given) or bench.pixels)
    for each in (own, own.finder, own.with_model(find_model("conv"))):
        build_encoder(each, CONFIG)
    assert len(seen) == 1
    build_encoder(own, replace(CONFIG, trunk_seed=4))
    assert len(seen) == 2


def test_an_untrained_trunk_is_of_its_own_seed_under_whatever_seed_tasks_are_taken_on(bench, digits):
    found = discover_tasks(bench, CONFIG)
    other = make_bench(digits, find_model("mlp"), seed=5)
    kept = load_encoder(other, replace(CONFIG, trunk_seed=3), found.encoder_state)
    np.testing.assert_array_equal(score_margins(kept, other).numpy(), found.margins)
    drawn = load_encoder(other, CONFIG, found.encoder_state)
    assert np.abs(score_margins(drawn, other).numpy() - found.margins).max() > 0.1


def drop_first(n_classes, in_channels, image_size):
    """Its batch-norm statistics hang on what is dropped."""
    layers = nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, n_classes)
    return nn.Sequential(*layers)


def test_a_trunk_that_drops_at_random_is_the_same_each_time(digits, monkeypatch):
    monkeypatch.setitem(BUILT_IN, "dropping", drop_first)
    one, other = (hold(freeze_trunk(make_bench(digits, find_model("mlp")), "dropping", None).features) for _ in "ab")
    assert torch.equal(one, other)


def test_a_saved_encoder_gives_the_margins_that_were_found(bench):
    found = discover_tasks(bench, CONFIG)
    again = score_margins(load_encoder(bench, CONFIG, found.encoder_state), bench)
    np.testing.assert_array_equal(again.numpy(), found.margins)
    assert set(found.encoder_state) == set(copy_state(build_encoder(bench, CONFIG)))


@pytest.mark.parametrize(
    ("trunk", "given", "error", "words"),
    [
        ("linear", False, ModelError, "is nothing but a head"),
        ("conv", True, WeightsError, "lacks conv's"),
        ("nothing", False, ModelError, "unknown"),
        ("not a number", False, ModelError, "gives its head NaN or infinite features"),
        ("constant", False, ModelError, "gives its head the same features for all images"),
    ],
)
def test_what_gives_no_features_is_refused(trunk, given, error, words, bench, weights, monkeypatch):
    for name, factor in (("not a number", float("nan")), ("constant", 0.0)):
        monkeypatch.setitem(BUILT_IN, name, functools.partial(scaled_net, factor))
    with pytest.raises(error, match=words):
        check_trunk(bench, replace(CONFIG, trunk=trunk, trunk_weights=weights if given else None))


def scaled_net(factor, n_classes, in_channels, image_size):
    return nn.Sequential(nn.Flatten(), Scale(factor), nn.Linear(64, n_classes))


class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, values):
        return values * self.factor


def test_a_trunk_for_images_is_refused_where_rows_are_features(digits):
    features = make_dataset("features", digits.images.take(range(200)).reshape(200, 64, 1, 1), digits.labels[:200])
    with pytest.raises(ModelError, match="the rows are vectors of 64 features; use --trunk mlp"):
        check_trunk(make_bench(features, find_model("mlp")), replace(CONFIG, trunk="conv"))


def test_a_run_with_a_frozen_trunk_is_refined_repeated_and_split_again(weights, tmp_path):
    short = ("--config", QUICK, "--quiet", "--epochs", 2, "--seeds", 2)
    trunk = ("--trunk", "mlp", "--trunk-weights", weights)
    steps = ("--meta-steps", 2, "--refine-steps", 1, "--model", "mlp")
    made = run_command("make", "digits", *trunk, *steps, *short, "--out", "made", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    told = json.loads((tmp_path / "made/run.json").read_text())["config"]["discovery"]["trunk_weights"]
    assert told.startswith(f"{weights}@sha256:")
    recorded = read_split(tmp_path / "made").metadata["config"]["discovery"]
    assert recorded["trunk"] == "mlp"
    assert recorded["trunk_weights"] == told.removeprefix(weights)
    again = run_command("make", "--replay", "made", "--quiet", "--out", "again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again/split.parquet").read_bytes() == (tmp_path / "made/split.parquet").read_bytes()
    split = run_command("split", "made", "--target", "0,1", *steps[2:4], *short, "--out", "split", cwd=tmp_path)
    assert split.returncode == 0, split.stderr
    reseeded = ("--seed", 7, "--trunk-weights", weights)
    split = run_command("split", "made", *reseeded, *steps[2:4], *short, "--out", "reseeded", cwd=tmp_path)
    assert split.returncode == 0, split.stderr
    judged = run_command("verify", "made", *short, cwd=tmp_path)  # which needs no trunk
    assert judged.returncode == 0, judged.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--trunk", "linear"), "model 'linear': is nothing but a head"),
        (("--trunk-weights", "x.safetensors"), "trunk_weights must be given together with trunk"),
        (("--trunk", "mlp", "--trunk-weights", "x.safetensors"), "weights 'x.safetensors': it cannot be read"),
    ],
)
def test_a_trunk_that_cannot_be_is_told_before_any_work(given, words, tmp_path):
    done = run_command("make", "digits", *given, "--quiet", "--out", "out", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_trunk_that_is_code_is_run_only_where_it_is_named(tmp_path):
    code = "from splitgen.models.networks import mlp\ndef net(n_classes, in_channels, image_size):\n"
    (tmp_path / "theirs.py").write_text(f"{code}    return mlp(n_classes, in_channels, image_size)\n")
    steps = ("--meta-steps", 1, "--refine-steps", 1, "--model", "linear", "--config", QUICK, "--quiet")
    found = run_command(
        "discover", "digits", "--trunk", "theirs:net", *steps[:2], *steps[4:], "--out", "t", cwd=tmp_path
    )
    assert found.returncode == 0, found.stderr
    split = ("--epochs", 1, "--seeds", 2, "--target", "0,1", *steps[2:4], *steps[6:])
    refused = run_command("split", "t", *split, "--out", "s", cwd=tmp_path)
    assert refused.returncode == 2
    assert "give --trunk theirs:net if you trust it" in refused.stderr
    named = run_command("split", "t", "--trunk", "theirs:net", "--seed", 9, *split, "--out", "s", cwd=tmp_path)
    assert named.returncode == 0, named.stderr
    kept = json.loads((tmp_path / "s/run.json").read_text())["config"]
    assert (kept["seed"], kept["discovery"]["trunk_seed"]) == (9, 0)  # the trunk is that of the tasks
    again = run_command("split", "t", "--replay", "s", "--trunk", "theirs:net", "--quiet", "--out", "a", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "a/split.parquet").read_bytes() == (tmp_path / "s/split.parquet").read_bytes()


@pytest.mark.parametrize(
    ("recorded", "config", "words"),
    [
        ({"trunk": "mlp"}, {"trunk": "conv"}, "found with trunk mlp, and this run has conv"),
        ({}, {"trunk": "conv"}, "found with trunk None, and this run has conv"),
        (
            {"trunk": "mlp", "trunk_weights": "@sha256:ab"},
            {"trunk": "mlp", "trunk_weights": "w@sha256:cd"},
            "found with trunk_weights @sha256:ab, and this run has @sha256:cd",
        ),
        ({"trunk": "mlp", "trunk_seed": 1}, {"trunk": "mlp", "trunk_seed": 2}, "found with trunk_seed 1, and this run"),
    ],
)
def test_tasks_are_refined_with_the_trunk_that_they_were_found_with(recorded, config, words):
    check_same_trunk(
        DiscoveryConfig(trunk="mlp", trunk_weights="w@sha256:ab"),
        {"discovery": {"trunk": "mlp", "trunk_weights": "@sha256:ab"}},
        "t",
    )
    with pytest.raises(TasksFileError, match=words):
        check_same_trunk(DiscoveryConfig(**config), {"seed": 0, "discovery": recorded}, "t")


def test_an_untrained_trunk_of_older_files_is_that_of_their_seed():
    recorded = {"seed": 3, "discovery": {"trunk": "mlp", "trunk_weights": None}}
    check_same_trunk(DiscoveryConfig(trunk="mlp", trunk_seed=3), recorded, "t")
    with pytest.raises(TasksFileError, match="found with trunk_seed 3, and this run has 5"):
        check_same_trunk(DiscoveryConfig(trunk="mlp", trunk_seed=5), recorded, "t")


class Sleeps(nn.Linear):
    """A look takes a tenth of a millisecond a row."""

    def __init__(self, channels, size, width):
        super().__init__(channels * size**2, 4 * width)
        self.seen = []

    def forward(self, images):
        time.sleep(1e-4 * len(images))
        self.seen.append(len(images))
        return super().forward(images.flatten(1))


def test_a_look_of_the_task_encoder_is_measured_by_its_trunk_and_one_at_what_is_frozen_takes_no_time(
    bench, monkeypatch
):
    monkeypatch.setitem(trunks.TRUNKS, "conv", Sleeps)
    random_state = torch.get_rng_state()
    assert 1e-4 <= measure_look(bench, DiscoveryConfig()) < 3e-4
    assert measure_look(bench, CONFIG) == 0
    assert torch.equal(torch.get_rng_state(), random_state)


@pytest.mark.parametrize(("pixels", "n_rows"), [(2**20, 256), (64 * 100, 100), (1, 2)])
def test_large_images_are_looked_at_a_few_at_a_time_when_a_look_is_measured(bench, monkeypatch, pixels, n_rows):
    """Five hundred rows of 224 pixels a side would take gigabytes, for a forecast."""
    made = []
    monkeypatch.setitem(trunks.TRUNKS, "conv", lambda *sizes: made.append(Sleeps(*sizes)) or made[-1])
    monkeypatch.setattr(trunks, "LOOKED_PIXELS", pixels)
    assert measure_look(bench, DiscoveryConfig()) >= 1e-4
    assert set(made[0].seen) == {n_rows}
