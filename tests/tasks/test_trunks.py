"""A frozen trunk: what the encoder looks with stays as it is, and tasks are those of a projection of its features."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import run_command
from safetensors.torch import save_file

from splitgen import DiscoveryConfig, TrainingConfig, discover_tasks, find_model, make_bench, read_split
from splitgen.errors import ModelError, TasksFileError, WeightsError
from splitgen.models.registry import build_network
from splitgen.random import stream_seed
from splitgen.runs.split import check_same_trunk
from splitgen.tasks.encoder import build_encoder, copy_state, load_encoder, score_margins
from splitgen.tasks.trunks import freeze_trunk, reestimate_batch_norm

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


def test_features_are_those_before_the_head_of_an_untrained_network_over_the_data(bench):
    network = build_network(find_model("resnet18-small"), 2, (1, 8, 8), stream_seed(3, "trunk"))
    reestimate_batch_norm(network, bench)
    images = bench.batch(torch.arange(20))
    with torch.no_grad():
        expected = network[:-1](images)
    trunk = freeze_trunk(bench, "resnet18-small", None).train()
    torch.testing.assert_close(trunk.look(images), expected)
    standardized = trunk(images)
    torch.testing.assert_close(standardized.mean(dim=0), torch.zeros(512 // 4), atol=1e-4, rtol=0)


def test_features_of_weights_are_those_of_the_network_that_was_saved(bench, weights, digits):
    trunk = freeze_trunk(bench, "mlp", weights)
    images = bench.batch(torch.arange(20))
    half = make_bench(digits, find_model("mlp"), training=TrainingConfig(epochs=3))
    network = half.fit(half.labels, torch.from_numpy((digits.labels < 5).nonzero()[0]), 5, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(trunk.look(images), network[:-1](images))


def test_nothing_of_it_is_trained_saved_or_copied(bench):
    encoder = build_encoder(bench, CONFIG)
    images = bench.batch(torch.arange(20))
    before = encoder.trunk.look(images)
    found = discover_tasks(bench, CONFIG)
    assert {name for name, _ in encoder.named_parameters()} == {"projection.weight"}
    assert sum(value.numel() for value in found.encoder_state.values()) < 2000
    assert copy.deepcopy(encoder).trunk.look is encoder.trunk.look
    encoder.train()
    assert torch.equal(encoder.trunk.look(images), before)


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
    ],
)
def test_what_gives_no_features_is_refused(trunk, given, error, words, bench, weights):
    with pytest.raises(error, match=words):
        freeze_trunk(bench, trunk, weights if given else None)


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
    named = run_command("split", "t", "--trunk", "theirs:net", *split, "--out", "s", cwd=tmp_path)
    assert named.returncode == 0, named.stderr


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
    ],
)
def test_tasks_are_refined_with_the_trunk_that_they_were_found_with(recorded, config, words):
    check_same_trunk(
        DiscoveryConfig(trunk="mlp", trunk_weights="w@sha256:ab"),
        0,
        {"discovery": {"trunk": "mlp", "trunk_weights": "@sha256:ab"}},
        "t",
    )
    with pytest.raises(TasksFileError, match=words):
        check_same_trunk(DiscoveryConfig(**config), 0, {"seed": 0, "discovery": recorded}, "t")


def test_an_untrained_trunk_is_that_of_the_seed_alone():
    recorded = {"seed": 3, "discovery": {"trunk": "mlp", "trunk_weights": None}}
    check_same_trunk(DiscoveryConfig(trunk="mlp"), 3, recorded, "t")
    with pytest.raises(TasksFileError, match="an untrained trunk of seed 3, and this run has 5; leave out --seed"):
        check_same_trunk(DiscoveryConfig(trunk="mlp"), 5, recorded, "t")
