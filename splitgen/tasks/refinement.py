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
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import vector_to_parameters
from torch.optim.swa_utils import AveragedModel

from splitgen.config import DiscoveryConfig, RefinementConfig, SelectionConfig, check, settled
from splitgen.data.dataset import ImageDataset
from splitgen.models.registry import ModelFactory, build_network
from splitgen.parallel import map_threads
from splitgen.random import seed_global, stream_generator, stream_seed
from splitgen.tasks.discovery import Problem, channels_last, draw_rows
from splitgen.tasks.encoder import TaskEncoder, average_weights, build_encoder, load_encoder, score_margins
from splitgen.tasks.inner_loop import InnerData, MetaGradient, meta_gradient
from splitgen.tasks.objectives import (
    boundary_crowding,
    class_imbalance,
    side_log_probs,
    soft_cross_entropy,
    soft_task_labels,
)

ENCODER_TURN = threading.Lock()


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
    """What all refinements of a target share.

    inner: as for discovery, with the batches, steps and pool of refinement.
    targets: int64 [N]. test_fraction, train_fraction: of all rows, the rest being reserve.
    lifetime: meta-steps for which one network is trained on.
    """

    inner: Problem
    targets: torch.Tensor
    test_fraction: float
    train_fraction: float
    learning_rate: float
    lifetime: int


@dataclass
class Refinement:
    """One task on its way: what changes in place from one meta-step to the next, and what was measured.

    network: the one in training, which the next meta-step goes on with.
    """

    sided: SidedTarget
    encoder: TaskEncoder
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    history: list[RefinementStep]
    network: nn.Module | None = None


def refine_tasks(
    dataset: ImageDataset,
    model: ModelFactory,
    encoder_state: Mapping[str, torch.Tensor],
    starts: Sequence[Start],
    targets: np.ndarray,
    config: DiscoveryConfig | None = None,
    refinement: RefinementConfig | None = None,
    selection: SelectionConfig | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    budget_seconds: float | None = None,
    on_step: Callable[[list[RefinementStep]], None] | None = None,
) -> list[RefinedTask]:
    """Refine tasks for one target, side by side and by as many meta-steps each.

    encoder_state: of `DiscoveredTasks`, made with the same `config`.
    targets: int [N], what the target model is trained on, a function of the label.
    selection: for the sizes of train, test and reserve.
    budget_seconds: stop after this time if `refinement.meta_steps` have not been done by then.
    on_step: called after each meta-step with what it measured of each start.
    Raises `SettingError` for settings out of range, `ModelError` for a model that cannot be built.
    """
    refinement = (refinement or RefinementConfig()).for_images(dataset.image_size)
    problem = pose_refinement(dataset, model, targets, config, refinement, selection, seed=seed, device=device)
    tasks = [start_refinement(problem, start, encoder_state) for start in starts]
    deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
    advance_refinements(problem, tasks, refinement.meta_steps, deadline, on_step)
    return [snapshot_refinement(problem, task) for task in tasks]


def pose_refinement(
    dataset: ImageDataset,
    model: ModelFactory,
    targets: np.ndarray,
    config: DiscoveryConfig | None = None,
    refinement: RefinementConfig | None = None,
    selection: SelectionConfig | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    images: torch.Tensor | None = None,
) -> RefinementProblem:
    """The problem that refinements of a target share; arguments and errors as of `refine_tasks`.

    images: the dataset's, normalised and on the device, where the caller has them already.
    """
    config, refinement = config or DiscoveryConfig(), refinement or RefinementConfig()
    selection = selection or SelectionConfig()
    for stage in (config, refinement, selection):
        check(stage)
    refinement = refinement.for_images(dataset.image_size)
    config = replace(
        config.for_images(dataset.image_size),
        batch_size=refinement.batch_size,
        inner_steps=refinement.inner_steps,
        pool_size=settled(refinement.pool_size),
    )
    labels = torch.from_numpy(dataset.labels).to(device)
    images = dataset.normalized_images(device) if images is None else images
    inner = Problem(images, labels, dataset.n_classes, model, config, seed)
    return RefinementProblem(
        inner,
        torch.from_numpy(targets).to(device),
        selection.test_fraction,
        1 - selection.test_fraction - selection.reserve_fraction,
        refinement.learning_rate,
        settled(refinement.lifetime),
    )


