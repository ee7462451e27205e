"""Splits of several targets from one discovery: each as it would be by itself, all told in one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run_command

from splitgen import read_split
from splitgen.cli.several import Wanted, list_wanted, read_targets
from splitgen.errors import SettingError

QUICK = Path(__file__).parent.parent / "quick.toml"
SHORT = ("--config", QUICK, "--epochs", 3, "--seeds", 2, "--refine-steps", 1)
TARGETS = 'low = "0,1,2,3,4"\nround = "0,3,6,8,9"\n'


@pytest.fixture(scope="module")
def found(tmp_path_factory, few_digits):
    """A folder with two tasks of a few digits and a file of two targets."""
    folder = tmp_path_factory.mktemp("several")
    done = run_command(
        *("discover", f"npz:{few_digits}", "--model", "mlp", "--tasks", 2, "--meta-steps", 2, "--out", "tasks"),
        *("--config", QUICK, "--quiet"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    (folder / "targets.toml").write_text(TARGETS)
    return folder


@pytest.fixture(scope="module")
def made(found):
    done = run_command("split", "tasks", "--targets", "targets.toml", "--each-task", *SHORT, "--out", "all", cwd=found)
    assert done.returncode == 0, done.stderr
    return done


def test_each_split_is_the_one_that_its_target_and_task_give_by_themselves(found, made):
    one = ("--target", "0,3,6,8,9", "--task", 1, "--out", "one", "--quiet")
    done = run_command("split", "tasks", *one, *SHORT, cwd=found)
    assert done.returncode == 0, done.stderr
    assert (found / "one/split.parquet").read_bytes() == (found / "all/round-task-1/split.parquet").read_bytes()


def test_there_is_a_folder_for_each_target_and_task_made_of_that_task(found, made):
    names = [f"{target}-task-{k}" for target in ("low", "round") for k in (0, 1)]
    assert sorted(path.name for path in (found / "all").iterdir() if path.is_dir()) == names
    for name in names:
        metadata = read_split(found / "all" / name).metadata
        assert metadata["task"] == int(name[-1])
        assert metadata["target"] == ("0,1,2,3,4" if name.startswith("low") else "0,3,6,8,9")


def test_one_table_and_one_record_tell_of_all(found, made):
    splits = json.loads((found / "all" / "run.json").read_text())["splits"]
    assert [each["name"] for each in splits] == ["low-task-0", "low-task-1", "round-task-0", "round-task-1"]
    for each in splits:
        own = json.loads((found / "all" / each["name"] / "run.json").read_text())["verification"]
        assert each["figures"]["test_accuracy"] == own["figures"]["test_accuracy"]["mean"]
        assert f"│ {each['name']}" in made.stdout
        assert f"{each['figures']['fair_drop']:.3f}" in made.stdout


def test_a_split_of_several_is_checked_like_any_other(found, made):
    done = run_command("check", "all/low-task-0", "--fail-under", 0, "--seeds", 2, "--epochs", 2, cwd=found)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--targets", "none.toml"), "'none.toml' cannot be read"),
        (("--targets", "bad.toml"), "target names class 10"),
        (("--targets", "targets.toml", "--target", "0,1"), "leave out --target"),
        (("--targets", "targets.toml", "--task", "0"), "leave out --target, --task"),
        (("--each-task",), "--each-task goes with --targets FILE"),
        (("--task", "2"), "task must be below 2, the tasks of tasks, got 2"),
    ],
)
def test_what_does_not_go_together_is_told_before_any_work(given, words, found, tmp_path):
    (found / "bad.toml").write_text('fine = "0,1"\nwrong = "3,10"\n')
    done = run_command("split", "tasks", *given, *SHORT, "--out", tmp_path / "out", cwd=found)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names none"),
        ('"../up" = "0,1"\n', "'../up' is no name of a folder"),
        ('".." = "0,1"\n', "is no name of a folder"),
        ("low = [0, 1]\n", 'low must be a text such as "0,1,2"'),
        ('low = "0"\nLow = "1"\n', "differ in capital letters alone"),
    ],
)
def test_a_file_of_targets_holds_names_and_targets_alone(text, words, tmp_path):
    (tmp_path / "targets.toml").write_text(text)
    with pytest.raises(SettingError) as caught:
        read_targets(tmp_path / "targets.toml")
    assert words in str(caught.value)


def test_each_target_has_one_split_or_one_of_each_task():
    targets = {"low": "0,1", "high": "8,9"}
    assert list_wanted(targets, 3, each_task=False) == [Wanted("low", "0,1"), Wanted("high", "8,9")]
    assert [(each.name, each.task) for each in list_wanted(targets, 2, each_task=True)] == [
        *(("low-task-0", 0), ("low-task-1", 1)),
        *(("high-task-0", 0), ("high-task-1", 1)),
    ]
