"""The run folder as a store: what is saved by key is loaded by key, whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from splitgen import SavedTasks, Split
from splitgen.errors import SplitFileError
from splitgen.store.store import KINDS, Store


@pytest.fixture
def split() -> Split:
    labels, zeros = np.arange(20) % 2, np.zeros(20, np.float32)
    metadata = {"dataset": {"source": "made", "fingerprint": "sha256:1", "class_names": ["a", "b"]}}
    return Split(tuple(map(str, range(20))), labels, labels, np.array(["train", "test"] * 10), zeros, zeros, metadata)


def test_every_kind_comes_back_as_it_was_kept(split, tmp_path):
    store = Store(tmp_path)
    weights = {"w": torch.arange(3.0)}
    tasks = SavedTasks(np.eye(4, 2, dtype=np.float32), {"meta_steps": 3})
    states = {"split": split, "tasks": tasks, "encoder": weights, "record": {"a": 1}, "report": "<p>"}
    assert set(states) == set(KINDS)
    for key, state in states.items():
        assert not store.has(key)
        store.save(key, state)
        assert store.has(key)
    assert np.array_equal(store.load("split").parts, split.parts)
    assert np.array_equal(store.load("tasks").margins, tasks.margins)
    assert torch.equal(store.load("encoder")["w"], weights["w"])
    assert (store.load("record"), store.load("report")) == ({"a": 1}, "<p>")


def test_several_of_a_kind_have_a_name_each(split, tmp_path):
    store = Store(tmp_path)
    store.save("split/random", split)
    store.save("split/discovered", split)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["discovered.parquet", "random.parquet"]
    assert not store.has("split")


def test_a_state_that_cannot_be_saved_leaves_the_earlier_one(tmp_path):
    store = Store(tmp_path)
    store.save("record", {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.save("record", {"a": float("nan")})
    assert store.load("record") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_store_without_a_folder_keeps_nothing(split):
    store = Store(None)
    store.save("split", split)
    assert not store.has("split")
    with pytest.raises(ValueError, match="keeps nothing"):
        store.load("split")


def test_what_is_not_there_or_unknown_is_an_error(tmp_path):
    with pytest.raises(SplitFileError, match="cannot be read"):
        Store(tmp_path).load("split")
    with pytest.raises(KeyError):
        Store(tmp_path).load("nothing")
