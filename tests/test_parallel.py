"""Trainings side by side give what the same trainings give in turn."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from splitgen import TrainingConfig, make_bench
from splitgen.models.registry import ModelFactory, find_model
from splitgen.parallel import count_workers, map_threads


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class DropsWithoutAModule(nn.Module):
    """Dropout by a function, which no look at the modules finds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(nn.functional.dropout(images.flatten(1), 0.5, self.training))


def test_results_come_in_order_with_one_call_each_and_the_threads_are_given_back(two_threads):
    calls = []
    found = list(map_threads(lambda n: (n * n, torch.get_num_threads()), range(5), lambda: calls.append(1)))
    assert found == [(n * n, 1) for n in range(5)]
    assert len(calls) == 5
    assert torch.get_num_threads() == 2


def test_two_items_are_worked_on_at_the_same_time(two_threads):
    both = threading.Barrier(2, timeout=20)
    assert sorted(map_threads(lambda _: both.wait(), range(2))) == [0, 1]


def test_an_error_reaches_the_caller_and_the_threads_are_given_back(two_threads):
    with pytest.raises(ZeroDivisionError):
        list(map_threads(lambda n: 1 // n, [1, 0, 1, 1]))
    assert torch.get_num_threads() == 2


def test_one_item_or_one_thread_needs_no_workers(two_threads):
    assert count_workers(1) == 1
    assert count_workers(9) == 2
    torch.set_num_threads(1)
    assert count_workers(9) == 1
    assert count_workers(0) == 1


@pytest.mark.parametrize(
    "model", [find_model("conv"), ModelFactory("drops", lambda *_: DropsWithoutAModule())], ids=["conv", "dropout"]
)
def test_trainings_side_by_side_equal_the_same_trainings_in_turn(digits, two_threads, model):
    bench, rows = make_bench(digits, model, training=TrainingConfig(epochs=2)), torch.arange(600)

    def train(seed: int) -> torch.Tensor:
        return bench.predict_probs(bench.fit(bench.labels, rows, 10, seed), rows)

    side_by_side = list(map_threads(train, range(4)))
    torch.set_num_threads(1)
    for found, expected in zip(side_by_side, map(train, range(4)), strict=True):
        assert torch.equal(found, expected)
