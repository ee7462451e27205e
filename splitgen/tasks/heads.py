"""What a task is: how it is read off an embedding, and what networks are trained on for it; by name.

Axes: N points, K tasks, V values of a task, d embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from splitgen.tasks.terms import fan_margins, soft_fan_labels, soft_task_labels, task_margins

BINARY, FAN = "binary", "fan"


@dataclass(frozen=True)
class Head:
    """A kind of task.

    n_outputs: V. draw_directions: (K, d) to directions, from the current random state.
    read_margins: embeddings [N, d] and directions to margins [N, K], or [N, K, V] where a value has one of its own.
    soften: margins of one task, [N] or [N, V], and a temperature to soft labels [N, V].
    """

    n_outputs: int
    draw_directions: Callable[[int, int], torch.Tensor]
    read_margins: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    soften: Callable[[torch.Tensor, float], torch.Tensor]


def orthonormal_directions(n_tasks: int, dim: int) -> torch.Tensor:
    """K orthonormal vectors in R^d, [K, d], from the current random state; one task has the unit vector."""
    if dim == 1:
        return torch.ones(1, 1)
    basis: torch.Tensor = torch.linalg.qr(torch.randn(dim, dim)).Q
    return basis[:, :n_tasks].T.contiguous()


def fan_directions(n_values: int, n_tasks: int, dim: int) -> torch.Tensor:
    """V unit vectors at equal angles in a plane of each task, [K, V, d], from the current random state; the planes are
    orthogonal, so that d is 2 K or more."""
    planes = orthonormal_directions(2 * n_tasks, dim).view(n_tasks, 2, dim)
    angles = torch.arange(n_values) * (2 * torch.pi / n_values)
    return torch.stack([angles.cos(), angles.sin()], dim=1) @ planes


def binary_head(n_values: int = 2) -> Head:
    """A task of two values: the side of one direction."""
    if n_values != 2:
        raise ValueError(f"a binary task has 2 values, not {n_values}")
    return Head(2, orthonormal_directions, task_margins, soft_task_labels)


def fan_head(n_values: int) -> Head:
    """A task of V values: the nearest of V directions at equal angles (the paper's tasks of more than two classes)."""
    return Head(n_values, partial(fan_directions, n_values), fan_margins, soft_fan_labels)


# Called with V.
HEADS: dict[str, Callable[[int], Head]] = {BINARY: binary_head, FAN: fan_head}
