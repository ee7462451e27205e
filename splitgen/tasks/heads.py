"""What a task is: how it is read off an embedding, and what networks are trained on for it; by name.

Axes: N points, K tasks, d embedding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from splitgen.tasks.terms import soft_task_labels, task_margins


@dataclass(frozen=True)
class Head:
    """A kind of task.

    n_outputs: values that a task has. draw_directions: (K, d) to directions, from the current random state.
    read_margins: embeddings [N, d] and directions to margins [N, K]. soften: margins [N] of one task and a temperature
    to soft labels [N, n_outputs].
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


HEADS: dict[str, Head] = {"binary": Head(2, orthonormal_directions, task_margins, soft_task_labels)}
