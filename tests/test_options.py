"""What the help says is what is used, and nothing that a user can say is taken for silence."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from splitgen.config import (
    AgreementConfig,
    DataConfig,
    DiscoveryConfig,
    RefinementConfig,
    RunConfig,
    SelectionConfig,
    TrainingConfig,
    VerificationConfig,
)
from splitgen.errors import SettingError
from splitgen.options import choose_settings
from splitgen.settings import build_config

NOTHING = {"config": None}


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    """What `make --help` says of each option."""
    command = [sys.executable, "-m", "splitgen", "make", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "300"}).stdout
    return {line.split()[1]: line for line in shown.splitlines() if "--" in line}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--test-fraction", SelectionConfig().test_fraction),
        ("--reserve-fraction", SelectionConfig().reserve_fraction),
        ("--validation-fraction", SelectionConfig().validation_fraction),
        ("--agreement-networks", AgreementConfig().networks),
        ("--seeds", VerificationConfig().seeds),
        ("--seed", RunConfig().seed),
        ("--batch-size", TrainingConfig().batch_size),
        ("--learning-rate", TrainingConfig().learning_rate),
        ("--image-size", DataConfig().image_size),
    ],
)
def test_help_tells_the_default(told, option, value):
    assert f"(default {value:g})" in told[option]


@pytest.mark.parametrize(
    ("option", "stage", "name"),
    [
        ("--meta-steps", DiscoveryConfig(), "meta_steps"),
        ("--tasks", DiscoveryConfig(), "n_tasks"),
        ("--refine-steps", RefinementConfig(), "meta_steps"),
    ],
)
def test_help_tells_the_defaults_by_image_size_as_they_are_filled_in(told, option, stage, name):
    larger, limit, small = map(int, re.findall(r"\d+", told[option][told[option].index("(default") :]))
    assert getattr(stage.for_images(limit), name) == larger
    assert getattr(stage.for_images(limit - 1), name) == small


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tasks": 0}, "n_tasks must be 1 or more, got 0"),
        ({"dim": 0}, "dim must be 1 or more, got 0"),
        ({"tasks": 1, "dim": 0}, "dim must be 1 or more, got 0"),
        ({"meta_steps": 0}, "meta_steps must be 1 or more, got 0"),
        ({"epochs": 0}, "epochs must be 1 or more, got 0"),
        ({"seeds": 0}, "seeds must be 2 or more"),
        ({"batch_size": 0}, "batch_size must be above 0"),
        ({"image_size": 0}, "image_size must be above 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"test_fraction": 0.0}, "test_fraction must be above 0"),
        ({"target": ""}, "target must be"),
        ({"optimizer": ""}, "optimizer must be one of"),
        ({"agreement_networks": 0}, "agreement networks must be 2 or more"),
    ],
)
def test_zero_and_empty_text_are_answers_and_not_silence(given, words):
    with pytest.raises(SettingError, match=re.escape(words)):
        choose_settings({**NOTHING, **given}, None)


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        *(("discovery", name) for name in ("n_tasks", "dim", "batch_size", "meta_steps", "pool_size")),
        *(("refinement", name) for name in ("first_round", "pool_size", "lifetime", "batch_size")),
    ],
)
def test_zero_in_a_file_is_refused_where_none_leaves_a_setting_to_the_defaults(stage, name):
    with pytest.raises(SettingError, match=rf"{name} must be \d or more, got 0"):
        build_config({stage: {name: 0}})


def test_zero_leaves_refinement_out_and_is_no_default():
    config = choose_settings({**NOTHING, "refine_steps": 0}, None).config
    assert config.refinement.for_images(8).meta_steps == 0


def test_what_the_user_names_is_told_from_what_a_file_recorded(tmp_path):
    recorded = {"model": "mlp"}
    of_file = choose_settings(NOTHING, recorded)
    assert (of_file.config.model, of_file.names_model) == ("mlp", False)
    assert choose_settings({**NOTHING, "model": "conv"}, recorded).names_model
    (tmp_path / "mine.toml").write_text('model = "mlp"\n')
    assert choose_settings({"config": tmp_path / "mine.toml"}, recorded).names_model


@pytest.mark.parametrize("value", [float("inf"), float("nan"), True, "3", 10**400, [3]])
def test_what_is_no_number_is_a_fault_and_no_trace(value):
    with pytest.raises(SettingError, match="must be a"):
        build_config({"seed": value, "training": {"learning_rate": value}})
