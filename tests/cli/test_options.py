"""What the help says is what is used, every option reaches its setting, and no answer is taken for silence."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from splitgen import SelectionConfig, Split, cli, select_split, write_split
from splitgen.cli.options import choose_settings
from splitgen.cli.parameters import OFFERED, pick_settings
from splitgen.data.cache.sizing import DEFAULT_SIZE
from splitgen.data.dataset import describe_dataset
from splitgen.errors import SettingError
from splitgen.runs import run
from splitgen.settings.layers import build_config
from splitgen.settings.presets import MAX_EPOCHS, MIN_EPOCHS
from splitgen.settings.stages import (
    AgreementConfig,
    DataConfig,
    DiscoveryConfig,
    RefinementConfig,
    RunConfig,
    TrainingConfig,
    VerificationConfig,
)
from splitgen.tasks.tasks_file import SavedTasks, write_tasks

NOTHING = {"config": None}

# Each option that is a setting: where in `RunConfig` it goes, and a value that is not the default. True: a flag.
SETTINGS = {
    "dataset": ("data.dataset", "npz:other.npz"),
    "root": ("data.root", "elsewhere"),
    "download": ("data.download", True),
    "part": ("data.part", "val"),
    "image_column": ("data.image_column", "picture"),
    "label_column": ("data.label_column", "kind"),
    "target_column": ("data.target_column", "Blond_Hair"),
    "image_size": ("data.image_size", 48),
    "resize": ("data.resize", "pad"),
    "background": ("data.background", "#808080"),
    "skip_unreadable": ("data.skip_unreadable", True),
    "duplicates": ("data.duplicates", "ignore"),
    "cache": ("data.cache", "kept"),
    "follow_links": ("data.follow_links", True),
    "metadata": ("data.metadata", "columns.csv"),
    "group_column": ("data.group_column", "writer"),
    "model": ("model", "mlp"),
    "discovery_model": ("discovery_model", "linear"),
    "weights": ("weights", "trained.safetensors"),
    "freeze": ("freeze", True),
    "seed": ("seed", 11),
    "epochs": ("training.epochs", 13),
    "batch_size": ("training.batch_size", 17),
    "learning_rate": ("training.learning_rate", 0.25),
    "optimizer": ("training.optimizer", "sgd"),
    "augment": ("training.augment", "flip"),
    "precision": ("training.precision", "bfloat16"),
    "meta_steps": ("discovery.meta_steps", 19),
    "trunk": ("discovery.trunk", "mlp"),
    "avoid_columns": ("discovery.avoid_columns", "writer,pen"),
    "trunk_weights": ("discovery.trunk_weights", "trunk.safetensors"),
    "tasks": ("discovery.n_tasks", 3),
    "dim": ("discovery.dim", 5),
    "task_values": ("discovery.task_values", 3),
    "meta_gradient": ("discovery.meta_gradient", "exact"),
    "refine_steps": ("refinement.meta_steps", 23),
    "agreement_networks": ("agreement.networks", 4),
    "target": ("selection.target", "0,1"),
    "task": ("search.task", 2),
    "test_fraction": ("selection.test_fraction", 0.3),
    "reserve_fraction": ("selection.reserve_fraction", 0.1),
    "validation_fraction": ("selection.validation_fraction", 0.15),
    "rule": ("selection.rule", "equality"),
    "class_sides": ("search.class_sides", "random"),
    "seeds": ("verification.seeds", 6),
}
# The options that are settings, command by command: the help and the calls below are held against these.
TO_OPEN = {
    *("root", "download", "part", "image_column", "label_column", "target_column", "image_size"),
    *("resize", "background"),
    *("skip_unreadable", "cache", "follow_links"),
}
OF_DATA = TO_OPEN | {"metadata", "group_column", "duplicates"}
OF_TRAINING = {"epochs", "batch_size", "learning_rate", "optimizer", "augment", "precision"}
FRACTIONS = {"test_fraction", "reserve_fraction", "validation_fraction"}
TAKEN = {
    "make": set(SETTINGS) - {"task"},
    "compare": set(SETTINGS) - {"task"},
    "discover": set(SETTINGS) - FRACTIONS - {"refine_steps", "task", "rule", "class_sides", "seeds"},
    "split": set(SETTINGS)
    - {"meta_steps", "avoid_columns", "tasks", "dim", "task_values", "meta_gradient", "agreement_networks"},
    "verify": {"dataset", "weights", "freeze", "seed", "seeds", *OF_DATA, *OF_TRAINING},
    "check": {"dataset", "weights", "freeze", "seed", "seeds", *OF_DATA, *OF_TRAINING},
    "agreement": {
        *("dataset", "model", "weights", "freeze", "seed", "agreement_networks", "target"),
        *OF_DATA,
        *OF_TRAINING,
    },
    "report": {"dataset", "metadata", *TO_OPEN},
    "show": {"dataset", *TO_OPEN},
    "import": {"dataset", "target", *TO_OPEN},
}
# What a command needs to come as far as its settings; `export`, `settings` and `cache` have none.
NEEDED = {
    "make": (),
    "discover": (),
    "compare": (),
    "agreement": (),
    "split": ("tasks.parquet",),
    "verify": ("split.parquet",),
    "report": ("split.parquet",),
    "show": ("split.parquet", "--images", "sheets"),
    "import": ("foreign.csv", "--out", "imported.parquet"),
    "check": ("split.parquet", "--fail-under", "0.5"),
}
NO_SETTINGS = {
    *("budget", "device", "threads", "out", "config", "quiet", "as_json", "help"),
    *("tasks_path", "split_path", "splits", "path", "others", "images", "kind"),
    *("verify_budget", "replay", "resume", "targets", "each_task", "layout", "partition"),
    *("tasks_from", "labels"),  # how a run comes by its tasks, which is told it beside its settings
    *("predictions", "control_predictions", "fail_under", "fail_under_class", "max_drop", "max_gap"),
    *("baseline", "warn_only", "junit"),
    ("check", "model"),  # several, which are judged in turn
    ("verify", "model"),
}
COMMANDS = typer.main.get_command(cli.app).commands
OPTIONS = [(command, name) for command, names in TAKEN.items() for name in sorted(names)]
DATASET_IS_AN_OPTION = ("report", "show", "check")


def read_setting(config: RunConfig, place: str) -> object:
    return functools.reduce(getattr, place.split("."), config)


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    """With a split and tasks of digits."""
    folder = tmp_path_factory.mktemp("options")
    margins = np.arange(digits.n_points, dtype=np.float32) % 7
    parts = select_split(margins, digits.labels, digits.ids, SelectionConfig()).parts
    metadata = {"dataset": describe_dataset(digits), "target": "label", "verification": None}
    split = Split(digits.ids, digits.labels, digits.labels, parts, margins, margins, metadata)
    write_split(split, folder / "split.parquet")
    write_tasks(SavedTasks(margins[:, None], metadata), folder / "tasks.parquet")
    return folder


@pytest.fixture
def choose(folder, monkeypatch):
    """The settings that a call of the command line comes to, which ends there."""
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> RunConfig:
        reached = []

        def stop(config):
            reached.append(config)
            raise SettingError("far enough")

        monkeypatch.setattr(RunConfig, "faults", stop)  # asked of all settings, once they are together
        monkeypatch.setattr(sys, "argv", ["splitgen", *arguments])
        with pytest.raises(SystemExit):
            cli.main()
        return reached[0]

    return run


def read_help(command: str) -> dict[str, str]:
    """What the help of a command says of each option."""
    arguments = [sys.executable, "-m", "splitgen", command, "--help"]
    shown = subprocess.run(arguments, capture_output=True, text=True, check=True, env={"COLUMNS": "400"}).stdout
    lines = [line.strip(" │*").split() for line in shown.splitlines() if "│" in line]
    return {words[0]: " ".join(words[2:]) for words in lines}


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    return {**read_help("split"), **read_help("make")}  # `--task` is of a split alone


@pytest.mark.parametrize(
    ("option", "default"),
    [
        ("DATASET", DataConfig().dataset),
        ("--model", RunConfig().model),
        ("--target", SelectionConfig().target),
        ("--test-fraction", "0.5"),
        ("--reserve-fraction", "0"),
        ("--validation-fraction", "0"),
        ("--class-sides", "searched"),
        ("--agreement-networks", AgreementConfig().networks),
        ("--seeds", VerificationConfig().seeds),
        ("--seed", RunConfig().seed),
        ("--epochs", f"{MIN_EPOCHS} to {MAX_EPOCHS}, by the rows trained on"),
        ("--batch-size", TrainingConfig().batch_size),
        ("--learning-rate", "0.004, of conv on colour images of 16 pixels and more 0.02"),
        ("--optimizer", TrainingConfig().optimizer),
        ("--meta-gradient", DiscoveryConfig().meta_gradient),
        ("--dim", "as many as tasks, of more than two values twice as many"),
        ("--task-values", "2"),
        ("--root", DataConfig().root),
        ("--part", "train, where there are several"),
        ("--image-column", "found"),
        ("--label-column", "found"),
        ("--image-size", f"{DEFAULT_SIZE}, of smaller images their own, as of those that come as arrays"),
        ("--resize", DataConfig().resize),
        ("--background", DataConfig().background),
        ("--duplicates", DataConfig().duplicates),
        ("--cache", "the user's cache folder"),
        ("--metadata", "none"),
        ("--group-column", "none"),
    ],
)
def test_help_tells_the_default(told, option, default):
    assert told[option].endswith(f" (default {default})")


@pytest.mark.parametrize(
    ("option", "stage", "name"),
    [
        ("--meta-steps", DiscoveryConfig(), "meta_steps"),
        ("--refine-steps", RefinementConfig(), "meta_steps"),
    ],
)
def test_help_tells_the_defaults_by_image_size_as_they_are_filled_in(told, option, stage, name):
    larger, limit, small = map(int, re.findall(r"\d+", told[option][told[option].index("(default") :]))
    assert getattr(stage.for_images(limit), name) == larger
    assert getattr(stage.for_images(limit - 1), name) == small


@pytest.mark.parametrize("option", ["--download", "--follow-links", "--skip-unreadable"])
def test_a_flag_tells_no_default_and_has_no_second_form(told, option):
    assert "default" not in told[option]
    assert f"--no-{option.removeprefix('--')}" not in " ".join(told)


def test_every_meaning_is_whole_in_the_help(told):
    for setting in OFFERED:
        assert setting.about.meaning.replace("`", "") in told[str(setting.about.option)]


@pytest.mark.parametrize(
    ("command", "recalls"), [("split", True), ("verify", True), ("check", True), ("report", True), ("import", False)]
)
def test_help_tells_where_a_recorded_setting_goes_before_the_default(command, recalls):
    assert f"(default {'as recorded, else ' if recalls else ''}crop)" in read_help(command)["--resize"]


def test_a_setting_that_no_command_can_take_is_a_fault_of_the_program():
    with pytest.raises(ValueError, match=r"no settings with an option: data\.part2"):
        list(pick_settings(("data", "data.part2"), ()))
    with pytest.raises(ValueError, match=r"no settings with an option: search\.rows"):
        list(pick_settings(("data",), ("search.rows",)))
    assert [setting.place for setting in pick_settings(("seed", "agreement"), ())] == ["seed", "agreement.networks"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tasks": 0}, "n_tasks must be 1 or more, got 0"),
        ({"dim": 0}, "dim must be 1 or more, got 0"),
        ({"task_values": 1}, "task_values must be 2 to 100, got 1"),
        ({"task_values": 101}, "task_values must be 2 to 100, got 101"),
        ({"dim": 2, "tasks": 3}, "n_tasks must be at most dim (2), as task directions are orthonormal, got 3"),
        ({"dim": 5, "tasks": 3, "task_values": 3}, "n_tasks must be at most half of dim (5), as a task of more than"),
        ({"tasks": 1, "dim": 0}, "dim must be 1 or more, got 0"),
        ({"meta_steps": 0}, "meta_steps must be 1 or more, got 0"),
        ({"epochs": 0}, "epochs must be 1 or more, got 0"),
        ({"seeds": 0}, "seeds must be 2 or more"),
        ({"batch_size": 0}, "batch_size must be above 0"),
        ({"image_size": 0}, "image_size must be 1 or more, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0"),
        ({"test_fraction": 0.0}, "test_fraction must be above 0"),
        ({"target": ""}, "target must be"),
        ({"optimizer": ""}, "optimizer must be one of"),
        ({"agreement_networks": 0}, "agreement networks must be 2 or more"),
        ({"class_sides": "drawn"}, "class_sides must be one of searched, random, got 'drawn'"),
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
    assert (of_file.config.model, "model" in of_file.named) == ("mlp", False)
    assert "model" in choose_settings({**NOTHING, "model": "conv"}, recorded).named
    (tmp_path / "mine.toml").write_text('model = "mlp"\n')
    assert "model" in choose_settings({"config": tmp_path / "mine.toml"}, recorded).named


@pytest.mark.parametrize("value", [float("inf"), float("nan"), True, "3", 10**400, [3]])
def test_what_is_no_number_is_a_fault_and_no_trace(value):
    with pytest.raises(SettingError, match="must be a"):
        build_config({"seed": value, "training": {"learning_rate": value}})


def test_every_command_is_known_here():
    assert set(COMMANDS) == {*NEEDED, "export", "settings", "cache"}


@pytest.mark.parametrize("command", TAKEN)
def test_a_command_has_the_options_of_its_settings_and_no_others(command):
    given = {name for option in COMMANDS[command].params if (name := option.name) not in NO_SETTINGS}
    assert {name for name in given if (command, name) not in NO_SETTINGS} == TAKEN[command], (
        "a new option: is it a setting of this command, or does it belong to NO_SETTINGS?"
    )


def test_every_setting_with_an_option_is_in_the_table_above():
    assert {setting.parameter: setting.place for setting in OFFERED} == {
        name: place for name, (place, _) in SETTINGS.items()
    }


@pytest.mark.parametrize(("command", "name"), OPTIONS, ids=[" ".join(option) for option in OPTIONS])
def test_every_option_that_is_a_setting_reaches_the_settings(choose, command, name):
    place, value = SETTINGS[name]
    assert read_setting(RunConfig(), place) != value
    is_argument = name == "dataset" and command not in DATASET_IS_AN_OPTION
    given = [] if is_argument else [f"--{name.replace('_', '-')}"]
    given += [] if value is True else [str(value)]
    assert read_setting(choose(command, *NEEDED[command], *given), place) == value


def test_the_dimensions_follow_the_tasks_that_are_asked_for(choose):
    Path("mine.toml").write_text("[discovery]\ndim = 2\n")
    for given in ((), ("--config", "mine.toml")):
        assert choose("make", "--tasks", "3", *given).discovery.for_images(28).dim == 3
        assert choose("make", "--tasks", "3", "--task-values", "4", *given).discovery.for_images(28).dim == 6
    assert choose("make", "--tasks", "3", "--dim", "4").discovery.dim == 4
    assert choose("make", "--config", "mine.toml").discovery.dim == 2


def test_what_a_file_recorded_lies_below_the_command_line_for_verify_by_one_model(choose):
    assert choose("verify", "split.parquet", "--model", "mlp").model == "mlp"


@pytest.mark.parametrize(
    ("arguments", "way", "labels"),
    [
        (("make",), "discovered", None),
        (("make", "--tasks-from", "principal-components"), "principal components", None),
        (("make", "--labels", "mine.csv"), "given", Path("mine.csv")),
        (("make", "--labels", "mine.csv", "--tasks-from", "given"), "given", Path("mine.csv")),
        (("compare",), "discovered", None),
        (("compare", "--labels", "mine.csv"), "discovered", Path("mine.csv")),  # a row beside the discovered tasks
    ],
)
def test_the_way_to_tasks_and_its_table_reach_the_run(monkeypatch, arguments, way, labels):
    reached = []

    def stop(*_, **options):
        reached.append((options["way"], options["labels"]))
        raise SettingError("far enough")

    monkeypatch.setattr(run, "open_run", stop)
    monkeypatch.setattr(sys, "argv", ["splitgen", *arguments])
    with pytest.raises(SystemExit):
        cli.main()
    assert reached == [(way, labels)]


@pytest.mark.parametrize(
    "arguments", [("--tasks-from", "given"), ("--labels", "mine.csv", "--tasks-from", "principal-components")]
)
def test_a_table_of_tasks_and_its_use_go_together(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["splitgen", "make", *arguments])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    assert "--labels FILE and --tasks-from given go together" in capsys.readouterr().err
