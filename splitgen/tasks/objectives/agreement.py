"""Agreement: two networks of the target architecture say the same (docs/method.md, section 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from splitgen.random import stream_seed
from splitgen.tasks.columns import read_avoided
from splitgen.tasks.inner_loop import MetaGradient
from splitgen.tasks.meta import MetaRows, MetaTask, Penalties, View
from splitgen.tasks.problem import MetaProblem
from splitgen.tasks.terms import correlation_with, divergence, prediction_agreement


@dataclass(frozen=True)
class MetaStep:
    """What one meta-step of discovery measured, before the encoder moved."""

    step: int
    divergence: float
    agreement: float
    uniformity: float
    class_imbalance: float
    boundary_crowding: float
    elapsed_seconds: float


class AgreementObjective:
    """D: the divergence of two networks with different initialisations, trained on the same task on the same batches.

    The tasks of an encoder take turns, one a meta-step. All of them are kept away from the labellings to avoid.
    """

    sees_twice = False
    measured = MetaStep

    def __init__(self, problem: MetaProblem, class_sides: np.ndarray | None = None) -> None:
        del class_sides  # a task on which networks agree is for no split
        config = problem.discovery
        self.bench, self.temperature, self.avoid_weight = problem.bench, config.temperature, config.uniformity_weight
        self.avoided: torch.Tensor | None = None
        if config.avoid_columns is not None:
            self.avoided = torch.from_numpy(read_avoided(self.bench.dataset, config.avoid_columns))
            self.avoided = self.avoided.to(self.bench.device)

    @property
    def turn(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def look(self, task: MetaTask, rows: MetaRows) -> View:
        labels = self.bench.labels[rows.pool]
        embeddings = task.encoder(task.encoder.inputs(self.bench).take(rows.pool), labels)
        margins = task.encoder.margins(embeddings)
        in_turn = margins[:, len(task.history) % margins.shape[1]]
        avoided = None if self.avoided is None else self.avoided[rows.pool]
        return View(embeddings, margins, labels, task.encoder.head.soften(in_turn, self.temperature), avoided)

    def networks(self, task: MetaTask) -> list[nn.Module]:
        seeds = (stream_seed(self.bench.seed, "inner", len(task.history), which) for which in range(2))
        return [self.bench.build(task.encoder.head.n_outputs, seed) for seed in seeds]

    def keep(self, task: MetaTask, meta: MetaGradient) -> None:
        """Nothing: every meta-step has networks of its own."""

    def build_networks(self) -> list[nn.Module]:
        return []

    def value(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        return divergence(*logits)

    def direct(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor | float:
        """Nothing of D, but what the tasks have in common with the labellings to avoid."""
        return 0.0 if view.judged is None else self.avoid_weight * correlation_with(view.margins, view.judged)

    def record(self, task: MetaTask, meta: MetaGradient, penalties: Penalties, seconds: float) -> MetaStep:
        return MetaStep(
            len(task.history) + 1,
            meta.value,
            prediction_agreement(*(logits.argmax(dim=1) for logits in meta.logits)),
            float(penalties.spread.detach()),
            float(penalties.imbalance.detach()),
            float(penalties.crowding.detach()),
            seconds,
        )
