"""Named streams are independent of each other, and the global generator is put back."""

from __future__ import annotations

import torch
from torch import nn

from splitgen.random import draws_random_numbers, seed_global, stream_generator, stream_seed


def test_a_stream_is_fixed_by_seed_and_name():
    assert stream_seed(0, "verify", 2) == stream_seed(0, "verify", 2)
    assert len({stream_seed(seed, name, 1) for seed in (0, 1) for name in ("verify", "search")}) == 4
    assert torch.equal(
        torch.rand(3, generator=stream_generator(5, "a")), torch.rand(3, generator=stream_generator(5, "a"))
    )


def test_the_global_generator_is_seeded_inside_and_put_back_after():
    before = torch.get_rng_state()
    with seed_global(7):
        first = torch.rand(2)
    with seed_global(7):
        assert torch.equal(first, torch.rand(2))
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_draws_random_numbers_in_training_alone():
    network, images = nn.Sequential(nn.Flatten(), nn.Dropout(0.5)), torch.ones(2, 1, 4, 4)
    assert draws_random_numbers(network.train(), images)
    assert not draws_random_numbers(network.eval(), images)
    assert not draws_random_numbers(nn.Flatten(), images)
