"""The rule of the paper: train is where the task equals the class side, and test is all else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import run_command

from splitgen import SelectionConfig, TrainingConfig, find_model, make_bench, read_split, select_split
from splitgen.errors import SettingError
from splitgen.search.candidates import NO_SPLIT, Candidate, SearchSpace, search_candidates
from splitgen.settings.faults import check
from splitgen.settings.stages import SearchConfig
from splitgen.splits.selection import EmptyPartError, count_parts

QUICK = Path(__file__).parent.parent / "quick.toml"
EQUAL = SelectionConfig(rule="equality")


@pytest.fixture
def problem():
    """Scores, labels and ids of 300 rows of three classes, of which the last leans to train."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    scores = rng.normal(size=300).astype(np.float32) + 0.7 * (labels == 2)
    return scores, labels, [f"{i:03d}" for i in range(300)]


def test_every_row_above_zero_is_train_and_every_other_test(problem):
    scores, labels, ids = problem
    scores[:3] = 0
    found = select_split(scores, labels, ids, EQUAL)
    assert np.array_equal(found.parts == "train", scores > 0)
    assert np.array_equal(found.parts == "test", scores <= 0)
    assert found.alignment == 1
    assert found.train_thresholds.tolist() == [scores[(labels == c) & (scores > 0)].min() for c in range(3)]
    assert found.test_thresholds.tolist() == [scores[(labels == c) & (scores <= 0)].max() for c in range(3)]


@pytest.mark.parametrize("fraction", [0.1, 0.6])
def test_validation_is_its_share_of_the_train_side_of_each_class(problem, fraction):
    scores, labels, ids = problem
    found = select_split(scores, labels, ids, SelectionConfig(rule="equality", validation_fraction=fraction))
    assert (scores[found.parts == "validation"] > 0).all()
    counts, of_side = np.bincount(labels[found.parts == "validation"]), np.bincount(labels[scores > 0])
    assert counts.sum() == round(fraction * (scores > 0).sum())
    assert np.abs(counts - fraction * of_side).max() < 1


def test_validation_leaves_each_class_a_row_of_train(problem):
    scores, labels, ids = problem
    found = select_split(scores, labels, ids, SelectionConfig(rule="equality", validation_fraction=0.999))
    assert np.bincount(labels[found.parts == "train"]).tolist() == [1, 1, 1]


def test_the_sizes_to_be_expected_have_validation_as_a_share_of_the_train_side():
    config = SelectionConfig(rule="equality", validation_fraction=0.6)
    counts = count_parts(np.array([100, 50]), config)
    assert {part: n.tolist() for part, n in counts.items()} == {
        "test": [50, 25],
        "reserve": [0, 0],
        "validation": [30, 15],
    }
    assert config.train_fraction == pytest.approx(0.2)


def test_a_group_goes_whole_by_the_sum_of_its_scores(problem):
    scores, labels, ids = problem
    groups = np.arange(300) // 4
    config = SelectionConfig(rule="equality", validation_fraction=0.1)
    found = select_split(scores, labels, ids, config, groups=groups)
    sums = np.bincount(groups, weights=scores)
    for group, total in enumerate(sums):
        parts = set(found.parts[groups == group])
        assert len(parts) == 1
        assert parts <= ({"train", "validation"} if total > 0 else {"test"})
    on_side = found.parts != "test"
    assert abs((found.parts == "validation").sum() - 0.1 * on_side.sum()) <= 4
    assert found.alignment == (scores[on_side] > 0).mean()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_class_that_the_task_does_not_part_is_told(problem, sign):
    scores, labels, ids = problem
    scores[labels == 1] = sign * np.abs(scores[labels == 1] + 1)
    part = "test" if sign > 0 else "train"
    with pytest.raises(EmptyPartError, match=f"class 'b' has no rows in {part}: all .* lie on one side of the task"):
        select_split(scores, labels, ids, EQUAL, class_names=["a", "b", "c"])


def test_a_candidate_that_gives_no_split_comes_last(digits):
    bench = make_bench(digits, find_model("mlp"), "0,1,2,3,4", TrainingConfig(epochs=1))
    margins = np.stack([np.ones(1797), np.random.default_rng(0).normal(size=1797)], axis=1)
    space = SearchSpace(bench, margins, EQUAL)
    sides = (1,) * 5 + (-1,) * 5
    config = SearchConfig(rows=(200,), keep=())
    ranked = search_candidates(space, [Candidate(0, sides), Candidate(1, sides)], config)
    assert [candidate.task for candidate in ranked] == [1, 0]
    assert ranked[1].test_accuracies == (NO_SPLIT,)


@pytest.mark.parametrize("given", [{"test_fraction": 0.3}, {"reserve_fraction": 0.1}])
def test_sizes_are_not_asked_for(given):
    words = "must be left out with rule equality, whose sizes the task gives; give them with rule halves"
    with pytest.raises(SettingError, match=words):
        check(SelectionConfig(rule="equality", **given))


def test_a_split_of_an_earlier_run_may_be_made_by_the_rule_and_tells_so(tmp_path):
    short = ("--config", QUICK, "--quiet", "--epochs", 2, "--seeds", 2)
    of_tasks = ("--model", "mlp", "--meta-steps", 2, "--out", "tasks", "--config", QUICK, "--quiet")
    found = run_command("discover", "digits", *of_tasks, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    rule = ("--rule", "equality", "--refine-steps", 0, "--out", "split")
    done = run_command("split", "tasks", *rule, *short, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    split = read_split(tmp_path / "split")
    assert np.array_equal(split.parts == "train", split.scores > 0)
    record = json.loads((tmp_path / "split" / "run.json").read_text())
    assert record["verification"]["n_test"] == (split.scores <= 0).sum()
    shown = run_command("show", "split", cwd=tmp_path)
    assert "rule equality; alignment 1.000" in shown.stdout
    refused = run_command("compare", "digits", "--rule", "equality", *short, cwd=tmp_path)
    assert refused.returncode == 2
    assert "compare sets splits of equal sizes beside each other" in refused.stderr