def start_refinement(problem: RefinementProblem, start: Start, encoder_state: Mapping[str, torch.Tensor]) -> Refinement:
    """A task before its first meta-step."""
    inner = problem.inner
    encoder = find_encoder(inner, start, encoder_state)
    sides = torch.from_numpy(start.class_sides).to(inner.labels.device)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=problem.learning_rate)
    generator = stream_generator(inner.seed, "refinement")
    sided = assign_sides(problem.targets, inner.labels, sides)
    return Refinement(sided, encoder, average_weights(encoder), optimizer, generator, [])


def find_encoder(problem: Problem, start: Start, encoder_state: Mapping[str, torch.Tensor]) -> TaskEncoder:
    """The encoder that a refinement starts from, with one task."""
    if start.task is not None:
        return load_encoder(problem.images, problem.n_classes, problem.config, encoder_state).keep_task(start.task)
    with seed_global(stream_seed(problem.seed, "refinement", "encoder", start.draw)):
        return build_encoder(problem.images, problem.n_classes, replace(problem.config, dim=1, n_tasks=1))


def advance_refinements(
    problem: RefinementProblem,
    tasks: Sequence[Refinement],
    meta_steps: int | None,
    deadline: float | None = None,
    on_step: Callable[[list[RefinementStep]], None] | None = None,
) -> None:
    """Take the tasks on, side by side, until they have done so many meta-steps or `time.monotonic()` is past the
    deadline; at least one meta-step."""
    while meta_steps is None or len(tasks[0].history) < meta_steps:
        steps = list(map_threads(partial(refine_step, problem), tasks))
        if on_step is not None:
            on_step(steps)
        if deadline is not None and time.monotonic() >= deadline:
            return


def snapshot_refinement(problem: RefinementProblem, task: Refinement) -> RefinedTask:
    """The task as it stands: margins of the averaged encoder. The refinement can go on."""
    encoder = copy.deepcopy(cast(TaskEncoder, task.average.module))
    margins = score_margins(encoder, problem.inner.images, problem.inner.labels)[:, 0]
    return RefinedTask(margins.numpy().astype(np.float32), tuple(task.history))


def assign_sides(targets: torch.Tensor, labels: torch.Tensor, class_sides: torch.Tensor) -> SidedTarget:
    """Sides of rows and of the target's values. targets, labels [N], class_sides [C]."""
    row_sides = class_sides[labels]
    output_sides = torch.ones(int(targets.max()) + 1, dtype=row_sides.dtype, device=targets.device)
    output_sides[targets] = row_sides
    return SidedTarget(targets, row_sides, output_sides)


@dataclass(frozen=True)
class SoftSplit:
    """Where the encoder puts the rows of a meta-step: pool [M], then held-out rows [B'].

    margins: [M + B', 1]. weighted: targets of the pool, one-hot times the row's weight in train, [M, n_outputs]: a
    cross-entropy with such labels is the weighted one. task_labels: of the held-out rows, [B', 2].
    shares: how far each held-out row is in train or test, [B'], 1 on average, without a gradient.
    """

    margins: torch.Tensor
    weighted: torch.Tensor
    task_labels: torch.Tensor
    shares: torch.Tensor


