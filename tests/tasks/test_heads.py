"""Tasks of more than two values: directions at equal angles, what networks are trained on, and its derivative."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from splitgen.tasks.agreement import read_task_labels
from splitgen.tasks.heads import HEADS, binary_head, fan_head


@pytest.mark.parametrize("n_values", [2, 3, 4, 7])
def test_the_directions_of_a_fan_are_unit_vectors_at_equal_angles_in_orthogonal_planes(n_values):
    torch.manual_seed(0)
    directions = fan_head(n_values).draw_directions(2, 5)
    assert directions.shape == (2, n_values, 5)
    angles = 2 * math.pi / n_values * (torch.arange(n_values)[:, None] - torch.arange(n_values))
    for fan in directions:
        torch.testing.assert_close(fan @ fan.T, angles.cos(), atol=1e-5, rtol=0)
        assert int((torch.linalg.svdvals(fan) > 1e-4).sum()) == min(2, n_values - 1)
    assert (directions[0] @ directions[1].T).abs().max() < 1e-5
    assert not torch.allclose(fan_head(n_values).draw_directions(2, 5), directions)


def test_the_margins_of_a_fan_are_those_of_a_loop_and_its_labels_the_nearest_direction():
    torch.manual_seed(1)
    head, embeddings = fan_head(3), torch.randn(50, 4)
    directions = head.draw_directions(2, 4)
    margins = head.read_margins(embeddings, directions)
    assert margins.shape == (50, 2, 3)
    for k in range(2):
        for v in range(3):
            torch.testing.assert_close(margins[:, k, v], embeddings @ directions[k, v])
        nearest = torch.cdist(embeddings, directions[k]).argmin(dim=1)
        assert np.array_equal(read_task_labels(margins[:, k].numpy()), nearest.numpy())
    assert set(read_task_labels(margins[:, 0].numpy())) == {0, 1, 2}


def test_a_fan_of_two_values_is_a_binary_task():
    torch.manual_seed(2)
    embeddings = torch.randn(50, 2)
    fan = fan_head(2).draw_directions(1, 2)
    margins = fan_head(2).read_margins(embeddings, fan)
    own = binary_head().read_margins(embeddings, fan[:, 1])
    torch.testing.assert_close(fan_head(2).soften(margins[:, 0], 5.0), binary_head().soften(own[:, 0], 5.0))
    assert np.array_equal(read_task_labels(margins[:, 0].numpy()), read_task_labels(own[:, 0].numpy()))


@pytest.mark.parametrize("n_values", [3, 4])
def test_what_the_soft_labels_pass_on_to_the_margins_is_the_formula_of_the_method(n_values):
    """dD/dm_v = temperature * p_v (dD/dp_v - sum_u p_u dD/dp_u)."""
    generator = torch.Generator().manual_seed(3)
    margins, label_grad = torch.randn(2, 20, n_values, generator=generator, dtype=torch.float64)
    margins.requires_grad_()
    probs = fan_head(n_values).soften(margins, 5.0)
    torch.testing.assert_close(probs.sum(dim=1), torch.ones(20, dtype=torch.float64))
    (found,) = torch.autograd.grad((probs * label_grad).sum(), margins)
    expected = 5.0 * probs * (label_grad - (probs * label_grad).sum(dim=1, keepdim=True))
    torch.testing.assert_close(found, expected.detach())


def test_a_binary_head_has_two_values_alone():
    assert [HEADS[name](2).n_outputs for name in ("binary", "fan")] == [2, 2]
    with pytest.raises(ValueError, match="a binary task has 2 values, not 3"):
        HEADS["binary"](3)
