"""The pace that was measured foretells how long a training takes."""

from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from splitgen import ModelFactory, TrainingConfig, find_model, make_bench
from splitgen.models import pace
from splitgen.models.bench import Bench
from splitgen.models.pace import measure_pace


class Sleeps(nn.Module):
    """A step takes so long, and each of its rows; the prediction of a row a tenth of a millisecond."""

    def __init__(self, step_seconds: float = 0.02, row_seconds: float = 0.0) -> None:
        super().__init__()
        self.step_seconds, self.row_seconds = step_seconds, row_seconds
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(self.step_seconds + self.row_seconds * len(images) if self.training else 1e-4 * len(images))
        return self.linear(images.flatten(1))


def test_a_model_of_known_pace_is_measured(digits):
    recipe = TrainingConfig(batch_size=50, epochs=2)
    bench = make_bench(digits, ModelFactory("sleeps", lambda *_: Sleeps()), training=recipe)
    found = measure_pace(bench)
    assert 0.02 <= found.step_seconds < 0.05
    assert 1e-4 <= found.row_seconds < 3e-4
    assert (found.batch_size, found.workers) == (50, torch.get_num_threads())
    start = time.monotonic()
    bench.predict(bench.fit(bench.labels, torch.arange(500), 10, 0), torch.arange(1000))
    taken = time.monotonic() - start
    assert 0.5 * taken < found.fit_seconds(500, recipe, 1000) < 2 * taken


@pytest.mark.parametrize(("step_seconds", "row_seconds"), [(0.02, 0.0), (0.005, 0.0004), (0.0, 0.001)])
def test_a_step_on_fewer_rows_takes_what_each_step_does_and_their_part_of_the_rest(digits, step_seconds, row_seconds):
    """A meta-step of discovery has batches a quarter as large as a training; it took half as long again as foretold."""
    recipe = TrainingConfig(batch_size=64, epochs=2)
    factory = ModelFactory("sleeps", lambda *_: Sleeps(step_seconds, row_seconds))
    found = measure_pace(make_bench(digits, factory, training=recipe))
    for n_rows in (64, 32, 16):
        takes = step_seconds + n_rows * row_seconds
        assert takes - 0.002 <= found.step_on(n_rows) <= takes + 0.012
    assert 0 <= found.overhead_seconds <= found.step_seconds


@pytest.mark.parametrize("batch_size", [2, 4])
def test_the_pace_of_the_smallest_batches_is_measured(digits, batch_size):
    """A batch norm has no statistics of a single row, a quarter of four."""
    found = measure_pace(make_bench(digits, find_model("conv"), training=TrainingConfig(batch_size=batch_size)))
    assert 0 <= found.overhead_seconds <= found.step_seconds
    assert found.overhead_seconds == 0 or batch_size == 4


@pytest.mark.parametrize(("step_seconds", "expected"), [(0.02, 4), (0.6, 3)])
def test_short_steps_are_measured_in_more_spells_than_long_ones(digits, monkeypatch, step_seconds, expected):
    """One moment in which the machine is busy with something else shall not make a forecast; an hour shall not, too."""
    monkeypatch.setattr(pace, "ALL_SECONDS", 1.0)
    trained, train = [], Bench.train
    monkeypatch.setattr(Bench, "train", lambda *args: (trained.append(1), train(*args))[1])
    factory = ModelFactory("sleeps", lambda *_: Sleeps(step_seconds))
    measure_pace(make_bench(digits, factory, training=TrainingConfig(batch_size=50, epochs=2)))
    assert len(trained) / torch.get_num_threads() - 2 - 3 == expected  # two go before, and three of fewer rows after


def test_measuring_changes_no_random_numbers(digits):
    bench = make_bench(digits, find_model("mlp"), training=TrainingConfig(epochs=1))
    before = torch.get_rng_state()
    first = bench.fit(bench.labels, torch.arange(300), 10, 0)
    measure_pace(bench)
    second = bench.fit(bench.labels, torch.arange(300), 10, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