def refine_step(problem: RefinementProblem, task: Refinement) -> RefinementStep:
    """One meta-step of one task, which is changed in place.

    The encoder's pass is made twice, without and with a graph, and tasks take turns with the second: the
    graph over a pool is the largest thing in memory.
    """
    inner = problem.inner
    pool, batches, held_out = draw_rows(inner, task.generator)
    with torch.no_grad():
        before = split_softly(problem, task, pool, held_out)
    meta = train_on_target(problem, task, before, pool, batches, held_out)
    with ENCODER_TURN:
        soft = split_softly(problem, task, pool, held_out)
        imbalance = class_imbalance(soft.margins, inner.labels[torch.cat([pool, held_out])], inner.n_classes)
        crowding = boundary_crowding(soft.margins, inner.config.crowding_width)
        # The first term's value means nothing; its gradient for the encoder is that of F by way of the training.
        loss = (
            (soft.weighted[batches] * meta.soft_label_grad).sum()
            + measure_failure(meta.logits[0], task.sided, soft)
            + inner.config.imbalance_weight * imbalance
            + settled(inner.config.crowding_weight) * crowding
        )
        task.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
    task.optimizer.step()
    task.average.update_parameters(task.encoder)
    number = len(task.history) + 1
    task.history.append(RefinementStep(number, meta.value, float(imbalance.detach()), float(crowding.detach())))
    return task.history[-1]


def split_softly(problem: RefinementProblem, task: Refinement, pool: torch.Tensor, held_out: torch.Tensor) -> SoftSplit:
    """One pass of the encoder over pool [M] and held-out rows [B']."""
    inner, sided, in_pool = problem.inner, task.sided, len(pool)
    rows = torch.cat([pool, held_out])
    margins = task.encoder.margins(task.encoder(inner.images[rows], inner.labels[rows]))
    train_weights, test_weights = weigh_rows(margins[:, 0] * sided.row_sides[rows], problem)
    targets = F.one_hot(sided.values[pool], len(sided.output_sides)).to(margins.dtype)
    return SoftSplit(
        margins,
        train_weights[:in_pool, None] * targets,
        soft_task_labels(margins[in_pool:, 0], inner.config.temperature),
        normalize_weights((train_weights + test_weights)[in_pool:].detach()),
    )


def train_on_target(
    problem: RefinementProblem,
    task: Refinement,
    soft: SoftSplit,
    pool: torch.Tensor,
    batches: torch.Tensor,
    held_out: torch.Tensor,
) -> MetaGradient:
    """Train the task's network for T steps on the soft split, and reverse them. batches: [T, B] in the pool."""
    inner, step = problem.inner, len(task.history)
    config, images, n_outputs = inner.config, inner.images, len(task.sided.output_sides)
    data = InnerData(
        [channels_last(images[pool[batch]]) for batch in batches],
        soft.weighted[batches],
        channels_last(images[held_out]),
    )
    if task.network is None or step % problem.lifetime == 0:
        task.network = build_network(inner.model, n_outputs, images, stream_seed(inner.seed, "refine", step))
    meta = meta_gradient(
        [task.network],
        data,
        lambda logits: measure_failure(logits[0], task.sided, soft),
        learning_rate=config.inner_learning_rate,
        method=config.meta_gradient,
        epsilon=config.epsilon,
    )
    vector_to_parameters(meta.trained[0], task.network.parameters())
    return meta


def measure_failure(logits: torch.Tensor, sided: SidedTarget, soft: SoftSplit) -> torch.Tensor:
    """F of a network's outputs on the held-out rows [B', n_outputs]."""
    return soft_cross_entropy(side_log_probs(logits, sided.output_sides), soft.task_labels * soft.shares[:, None])


def weigh_rows(scores: torch.Tensor, problem: RefinementProblem) -> tuple[torch.Tensor, torch.Tensor]:
    """How far each row belongs to train and to test, [n] each, with means in proportion to the two sizes.

    scores: datapoint scores [n] of a random sample. A row is in train where its score lies above those
    of test and reserve, softly: sigmoid(2 temperature (score - threshold)), the threshold being the sample's
    quantile; in test, the same downwards. Train weighs 1 on average.
    """
    steepness = 2 * problem.inner.config.temperature
    lowest_train = scores.detach().quantile(1 - problem.train_fraction)
    highest_test = scores.detach().quantile(problem.test_fraction)
    train = torch.sigmoid(steepness * (scores - lowest_train))
    test = torch.sigmoid(steepness * (highest_test - scores))
    scale = train.detach().mean().clamp_min(1e-6)
    return train / scale, test / scale


def normalize_weights(weights: torch.Tensor) -> torch.Tensor:
    """The weights over their mean."""
    return weights / weights.mean().clamp_min(1e-6)
