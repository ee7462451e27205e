"""The study of the paper in its smallest size: all parts, each kept, and gone on with where it was stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

STUDY = Path(__file__).parents[1] / "examples" / "paper" / "study.py"
PARTS = ("agreement", "similarity", "splits", "transfer")


def run_study(out):
    done = subprocess.run(
        [sys.executable, STUDY, "digits", "--size", "tiny", "--out", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    run_study(folder)
    return folder


def test_every_part_leaves_a_table_and_a_figure(out):
    for part in PARTS:
        assert (out / f"{part}.parquet").exists()
        assert (out / f"{part}.png").read_bytes().startswith(b"\x89PNG")


def test_each_model_scores_its_own_tasks_beside_human_random_and_untrained_ones(out):
    scores = pd.read_parquet(out / "agreement.parquet")
    counts = scores.groupby(["model", "kind"]).size()
    assert set(scores["model"]) == {"mlp", "linear"}
    for model in ("mlp", "linear"):
        assert counts[model].to_dict() == {"discovered, d = 2": 2, "human": 2, "random": 1, "untrained network": 1}
    assert scores["agreement_score"].between(0, 1).all()
    assert (scores[scores["kind"] == "untrained network"]["class_balance"] > 0.45).all()  # parted at their median


def test_the_splits_are_of_the_papers_targets_beside_their_controls(out):
    splits = pd.read_parquet(out / "splits.parquet")
    assert list(splits["target"]) == ["0,1,2,3,4", "0,1,2,5,6"]  # the first two of its seven
    assert {"test_accuracy", "random_accuracy", "recoverable_accuracy", "fair_drop"} <= set(splits.columns)


def test_tasks_found_for_one_model_are_scored_with_another(out):
    crossed = pd.read_parquet(out / "transfer.parquet")
    assert set(zip(crossed["found_for"], crossed["model"], strict=True)) == {("mlp", "linear"), ("linear", "mlp")}


def test_a_study_that_was_stopped_goes_on_to_the_same_tables(out):
    path = out / "agreement.parquet"
    whole = pd.read_parquet(path)
    whole.iloc[:3].to_parquet(path, index=False)
    said = run_study(out)
    assert said.count("agreement_score") == len(whole) - 3  # what was there is not made again
    pd.testing.assert_frame_equal(pd.read_parquet(path), whole)
