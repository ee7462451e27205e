"""Every mode of the paper with every kind of model, from images to a verified split: each cell runs as a user would."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import splitgen
from splitgen import find_model, make_bench, make_dataset
from splitgen.models.registry import start_model
from splitgen.settings.layers import build_config

MODELS = ["conv", "mlp", "linear", "resnet18-small", "vit-small", "weights", "frozen weights"]
# What each mode sets; `tasks_from` and `labels` are of the call.
MODES = {
    "discovered": {},
    "another model finds": {"discovery_model": "mlp"},
    "regulated, untrained trunk": {"discovery": {"trunk": "resnet18-small"}},
    "untrained network, sides drawn": {"tasks_from": "untrained-network", "search": {"class_sides": "random"}},
    "clusters within class": {"tasks_from": "clusters-within-class"},
    "given": {"labels": "mine.csv"},
    "rule of the paper": {"selection": {"rule": "equality", "target": "0,1,2,3,4"}},
    "binary target": {"selection": {"target": "0,2,4"}},
}
SHORT = {
    "training": {"epochs": 1, "batch_size": 32},
    "discovery": {"meta_steps": 1, "inner_steps": 3, "batch_size": 16, "pool_size": 64, "held_out_size": 32},
    "refinement": {"meta_steps": 1, "inner_steps": 3, "batch_size": 16, "pool_size": 64, "new_tasks": 0},
    "tangent": {"starts": 2, "steps": [2], "rows": [60], "keep": []},
    "agreement": {"epochs": 1, "max_rows": 100},
    "search": {"max_trained": 2, "rows": [60], "keep": []},
    "verification": {"seeds": 2},
}


@pytest.fixture(scope="module")
def few(digits):
    """Twenty rows of each class."""
    rows = np.concatenate([np.flatnonzero(digits.labels == c)[:20] for c in range(10)])
    return make_dataset("few", digits.images.take(rows), digits.labels[rows])


@pytest.fixture(scope="module")
def find(few, tmp_path_factory):
    """A model by the name of a row of the table."""
    bench = make_bench(few, find_model("mlp"))
    network = bench.fit(bench.labels % 5, torch.arange(200), 5, seed=1)
    path = tmp_path_factory.mktemp("weights") / "five.safetensors"
    save_file(network.state_dict(), path)

    def find(name):
        if "weights" not in name:
            return find_model(name)
        return start_model(find_model("mlp"), str(path), freeze=name.startswith("frozen"))

    return find


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_ends_in_a_verified_split(mode, model, few, find, tmp_path):
    settings = {name: {**SHORT.get(name, {}), **MODES[mode].get(name, {})} for name in {*SHORT, *MODES[mode]} - CALL}
    settings |= {name: MODES[mode][name] for name in ("discovery_model",) if name in MODES[mode]}
    table = tmp_path / "mine.csv"
    pd.DataFrame({"id": few.ids, "bright": np.arange(200) % 3 == 0}).to_csv(table, index=False)
    run = splitgen.make(
        few,
        find(model),
        config=build_config(settings),
        tasks_from=MODES[mode].get("tasks_from"),
        labels=table if "labels" in MODES[mode] else None,
    )
    assert run.split is not None
    assert run.verification is not None
    assert run.config.freeze is (model == "frozen weights")
    assert (run.config.weights is not None) is ("weights" in model)
    assert run.verification.n_test == (run.split.parts == "test").sum()
    assert all(0 <= each <= 1 for each in run.verification.figures["test_accuracy"].values)
    assert run.split.provenance.way == (run.way or "discovered")
    if mode != "rule of the paper":
        assert np.bincount(few.labels[run.split.parts == "test"]).tolist() == [10] * 10
    else:
        assert np.array_equal(run.split.parts == "train", run.split.scores > 0)


CALL = {"tasks_from", "labels", "discovery_model"}


@pytest.mark.parametrize("model", ["conv", "mlp", "linear", "resnet18-small", "vit-small"])
def test_tasks_of_three_values_are_found_and_scored(model, few):
    bench = make_bench(few, find_model(model))
    config = splitgen.DiscoveryConfig(**SHORT["discovery"], task_values=3, n_tasks=2)
    found = splitgen.discover_tasks(bench, config)
    assert found.margins.shape == (200, 2, 3)
    labels = found.margins[:, 0].argmax(axis=1)
    score = splitgen.score_agreement(bench, labels, dataclasses.replace(splitgen.AgreementConfig(), epochs=1))
    assert 0 <= score.agreement_score <= 1
