"""`splitgen compare` on digits: every row by the same search and judge, as table, JSON and Parquet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from splitgen import SelectionConfig, Split, find_model, make_target, read_split, select_split, write_split
from splitgen.data.dataset import describe_dataset
from splitgen.errors import SettingError
from splitgen.runs import compare
from splitgen.runs.run import open_run
from splitgen.screen.console import Screen
from splitgen.settings.layers import build_config
from splitgen.splits.provenance import DISCOVERED
from splitgen.tasks.ways.registry import WAYS


def write_plain_split(dataset, path: Path, target: str = "label") -> Path:
    """Halves of every class by the number of the row, as others might split."""
    margins = np.arange(dataset.n_points, dtype=np.float32) % 7
    parts = select_split(margins, dataset.labels, dataset.ids, SelectionConfig()).parts
    metadata = {"dataset": describe_dataset(dataset), "target": target, "verification": None}
    targets = make_target(dataset, target).values
    write_split(Split(dataset.ids, dataset.labels, targets, parts, margins, margins, metadata), path)
    return path


def test_compare_judges_every_row_alike_and_writes_its_splits(tmp_path, monkeypatch, capsys):
    few = ("random", "principal components", DISCOVERED)
    monkeypatch.setattr(compare, "WAYS", {name: WAYS[name] for name in few})
    settings = {
        "discovery": {"meta_steps": 2, "n_tasks": 1, "inner_steps": 10},
        "refinement": {"meta_steps": 1},
        "tangent": {"starts": 2, "steps": [2], "rows": [60], "keep": []},
        "agreement": {"epochs": 1},
        "training": {"epochs": 8},
        "search": {"rows": [600], "keep": [], "n_cuts": 1},
        "verification": {"seeds": 2},
    }
    run = open_run(
        build_config(settings), find_model("conv"), Screen(quiet=True), "cpu", tmp_path / "compared", "compare"
    )
    path = write_plain_split(run.dataset, tmp_path / "theirs.parquet")
    compare.compare(run, {str(path): compare.read_given(run.bench, path)})

    frame = pd.read_parquet(tmp_path / "compared" / "comparison.parquet")
    theirs = str(tmp_path / "theirs.parquet")
    assert set(frame["splitter"]) == {"random", "principal components", "discovered", theirs}
    assert frame["test_accuracy"].is_monotonic_increasing
    by_name = frame.set_index("splitter")
    assert by_name.loc["random", "test_accuracy"] > by_name.loc["principal components", "test_accuracy"] + 0.05
    assert not by_name.loc["random", "is_adversarial"]
    record = json.loads((tmp_path / "compared" / "run.json").read_text())
    assert [row["splitter"] for row in record["comparison"]] == list(frame["splitter"])
    assert "strongest first" in capsys.readouterr().out

    counts = []
    for name in ("random", "principal-components", "discovered"):
        split = read_split(tmp_path / "compared" / f"{name}.parquet")
        counts.append(np.bincount(split.labels[split.parts == "train"]).tolist())
    assert counts[0] == counts[1] == counts[2]
    recorded = {row["splitter"]: row for row in record["comparison"]}
    assert by_name.loc["random", "cpu_seconds"] == pytest.approx(recorded["random"]["cpu_seconds"])
    assert by_name.loc[theirs, "test_accuracy"] == pytest.approx(by_name.loc["random", "test_accuracy"], abs=0.1)


def test_a_split_of_another_target_is_refused_before_any_work(digits, tmp_path):
    path = write_plain_split(digits, tmp_path / "theirs.parquet", target="0,1,2")
    run = open_run(build_config({}), find_model("conv"), Screen(quiet=True), "cpu", None, "compare")
    with pytest.raises(SettingError, match="is of the target '0,1,2'; give --target 0,1,2"):
        compare.read_given(run.bench, path)
