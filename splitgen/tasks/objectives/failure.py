"""Failure: a model that learned the target on train predicts the task instead (docs/method.md, section 4).

The cross-entropy between the side of the model's outputs and the soft labels of the task, over held-out rows of train
and test. On the test rows, where target and task are opposed, a low value is the failure. Rows that would be reserve
weigh nothing. Nothing rewards hard or mislabelled rows: it asks for the outputs of the other side, and the halves of
every class stay equal.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from splitgen.random import stream_seed
from splitgen.settings.presets import settled
from splitgen.settings.stages import EQUALITY
from splitgen.tasks.inner_loop import MetaGradient
from splitgen.tasks.meta import MetaRows, MetaTask, Penalties, View
from splitgen.tasks.problem import MetaProblem
from splitgen.tasks.terms import side_log_probs, soft_cross_entropy

ENCODER_TURN = threading.Lock()  # the graph over a pool is the largest thing in memory: tasks take turns with it


@dataclass(frozen=True)
class RefinementStep:
    """What one meta-step measured, before the encoder moved.

    failure: F, in nats; lower is a stronger split.
    """

    step: int
    failure: float
    class_imbalance: float
    boundary_crowding: float


class FailureObjective:
    """F: the cross-entropy between the side of a target model's outputs and the task, over held-out rows.

    The inner labels are the target's, one-hot times the row's weight in train: a cross-entropy with such labels is the
    weighted one. Its graph over pool and held-out rows is made after the training, when its turn comes.

    row_sides: [N] of -1 and +1, of each row's class. output_sides: [n_outputs], of each value of the target.
    """

    sees_twice = True
    measured = RefinementStep

    def __init__(self, problem: MetaProblem, class_sides: np.ndarray | None) -> None:
        if class_sides is None:
            raise ValueError("a failure is one of class sides; give them")
        self.problem, self.bench = problem, problem.bench
        sides = torch.from_numpy(class_sides).to(self.bench.device)
        self.row_sides, self.output_sides = assign_sides(self.bench.targets, self.bench.labels, sides)

    @property
    def turn(self) -> AbstractContextManager[bool]:
        return ENCODER_TURN

    def look(self, task: MetaTask, rows: MetaRows) -> View:
        """Judged by the soft labels of the task over the held-out rows, times how far each is in train or test."""
        seen, in_pool = torch.cat([rows.pool, rows.held_out]), len(rows.pool)
        labels = self.bench.labels[seen]
        margins = task.encoder.margins(task.encoder(task.encoder.inputs(self.bench).take(seen), labels))
        train, test = weigh_rows(margins[:, 0] * self.row_sides[seen], self.problem)
        targets = F.one_hot(self.bench.targets[rows.pool], len(self.output_sides)).to(margins.dtype)
        shares = normalize_weights((train + test)[in_pool:].detach())
        task_labels = task.encoder.head.soften(margins[in_pool:, 0], self.problem.discovery.temperature)
        # One task needs no spreading from others: margins as embeddings, of one dimension, leave U out.
        return View(margins, margins, labels, train[:in_pool, None] * targets, task_labels * shares[:, None])

    def networks(self, task: MetaTask) -> list[nn.Module]:
        """One that lives for a few meta-steps, so that it meets the task after T, 2 T, 3 T, ... steps: what fails a
        network in its first steps alone does not fail the target model."""
        step = len(task.history)
        if not task.networks or step % settled(self.problem.refinement.lifetime) == 0:
            task.networks = self.build_networks(stream_seed(self.bench.seed, "refine", step))
        return task.networks

    def build_networks(self, seed: int = 0) -> list[nn.Module]:
        return [self.bench.build(len(self.output_sides), seed)]

    def keep(self, task: MetaTask, meta: MetaGradient) -> None:
        """The network goes on from where its training ended."""
        moving = (parameter for parameter in task.networks[0].parameters() if parameter.requires_grad)
        for parameter, trained in zip(moving, meta.trained[0], strict=True):
            parameter.data = trained

    def value(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        return soft_cross_entropy(side_log_probs(logits[0], self.output_sides), view.judged)

    def direct(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        """F depends on the task's labels of the held-out rows, too."""
        return self.value(logits, view)

    def record(self, task: MetaTask, meta: MetaGradient, penalties: Penalties, seconds: float) -> RefinementStep:
        imbalance, crowding = float(penalties.imbalance.detach()), float(penalties.crowding.detach())
        return RefinementStep(len(task.history) + 1, meta.value, imbalance, crowding)


def assign_sides(
    targets: torch.Tensor, labels: torch.Tensor, class_sides: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sides of the rows [N], and of the target's values [n_outputs]. targets, labels [N], class_sides [C]."""
    row_sides = class_sides[labels]
    output_sides = torch.ones(int(targets.max()) + 1, dtype=row_sides.dtype, device=targets.device)
    output_sides[targets] = row_sides
    return row_sides, output_sides


def weigh_rows(scores: torch.Tensor, problem: MetaProblem) -> tuple[torch.Tensor, torch.Tensor]:
    """How far each row belongs to train and to test, [n] each, with means in proportion to the two sizes.

    scores: datapoint scores [n] of a random sample. A row is in train where its score lies above those
    of test and reserve, softly: sigmoid(2 temperature (score - threshold)), the threshold being the sample's
    quantile, or 0 by the rule "equality"; in test, the same downwards. Train weighs 1 on average.
    """
    steepness, sizes = 2 * problem.discovery.temperature, problem.selection
    if sizes.rule == EQUALITY:
        lowest_train = highest_test = scores.new_zeros(())
    else:
        train_fraction = 1 - sizes.test_fraction - sizes.reserve_fraction
        lowest_train = scores.detach().quantile(1 - train_fraction)
        highest_test = scores.detach().quantile(sizes.test_fraction)
    train = torch.sigmoid(steepness * (scores - lowest_train))
    test = torch.sigmoid(steepness * (highest_test - scores))
    scale = train.detach().mean().clamp_min(1e-6)
    return train / scale, test / scale


def normalize_weights(weights: torch.Tensor) -> torch.Tensor:
    """The weights over their mean."""
    return weights / weights.mean().clamp_min(1e-6)
