"""What tells one piece of work from another."""

from __future__ import annotations

import numpy as np
import torch

from splitgen import TrainingConfig
from splitgen.keeping import Keeper, State, digest_parts


def test_the_digest_is_of_values_types_shapes_and_places():
    rows = torch.tensor([1, 2, 3])
    same = digest_parts("a", rows, TrainingConfig(epochs=2), None, ("x", 1))
    assert same == digest_parts("a", rows.clone(), TrainingConfig(epochs=2), None, ("x", 1))
    others = [
        ("b", rows, TrainingConfig(epochs=2), None, ("x", 1)),
        ("a", rows.int(), TrainingConfig(epochs=2), None, ("x", 1)),
        ("a", rows[:, None], TrainingConfig(epochs=2), None, ("x", 1)),
        ("a", rows.flip(0), TrainingConfig(epochs=2), None, ("x", 1)),
        ("a", rows, TrainingConfig(epochs=3), None, ("x", 1)),
        ("a", rows, TrainingConfig(epochs=2), "None", ("x", 1)),
        ("a", rows, TrainingConfig(epochs=2), None, ("x",), 1),
        ("a", rows, TrainingConfig(epochs=2), None, ("x", "1")),
    ]
    digests = {digest_parts(*parts) for parts in others}
    assert same not in digests
    assert len(digests) == len(others)


def test_arrays_and_tensors_of_the_same_values_are_the_same_however_they_lie():
    values = np.arange(6).reshape(2, 3)
    assert digest_parts(torch.from_numpy(values)) == digest_parts(values) == digest_parts(np.asfortranarray(values))


def test_a_keeper_that_keeps_nothing_computes_each_time():
    calls = []
    for _ in range(2):
        Keeper().recall(("key",), lambda slot: calls.append(slot.load()) or State())
        assert Keeper().decide("name", lambda: (1, 2)) == (1, 2)
    assert calls == [None, None]
