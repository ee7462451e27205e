"""Refinement: move a discovered task towards the split on which the target model fails.

The same inner loop as in discovery, with the target in it. One meta-step trains a network of the target
architecture for T steps on the *target* of softly weighted train rows, and moves the encoder down the
gradient, through these steps, of

    L = F + b * class imbalance + g * boundary crowding,

where F is the cross-entropy between the side of the network's outputs and the soft labels of the task,
over held-out rows of train and test. It is low when a model that learned the target on the train rows
predicts the task instead: on the test rows, where the two are opposed, that is the failure. Rows that
would be reserve weigh nothing in either.

A network lives for a few meta-steps, so that it meets the task after T, 2 T, 3 T, ... steps: what fails a
network in its first steps alone does not fail the target model.

It starts from a discovered task, or from an untrained encoder: then it is task discovery that knows the
target from its first step.

Nothing rewards hard or mislabelled rows: F asks for the outputs of the other side, and the halves of
every class stay equal.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import vector_to_parameters

from splitgen.models.bench import Bench
from splitgen.random import seed_global, stream_generator, stream_seed
from splitgen.settings.faults import check
from splitgen.settings.presets import settled
from splitgen.settings.stages import DiscoveryConfig, RefinementConfig, SelectionConfig
from splitgen.tasks.discovery import choose_loop, find_deadline
from splitgen.tasks.encoder import TaskEncoder, build_encoder, load_encoder, score_margins
from splitgen.tasks.inner_loop import MetaGradient
from splitgen.tasks.meta import LoopSettings, MetaRows, MetaTask, Penalties, View, init_task, run_steps
from splitgen.tasks.objectives import side_log_probs, soft_cross_entropy, soft_task_labels

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


@dataclass(frozen=True)
class RefinedTask:
    """A task after refinement.

    margins: float32 [N], the task margin of every datapoint.
    history: one `RefinementStep` a meta-step.
    """

    margins: np.ndarray
    history: tuple[RefinementStep, ...]

    @property
    def meta_steps(self) -> int:
        return len(self.history)


@dataclass(frozen=True)
class Start:
    """Where a refinement starts: task 0..K-1 of the discovered, or None for an untrained encoder.

    class_sides: [C] of -1 and +1. draw: which of several untrained encoders.
    """

    task: int | None
    class_sides: np.ndarray
    draw: int = 0


@dataclass(frozen=True)
class SidedTarget:
    """The target, and on which side its values lie.

    values: int64 [N]. row_sides: [N] of -1 and +1, of each row's class.
    output_sides: [n_outputs] of -1 and +1, of each value of the target.
    """

    values: torch.Tensor
    row_sides: torch.Tensor
    output_sides: torch.Tensor


@dataclass(frozen=True)
class RefinementProblem:
    """What all refinements of a bench share: settings of the stages, filled in for its images.

    config: of discovery; loop: with refinement's own T, B and pool. selection: for the sizes of train and test.
    """

    bench: Bench
    config: DiscoveryConfig
    refinement: RefinementConfig
    selection: SelectionConfig

    @property
    def loop(self) -> LoopSettings:
        stage = self.refinement
        return choose_loop(self.config, stage.batch_size, stage.inner_steps, settled(stage.pool_size))


@dataclass(frozen=True)
class Judged:
    """What F needs of the held-out rows. task_labels: [B', 2]. shares: how far each row is in train or test, [B'], 1 on
    average, without a gradient."""

    task_labels: torch.Tensor
    shares: torch.Tensor


class FailureObjective:
    """F: the cross-entropy between the side of a target model's outputs and the task, over held-out rows.

    The inner labels are the target's, one-hot times the row's weight in train: a cross-entropy with such labels is the
    weighted one. Its graph over pool and held-out rows is made after the training, when its turn comes.
    """

    sees_twice = True

    def __init__(self, problem: RefinementProblem, class_sides: np.ndarray) -> None:
        self.problem, bench = problem, problem.bench
        self.bench = bench
        self.sided = assign_sides(bench.targets, bench.labels, torch.from_numpy(class_sides).to(bench.device))

    @property
    def turn(self) -> AbstractContextManager[bool]:
        return ENCODER_TURN

    def look(self, task: MetaTask, rows: MetaRows) -> View:
        seen, in_pool = torch.cat([rows.pool, rows.held_out]), len(rows.pool)
        labels = self.bench.labels[seen]
        margins = task.encoder.margins(task.encoder(self.bench.batch(seen), labels))
        train, test = weigh_rows(margins[:, 0] * self.sided.row_sides[seen], self.problem)
        targets = F.one_hot(self.sided.values[rows.pool], len(self.sided.output_sides)).to(margins.dtype)
        judged = Judged(
            soft_task_labels(margins[in_pool:, 0], self.problem.config.temperature),
            normalize_weights((train + test)[in_pool:].detach()),
        )
        # One task needs no spreading from others: margins as embeddings, of one dimension, leave U out.
        return View(margins, margins, labels, train[:in_pool, None] * targets, judged)

    def networks(self, task: MetaTask) -> list[nn.Module]:
        """One that lives for a few meta-steps, so that it meets the task after T, 2 T, 3 T, ... steps."""
        step = len(task.history)
        if not task.networks or step % settled(self.problem.refinement.lifetime) == 0:
            seed = stream_seed(self.bench.seed, "refine", step)
            task.networks = [self.bench.build(len(self.sided.output_sides), seed)]
        return task.networks

    def keep(self, task: MetaTask, meta: MetaGradient) -> None:
        """The network goes on from where its training ended."""
        vector_to_parameters(meta.trained[0], task.networks[0].parameters())

    def value(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        judged: Judged = view.judged
        log_probs = side_log_probs(logits[0], self.sided.output_sides)
        return soft_cross_entropy(log_probs, judged.task_labels * judged.shares[:, None])

    def direct(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        """F depends on the task's labels of the held-out rows, too."""
        return self.value(logits, view)

    def record(self, task: MetaTask, meta: MetaGradient, penalties: Penalties, seconds: float) -> RefinementStep:
        imbalance, crowding = float(penalties.imbalance.detach()), float(penalties.crowding.detach())
        return RefinementStep(len(task.history) + 1, meta.value, imbalance, crowding)


