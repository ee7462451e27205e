"""What an unfinished run has come to: kept whole, found again to the bit, and written as seldom as it may be."""

from __future__ import annotations

import os
import time

import pytest
import torch
from torch import nn

from splitgen.errors import RunFolderError
from splitgen.keeping import State
from splitgen.store import states
from splitgen.store.states import Spacing, StateKeeper, read_state, write_state


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "states").mkdir()
    return tmp_path


def test_a_state_is_read_as_it_was_and_as_it_lay_in_memory(tmp_path):
    weight = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last).weight.detach()
    single = torch.randn(4, 1, 3, 3).to(memory_format=torch.channels_last)  # contiguous in both ways
    tensors = {
        "w": weight,
        "s": single,
        "t": torch.randn(3, 5).T,
        "h": torch.tensor([True, False]),
        "z": torch.tensor(2.5),
    }
    told = {"losses": [0.1, 1 / 3, 1e-300], "name": "Ü", "none": None}
    write_state(State(tensors, told), tmp_path / "x.safetensors")
    found = read_state(tmp_path / "x.safetensors")
    assert found.told == told
    for name, value in tensors.items():
        assert torch.equal(found.tensors[name], value)
        assert found.tensors[name].dtype == value.dtype
        assert found.tensors[name].stride() == value.stride(), name


def test_results_are_computed_once_and_found_by_the_next_process(folder):
    keeper, calls = StateKeeper(folder), []

    def compute(slot):
        calls.append(1)
        return State({"rows": torch.arange(3)}, {"accuracy": 0.1 + 0.2})

    for _ in range(2):
        assert keeper.recall(("train", 1), compute).told == {"accuracy": 0.1 + 0.2}
    keeper.recall(("train", 2), compute)
    keeper.flush()
    other = StateKeeper(folder)
    found = other.recall(("train", 1), compute)
    assert (found.told["accuracy"], found.tensors["rows"].tolist()) == (0.1 + 0.2, [0, 1, 2])
    assert len(calls) == 2
    other.recall(("train", 3), compute)
    other.flush()
    assert StateKeeper(folder).recall(("train", 3), compute).told == {"accuracy": 0.1 + 0.2}
    assert len(calls) == 3


def test_a_result_is_as_it_was_when_it_was_given_whatever_becomes_of_its_tensors(folder):
    keeper, network = StateKeeper(folder), torch.zeros(3)
    keeper.recall(("network",), lambda slot: State({"weights": network}))
    network += 1
    keeper.flush()
    found = StateKeeper(folder).recall(("network",), lambda slot: State())
    assert found.tensors["weights"].tolist() == [0.0, 0.0, 0.0]


def test_where_a_training_stood_is_kept_until_its_result_is(folder, monkeypatch):
    monkeypatch.setattr(states, "SECONDS", 0.0)
    keeper = StateKeeper(folder)
    monkeypatch.setattr(states, "SECONDS", 60.0)  # results wait

    def train(slot):
        slot.keep(State(told={"step": 3}))
        return State(told={"accuracy": 1.0})

    keeper.recall(("training",), train)
    (standing,) = folder.glob("states/training-*")
    assert read_state(standing).told == {"step": 3}
    keeper.flush()
    assert list(folder.glob("states/training-*")) == []


def test_choices_of_the_clock_are_made_once(folder):
    assert StateKeeper(folder).decide("rows", lambda: (300, 0.1 + 0.2)) == [300, 0.1 + 0.2]
    assert StateKeeper(folder).decide("rows", lambda: 1 / 0) == [300, 0.1 + 0.2]
    assert StateKeeper(folder).decide("none", lambda: None) is None
    assert StateKeeper(folder).decide("none", lambda: 1 / 0) is None


def test_the_time_of_processes_that_were_ended_is_known(folder):
    first = StateKeeper(folder)
    assert (first.elapsed, first.n_resumed) == (0.0, 0)
    first.decide("something", lambda: 1)
    later = time.time() + 30
    os.utime(folder / "states/decisions.safetensors", (later, later))  # its last sign of life
    second = StateKeeper(folder)
    assert 29 < second.elapsed < 32
    assert second.n_resumed == 1
    assert second.spent() > time.process_time()


def test_states_are_spaced_by_seconds_and_by_what_they_cost():
    now = time.monotonic()
    assert not Spacing(now - states.SECONDS + 1).is_due
    assert Spacing(now - states.SECONDS - 1).is_due
    dear = 2 * states.SECONDS * states.SHARE  # takes its share of twice as long
    assert not Spacing(now - 1.5 * states.SECONDS, dear).is_due
    assert Spacing(now - 2.5 * states.SECONDS, dear).is_due


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\x10" + bytes(30)])
def test_a_state_that_is_broken_is_one_line(folder, content):
    (folder / "states/results-00000.safetensors").write_bytes(content)
    with pytest.raises(RunFolderError, match="'results-00000.safetensors' of its states cannot be read"):
        StateKeeper(folder)


def test_a_whole_run_keeps_no_states(folder):
    keeper = StateKeeper(folder)
    keeper.recall(("x",), lambda slot: State())
    keeper.flush()
    keeper.discard()
    assert list(folder.iterdir()) == []
