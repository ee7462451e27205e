"""Tasks of more than two values by the commands: found, kept and scored, and refused where a split is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run_command

from splitgen.tasks.tasks_file import read_tasks

QUICK = Path(__file__).parent.parent / "quick.toml"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("values")
    given = ("--task-values", 3, "--tasks", 2, "--meta-steps", 3, "--model", "mlp", "--config", QUICK, "--quiet")
    done = run_command("discover", "digits", *given, "--out", "found", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_they_are_kept_with_their_scores_and_told_in_the_report(found):
    assert read_tasks(found / "found").margins.shape == (1797, 2, 3)
    record = json.loads((found / "found" / "run.json").read_text())
    assert record["config"]["discovery"]["dim"] == 4
    assert [len(score["class_balance"]) for score in record["agreement"]] == [3, 3, 10, 3]
    page = (found / "found" / "report.html").read_text()
    assert "Task 0 value 2" in page or "task 0 value 2" in page


def test_their_agreement_is_scored_with_another_model(found, tmp_path):
    given = ("--tasks", "found", "--model", "linear", "--config", QUICK, "--quiet", "--out", tmp_path / "scored")
    done = run_command("agreement", "digits", *given, cwd=found)
    assert done.returncode == 0, done.stderr
    scores = json.loads((tmp_path / "scored" / "run.json").read_text())["agreement"]
    assert [score["task"] for score in scores] == ["task 0", "task 1", "target", "random"]


@pytest.mark.parametrize(
    "command", [("make", "digits", "--task-values", 3), ("compare", "digits", "--task-values", 3), ("split", "found")]
)
def test_they_make_no_split_which_is_told_before_any_work(command, found, tmp_path):
    done = run_command(*command, "--out", tmp_path / "out", cwd=found)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "tasks of 3 values make no split, as classes have two sides" in done.stderr
    assert not (tmp_path / "out").exists()