def refine_tasks(
    bench: Bench,
    starts: Sequence[Start],
    encoder_state: Mapping[str, torch.Tensor],
    config: DiscoveryConfig | None = None,
    refinement: RefinementConfig | None = None,
    selection: SelectionConfig | None = None,
    *,
    budget_seconds: float | None = None,
    on_step: Callable[[list[Any]], None] | None = None,
) -> list[RefinedTask]:
    """Refine tasks for the bench's target, side by side and by as many meta-steps each.

    encoder_state: of the discovered tasks, made with the same `config`.
    selection: for the sizes of train, test and reserve.
    budget_seconds: stop after this time if `refinement.meta_steps` have not been done by then.
    on_step: called after each meta-step with what it measured of each start.
    Raises `SettingError` for settings out of range, `ModelError` for a model that cannot be built.
    """
    meta_steps = (refinement or RefinementConfig()).for_images(bench.dataset.image_size).meta_steps
    problem = pose_refinement(bench, config, refinement, selection)
    tasks = [start_refinement(problem, start, encoder_state) for start in starts]
    run_steps(bench, problem.loop, tasks, meta_steps, find_deadline(budget_seconds), on_step)
    return [snapshot_refinement(problem, task) for task in tasks]


def pose_refinement(
    bench: Bench,
    config: DiscoveryConfig | None = None,
    refinement: RefinementConfig | None = None,
    selection: SelectionConfig | None = None,
) -> RefinementProblem:
    """The problem that refinements of a bench share; arguments and errors as of `refine_tasks`."""
    config, refinement = config or DiscoveryConfig(), refinement or RefinementConfig()
    selection = selection or SelectionConfig()
    for stage in (config, refinement, selection):
        check(stage)
    size = bench.dataset.image_size
    return RefinementProblem(bench, config.for_images(size), refinement.for_images(size), selection)


def start_refinement(problem: RefinementProblem, start: Start, encoder_state: Mapping[str, torch.Tensor]) -> MetaTask:
    """A task before its first meta-step."""
    encoder, seed = find_encoder(problem, start, encoder_state), problem.bench.seed
    objective = FailureObjective(problem, start.class_sides)
    return init_task(objective, encoder, problem.refinement.learning_rate, stream_generator(seed, "refinement"))


def find_encoder(problem: RefinementProblem, start: Start, encoder_state: Mapping[str, torch.Tensor]) -> TaskEncoder:
    """The encoder that a refinement starts from, with one task."""
    if start.task is not None:
        return load_encoder(problem.bench, problem.config, encoder_state).keep_task(start.task)
    with seed_global(stream_seed(problem.bench.seed, "refinement", "encoder", start.draw)):
        return build_encoder(problem.bench, replace(problem.config, dim=1, n_tasks=1))


def snapshot_refinement(problem: RefinementProblem, task: MetaTask) -> RefinedTask:
    """The task as it stands: margins of the averaged encoder. The refinement can go on."""
    encoder = copy.deepcopy(cast(TaskEncoder, task.average.module))
    margins = score_margins(encoder, problem.bench)[:, 0]
    return RefinedTask(margins.numpy().astype(np.float32), tuple(task.history))


def assign_sides(targets: torch.Tensor, labels: torch.Tensor, class_sides: torch.Tensor) -> SidedTarget:
    """Sides of rows and of the target's values. targets, labels [N], class_sides [C]."""
    row_sides = class_sides[labels]
    output_sides = torch.ones(int(targets.max()) + 1, dtype=row_sides.dtype, device=targets.device)
    output_sides[targets] = row_sides
    return SidedTarget(targets, row_sides, output_sides)


def weigh_rows(scores: torch.Tensor, problem: RefinementProblem) -> tuple[torch.Tensor, torch.Tensor]:
    """How far each row belongs to train and to test, [n] each, with means in proportion to the two sizes.

    scores: datapoint scores [n] of a random sample. A row is in train where its score lies above those
    of test and reserve, softly: sigmoid(2 temperature (score - threshold)), the threshold being the sample's
    quantile; in test, the same downwards. Train weighs 1 on average.
    """
    steepness = 2 * problem.config.temperature
    train_fraction = 1 - problem.selection.test_fraction - problem.selection.reserve_fraction
    lowest_train = scores.detach().quantile(1 - train_fraction)
    highest_test = scores.detach().quantile(problem.selection.test_fraction)
    train = torch.sigmoid(steepness * (scores - lowest_train))
    test = torch.sigmoid(steepness * (highest_test - scores))
    scale = train.detach().mean().clamp_min(1e-6)
    return train / scale, test / scale


def normalize_weights(weights: torch.Tensor) -> torch.Tensor:
    """The weights over their mean."""
    return weights / weights.mean().clamp_min(1e-6)
