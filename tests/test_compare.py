"""`splitgen compare` on digits: every row by the same search and judge, as table, JSON and Parquet."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from splitgen import compare, read_split
from splitgen.console import Screen
from splitgen.run import open_run
from splitgen.settings import build_config
from splitgen.splits.baselines import BASELINES


def test_compare_judges_every_row_alike_and_writes_its_splits(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(compare, "BASELINES", {name: BASELINES[name] for name in ("random", "principal components")})
    settings = {
        "discovery": {"meta_steps": 2, "n_tasks": 1, "inner_steps": 10},
        "refinement": {"meta_steps": 1},
        "agreement": {"epochs": 1},
        "training": {"epochs": 8},
        "verification": {"seeds": 2},
    }
    run = open_run(build_config(settings), Screen(quiet=True), "cpu", tmp_path / "compared", "compare")
    compare.compare(run, None)

    frame = pd.read_parquet(tmp_path / "compared" / "comparison.parquet")
    assert set(frame["splitter"]) == {"random", "principal components", "discovered"}
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
    assert by_name.loc["random", "cpu_seconds"] == pytest.approx(record["comparison"][-1]["cpu_seconds"])
