"""The one call from Python: what is given beside the settings wins, and all else is theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import splitgen
from splitgen import DataConfig, RunConfig, SelectionConfig
from splitgen.runs import stages


@pytest.fixture
def opened_only(monkeypatch) -> None:
    """Runs end when they are opened."""
    monkeypatch.setattr(stages, "make", lambda run: None)


@pytest.fixture
def squares(digits, tmp_path) -> str:
    np.savez(tmp_path / "squares.npz", x=digits.images.pixels[:, 0].numpy(), y=digits.labels)
    pd.DataFrame({"id": range(1797), "writer": np.arange(1797) // 9}).to_csv(tmp_path / "writers.csv", index=False)
    return f"npz:{tmp_path / 'squares.npz'}"


@pytest.mark.usefixtures("opened_only")
def test_a_dataset_is_opened_as_the_settings_say(squares, tmp_path):
    data = DataConfig(image_size=16, metadata=str(tmp_path / "writers.csv"), group_column="writer")
    run = splitgen.make(squares, "mlp", config=RunConfig(data=data))
    assert run.dataset.images.shape == (1, 16, 16)
    assert run.dataset.groups is not None
    assert run.dataset.groups.column == "writer"
    assert (run.config.data.dataset, run.config.data.image_size) == (squares, 16)


@pytest.mark.usefixtures("opened_only")
def test_settings_hold_where_nothing_is_given_beside_them(squares):
    config = RunConfig(seed=4, model="mlp", data=DataConfig(squares), selection=SelectionConfig(target="0,1"))
    run = splitgen.make(config=config)
    assert run.dataset.source == "npz:squares.npz"
    assert run.bench.model.name == "mlp"
    assert run.bench.target.spec == "0,1"
    assert (run.config.seed, run.config.model, run.config.data.dataset) == (4, "mlp", squares)
    other = splitgen.make(squares, "linear", "2,3", config=config, seed=5)
    assert (other.bench.model.name, other.bench.target.spec, other.config.seed) == ("linear", "2,3", 5)


@pytest.mark.usefixtures("opened_only")
def test_a_dataset_that_was_opened_is_taken_as_it_is(digits):
    run = splitgen.make(digits, config=RunConfig(model="mlp"))
    assert run.dataset is digits
    assert run.config.data.dataset == "digits"


@pytest.mark.usefixtures("opened_only")
def test_by_default_it_is_the_digits_and_the_small_convolutional_network():
    run = splitgen.make()
    assert (run.dataset.source, run.bench.model.name, run.bench.target.spec) == ("digits", "conv", "label")
