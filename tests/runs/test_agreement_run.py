"""Agreement scores of any labellings, by the command and by what it calls."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from commands import run_command

from splitgen.data.dataset import describe_dataset
from splitgen.errors import MetadataError
from splitgen.tasks.labellings import read_labellings
from splitgen.tasks.tasks_file import SavedTasks, write_tasks

QUICK = "[agreement]\nepochs = 8\nmax_rows = 800\n"


@pytest.fixture
def folder(digits, tmp_path):
    """With a table of labellings, tasks of another model's run, and quick settings."""
    ink = digits.images.take(np.arange(digits.n_points)).float().mean(dim=(1, 2, 3)).numpy()
    names = np.where(np.isin(digits.labels, [1, 4, 7]), "straight", "round")
    pd.DataFrame(
        {
            "id": digits.ids,
            "shape": names,
            "parity": digits.labels % 2,
            "group": digits.labels // 4,
            "ink": ink.astype(np.float64),
        }
    ).to_csv(tmp_path / "mine.csv", index=False)
    metadata = {"dataset": describe_dataset(digits), "meta_steps": 1, "agreement": []}
    write_tasks(SavedTasks((ink - np.median(ink)).astype(np.float32)[:, None], metadata), tmp_path / "tasks.parquet")
    (tmp_path / "quick.toml").write_text(QUICK)
    return tmp_path


def test_columns_are_classes_and_fractions_are_parted_at_their_median(folder, digits):
    found = read_labellings(folder / "mine.csv", digits.ids)
    assert list(found) == ["shape", "parity", "group", "ink"]
    assert np.array_equal(found["parity"], digits.labels % 2)
    assert np.array_equal(found["group"], digits.labels // 4)  # three classes, and no margins
    assert np.array_equal(found["shape"], np.isin(digits.labels, [1, 4, 7]))  # "round" before "straight"
    assert abs(found["ink"].mean() - 0.5) < 0.02


def test_rows_go_by_their_ids_and_not_by_their_order(folder, digits):
    table = pd.read_csv(folder / "mine.csv", dtype={"id": str})
    table.sample(frac=1, random_state=0).to_csv(folder / "shuffled.csv", index=False)
    ordered, shuffled = (read_labellings(folder / name, digits.ids) for name in ("mine.csv", "shuffled.csv"))
    assert all(np.array_equal(ordered[name], shuffled[name]) for name in ordered)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (lambda n: ["a"] * n, "'mine' has 1 different values for 1797 datapoints; a labelling has two classes"),
        (range, "'mine' has 1797 different values"),
        (lambda n: [None, *["a", "b"] * (n // 2)], "'mine' is empty for id '0'; give every datapoint a class"),
    ],
    ids=["one", "a key", "empty"],
)
def test_a_column_that_is_no_labelling_is_refused(digits, tmp_path, column, words):
    pd.DataFrame({"id": digits.ids, "mine": list(column(digits.n_points))}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(MetadataError, match=words):
        read_labellings(tmp_path / "t.csv", digits.ids)


def test_the_command_scores_all_labellings_side_by_side_on_any_model(folder, monkeypatch):
    monkeypatch.chdir(folder)
    told = ("agreement", "digits", "--labels", "mine.csv", "--tasks", "tasks.parquet", "--target", "0,1,2,3,4")
    done = run_command(*told, "--model", "mlp", "--config", "quick.toml", "--out", "scored", "--json")
    assert done.returncode == 0, done.stderr
    scores = {each["task"]: each for each in json.loads((folder / "scored" / "run.json").read_text())["agreement"]}
    assert list(scores) == ["task 0", "shape", "parity", "group", "ink", "target", "label", "random"]
    assert [len(scores[name]["class_balance"]) for name in ("group", "label", "parity")] == [3, 10, 2]
    assert scores["parity"]["kappa"] > scores["random"]["kappa"] + 0.3
    assert scores["task 0"]["class_balance"] == pytest.approx(scores["ink"]["class_balance"])
    assert all(0 <= each["train_accuracy"] <= 1 and "kappa" in each for each in scores.values())
    assert list(scores.values()) == json.loads(done.stdout)["agreement"]


def test_a_column_named_as_a_labelling_beside_it_is_refused_and_leaves_no_folder(folder, digits, monkeypatch):
    monkeypatch.chdir(folder)
    pd.DataFrame({"id": digits.ids, "random": digits.labels % 2}).to_csv(folder / "named.csv", index=False)
    done = run_command("agreement", "digits", "--labels", "named.csv", "--config", "quick.toml")
    assert done.returncode == 2
    assert "column 'random' has the name of a labelling that is scored beside it; rename it" in " ".join(
        done.stderr.split()
    )
    assert not list((folder / "splitgen-runs").glob("*"))


def test_tasks_of_other_data_are_refused(folder, digits, monkeypatch):
    monkeypatch.chdir(folder)
    metadata = {"dataset": {"fingerprint": "another"}, "meta_steps": 1, "agreement": []}
    write_tasks(SavedTasks(np.zeros((digits.n_points, 1), np.float32), metadata), folder / "others.parquet")
    for command in (("agreement", "digits", "--tasks"), ("split",)):
        done = run_command(*command, "others.parquet", "--config", "quick.toml")
        assert done.returncode == 2
        assert "fingerprint another" in " ".join(done.stderr.split())
        assert not list((folder / "splitgen-runs").glob("*"))
