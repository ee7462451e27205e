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
    """A step takes so long, and the prediction of a row a tenth of one."""

    def __init__(self, step_seconds: float = 0.02) -> None:
        super().__init__()
        self.step_seconds = step_seconds
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(self.step_seconds if self.training else 1e-4 * len(images))
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


@pytest.mark.parametrize(("step_seconds", "expected"), [(0.02, 4), (0.6, 3)])
def test_short_steps_are_measured_in_more_spells_than_long_ones(digits, monkeypatch, step_seconds, expected):
    """One moment in which the machine is busy with something else shall not make a forecast; an hour shall not, too."""
    monkeypatch.setattr(pace, "ALL_SECONDS", 1.0)
    trained, train = [], Bench.train
    monkeypatch.setattr(Bench, "train", lambda *args: (trained.append(1), train(*args))[1])
    factory = ModelFactory("sleeps", lambda *_: Sleeps(step_seconds))
    measure_pace(make_bench(digits, factory, training=TrainingConfig(batch_size=50, epochs=2)))
    assert len(trained) / torch.get_num_threads() - 2 == expected  # two go before


def test_measuring_changes_no_random_numbers(digits):
    bench = make_bench(digits, find_model("mlp"), training=TrainingConfig(epochs=1))
    before = torch.get_rng_state()
    first = bench.fit(bench.labels, torch.arange(300), 10, 0)
    measure_pace(bench)
    second = bench.fit(bench.labels, torch.arange(300), 10, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
