"""A run whose model starts from a file of weights: what it records, and what a later command makes of that."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from commands import run_command
from safetensors.torch import save_file

from splitgen import TrainingConfig, find_model, make_bench, read_split

QUICK = Path(__file__).parent.parent / "quick.toml"
SHORT = ("--config", QUICK, "--epochs", 2, "--seeds", 2, "--quiet")


@pytest.fixture(scope="module")
def made(digits, tmp_path_factory):
    """A folder with weights that were trained on half of the classes, and a run whose model starts from them."""
    folder = tmp_path_factory.mktemp("weights")
    bench = make_bench(digits, find_model("mlp"), training=TrainingConfig(epochs=4))
    network = bench.fit(bench.labels, torch.from_numpy((digits.labels < 5).nonzero()[0]), 5, seed=1)
    save_file(network.state_dict(), folder / "half.safetensors")
    steps = ("--meta-steps", 2, "--refine-steps", 1)
    given = ("--model", "mlp", "--weights", "half.safetensors", "--freeze", *steps, "--out", "made")
    done = run_command("make", "digits", *given, *SHORT, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def read_record(folder):
    return json.loads((folder / "run.json").read_text())


def test_a_run_records_the_weights_with_their_digest_and_the_split_the_digest_alone(made):
    config, told = read_record(made / "made")["config"], read_split(made / "made").metadata["config"]
    name, _, digest = config["weights"].partition("@sha256:")
    assert name == "half.safetensors"
    assert len(digest) == 64
    assert told["weights"] == f"@sha256:{digest}"
    assert config["freeze"] is told["freeze"] is True
    assert read_record(made / "made")["verification"]["model"] == f"mlp from weights {digest[:8]}, head alone"


def test_a_verification_starts_from_the_same_weights(made, tmp_path):
    done = run_command("verify", "made", *SHORT, "--out", tmp_path / "again", cwd=made)
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path / "again")["verification"] == read_record(made / "made")["verification"]


def test_another_model_that_is_named_starts_from_none(made, tmp_path):
    done = run_command("verify", "made", "--model", "linear", *SHORT, "--out", tmp_path / "again", cwd=made)
    assert done.returncode == 0, done.stderr
    assert read_record(tmp_path / "again")["verification"]["model"] == "linear"


def test_of_several_models_the_recorded_one_starts_from_its_weights(made, tmp_path):
    models = ("--model", "linear", "--model", "mlp")
    done = run_command("verify", "made", *models, *SHORT, "--out", tmp_path / "both", cwd=made)
    assert done.returncode == 0, done.stderr
    linear, mlp = read_record(tmp_path / "both")["transfer"]
    assert linear["model"] == "linear"
    assert mlp["figures"] == read_record(made / "made")["verification"]["figures"]


def test_a_gate_judges_by_the_same_weights(made, tmp_path):
    done = run_command("check", "made", "--fail-under", 0, *SHORT[2:], "--out", tmp_path / "gate.json", cwd=made)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads((tmp_path / "gate.json").read_text())["results"]
    figures = read_record(made / "made")["verification"]["figures"]
    assert result["figures"]["test_accuracy"] == figures["test_accuracy"]["values"]


def test_weights_that_are_gone_or_were_changed_are_told_before_any_work(made, tmp_path):
    moved = shutil.copytree(made / "made", tmp_path / "moved")
    gone = run_command("verify", moved, *SHORT, cwd=tmp_path)
    assert gone.returncode == 2
    assert "weights 'half.safetensors': it cannot be read (No such file or directory)" in gone.stderr
    save_file({"a": torch.zeros(1)}, tmp_path / "half.safetensors")
    changed = run_command("verify", moved, *SHORT, cwd=tmp_path)
    assert changed.returncode == 2
    assert "it is another file" in changed.stderr
    (moved / "run.json").unlink()
    alone = run_command("verify", moved, *SHORT, cwd=tmp_path)
    assert alone.returncode == 2
    assert "and not where it lies; give --weights" in alone.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--freeze",), "freeze must be given together with weights, which it keeps"),
        (("--model", "conv", "--weights", "half.safetensors"), "it lacks conv's"),
    ],
)
def test_weights_that_do_not_serve_are_told_in_one_line_and_leave_no_folder(given, words, made, tmp_path):
    done = run_command("make", "digits", *given, *SHORT, "--out", tmp_path / "none", cwd=made)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not (tmp_path / "none").exists()


def test_weights_of_several_models_are_refused(made):
    several = ("--model", "mlp", "--model", "linear", "--weights", "half.safetensors")
    done = run_command("verify", "made", *several, *SHORT, cwd=made)
    assert done.returncode == 2
    assert "--weights are of one model, got several --model" in done.stderr
