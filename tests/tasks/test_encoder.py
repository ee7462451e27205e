"""What an encoder looks with, and what its tasks are, come from dicts that others can add to."""

from __future__ import annotations

import torch
from torch import nn

from splitgen.tasks.encoder import TaskEncoder
from splitgen.tasks.heads import HEADS, Head, orthonormal_directions
from splitgen.tasks.trunks import TRUNKS


def encoder(**names):
    return TaskEncoder(1, 8, dim=3, n_tasks=2, width=4, centring="none", n_classes=10, **names)


def test_a_trunk_from_outside_is_one_entry(monkeypatch, digits):
    monkeypatch.setitem(TRUNKS, "flat", lambda channels, size, width: nn.Sequential(nn.Flatten(), nn.Linear(64, 16)))
    built = encoder(trunk="flat")
    embeddings = built(digits.images.take(range(32)), torch.from_numpy(digits.labels[:32]))
    assert embeddings.shape == (32, 3)
    assert not any(isinstance(module, nn.Conv2d) for module in built.modules())
    torch.testing.assert_close(embeddings.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)


def test_a_head_from_outside_reads_its_own_margins(monkeypatch):
    doubled = Head(3, orthonormal_directions, lambda h, a: 2 * h @ a.T, lambda m, t: torch.stack([m, m, -m], dim=-1))
    monkeypatch.setitem(HEADS, "doubled", lambda n_values: doubled)
    torch.manual_seed(0)
    ours = encoder(head="doubled")
    torch.manual_seed(0)
    binary = encoder()
    embeddings = torch.randn(5, 3)
    torch.testing.assert_close(ours.margins(embeddings), 2 * binary.margins(embeddings))
    assert (ours.head.n_outputs, binary.head.n_outputs) == (3, 2)
