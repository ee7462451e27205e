"""Ways to find tasks by name: from the dict, from a table of the user's own, and from outside the package."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import splitgen
from splitgen import AgreementConfig, FoundTasks, RunConfig, TrainingConfig, VerificationConfig, find_model, make_bench
from splitgen.errors import MetadataError, SettingError
from splitgen.tasks.ways.given import given_tasks
from splitgen.tasks.ways.registry import WAYS, find_way
from splitgen.tasks.ways.request import WayRequest

FAST = RunConfig(
    training=TrainingConfig(epochs=8), agreement=AgreementConfig(epochs=1), verification=VerificationConfig(2)
)


@pytest.fixture
def bench(digits):
    return make_bench(digits, find_model("mlp"))


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ("discovered", "discovered"),
        ("untrained-network", "untrained network"),
        ("Untrained_Network", "untrained network"),
        ("clusters", "clusters within class"),
        ("given", "given"),
    ],
)
def test_a_way_is_named_by_words_or_their_beginning(given, way):
    assert find_way(given) == way


@pytest.mark.parametrize("given", ["", "nothing", "i dont know"])
def test_an_unknown_way_is_refused_with_all_that_there_are(given):
    with pytest.raises(SettingError, match="untrained-network, principal-components"):
        find_way(given)


def test_a_table_and_its_use_go_together_from_python_too(digits, tmp_path):
    """A table beside another way would be left aside in silence."""
    for options in ({"tasks_from": "random", "labels": tmp_path / "tasks.csv"}, {"tasks_from": "given"}):
        with pytest.raises(SettingError, match="go together"):
            splitgen.make(digits, "mlp", **options)


def test_tasks_of_a_table_are_sides_or_margins_joined_by_id(bench, digits, tmp_path):
    ink = digits.images.pixels.sum(dim=(1, 2, 3)).numpy()
    table = {"id": range(digits.n_points), "dark": np.where(ink > 300, "yes", "no"), "ink": ink, "flag": ink > 300}
    pd.DataFrame(table).sample(frac=1, random_state=0).to_csv(tmp_path / "tasks.csv", index=False)
    margins = given_tasks(bench, WayRequest(labels=tmp_path / "tasks.csv")).margins
    assert margins.shape == (digits.n_points, 3)
    assert np.array_equal(margins[:, 0], np.where(ink > 300, 1, -1))
    assert np.array_equal(margins[:, 2], margins[:, 0])
    assert np.allclose(margins[:, 1], ink - np.median(ink))


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["a", "b", "c"] * 599, "has 3 different values"),
        ([1] * 1797, "has 1 different values"),
        ([np.nan, *range(1796)], "is empty for id '0'"),
        ([np.inf, *range(1796)], "infinite"),
        (None, "no column beside id"),
    ],
)
def test_a_column_that_is_no_task_is_refused(bench, tmp_path, column, words):
    frame = pd.DataFrame({"id": range(1797)} | ({} if column is None else {"task": column}))
    frame.to_parquet(tmp_path / "tasks.parquet")
    with pytest.raises(MetadataError, match=words):
        given_tasks(bench, WayRequest(labels=tmp_path / "tasks.parquet"))


def test_tasks_that_are_given_need_a_table(bench):
    with pytest.raises(SettingError, match="give --labels FILE"):
        given_tasks(bench, WayRequest())


def test_a_way_from_outside_the_package_goes_through_search_split_and_verification(digits, monkeypatch, tmp_path):
    """A few lines: brightness is a task."""

    def brightness(bench, request):
        means = np.concatenate([part.mean(dim=(1, 2, 3)).numpy() for part in bench.pixels.chunks(500)])
        return FoundTasks("brightness", means[:, None])

    monkeypatch.setitem(WAYS, "brightness", brightness)
    run = splitgen.make(digits, "mlp", config=FAST, tasks_from="brightness", out=tmp_path / "run")
    assert run.split is not None
    assert run.split.provenance.way == "brightness"
    assert run.verification is not None
    assert run.verification.figures["train_holdout_accuracy"].mean > 0.8
    read = splitgen.read_split(tmp_path / "run")
    assert read.provenance.class_sides == run.split.provenance.class_sides
    assert (read.provenance.way, read.provenance.task_name) == ("brightness", "task 0")
    assert splitgen.read_tasks(tmp_path / "run").way == "brightness"
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_the_split_of_a_given_task_has_its_sides_in_train_and_test(digits, tmp_path):
    """The target is the task itself, turned: what is train is the one side of each class."""
    ink = digits.images.pixels.sum(dim=(1, 2, 3)).numpy()
    pd.DataFrame({"id": range(digits.n_points), "ink": ink}).to_csv(tmp_path / "ink.csv", index=False)
    run = splitgen.make(digits, "mlp", config=FAST, labels=tmp_path / "ink.csv")
    assert run.split is not None
    sides = run.split.provenance.class_sides
    assert run.split.provenance.way == "given"
    for c in range(10):
        rows = digits.labels == c
        train, test = (ink[rows & (run.split.parts == part)] for part in ("train", "test"))
        assert (train.min() >= test.max()) if sides[c] == 1 else (train.max() <= test.min())
