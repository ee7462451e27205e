"""The pace that was measured foretells how long a training takes."""

from __future__ import annotations

import time

import torch
from torch import nn

from splitgen import ModelFactory, TrainingConfig, find_model, make_bench
from splitgen.models.pace import measure_pace


class Sleeps(nn.Module):
    """A step takes 20 ms, and the prediction of a row a tenth of one."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02 if self.training else 1e-4 * len(images))
        return self.linear(images.flatten(1))


def test_a_model_of_known_pace_is_measured(digits):
    recipe = TrainingConfig(batch_size=50, epochs=2)
    bench = make_bench(digits, ModelFactory("sleeps", lambda *_: Sleeps()), training=recipe)
    pace = measure_pace(bench)
    assert 0.02 <= pace.step_seconds < 0.05
    assert 1e-4 <= pace.row_seconds < 3e-4
    assert (pace.batch_size, pace.workers) == (50, torch.get_num_threads())
    start = time.monotonic()
    bench.predict(bench.fit(bench.labels, torch.arange(500), 10, 0), torch.arange(1000))
    taken = time.monotonic() - start
    assert 0.5 * taken < pace.fit_seconds(500, recipe, 1000) < 2 * taken


def test_measuring_changes_no_random_numbers(digits):
    bench = make_bench(digits, find_model("mlp"), training=TrainingConfig(epochs=1))
    before = torch.get_rng_state()
    first = bench.fit(bench.labels, torch.arange(300), 10, 0)
    measure_pace(bench)
    second = bench.fit(bench.labels, torch.arange(300), 10, 0)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
