"""What every way to find tasks gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


def count_values(margins: np.ndarray) -> int:
    """V, the values that each of the tasks has. margins: [N, K] of two values, or [N, K, V]."""
    return 2 if margins.ndim == 2 else int(margins.shape[2])


@dataclass(frozen=True)
class FoundTasks:
    """Tasks by their margins.

    way: the name of what found them. margins: float [N, K], the task margin of every datapoint for every task; of tasks
        of more than two values [N, K, V], that of every value.
    history: what each meta-step measured; empty for a way without any. stopped_by: "meta-steps" or "budget".
    encoder_state: the task encoder's weights by name; None for a way without one.
    """

    way: str
    margins: np.ndarray
    history: tuple[Any, ...] = ()
    stopped_by: str = "meta-steps"
    encoder_state: Mapping[str, torch.Tensor] | None = None

    @property
    def n_tasks(self) -> int:
        return int(self.margins.shape[1])

    @property
    def meta_steps(self) -> int:
        """Meta-steps done; with the same seed and settings, that many give the same tasks again."""
        return len(self.history)
