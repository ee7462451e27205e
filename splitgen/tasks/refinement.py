"""Refinement: move a discovered task towards the split on which the target model fails.

The same inner loop as in discovery, with the target in it. One meta-step trains a fresh network of the
target architecture on the *target* of softly weighted train rows, and moves the encoder down the
gradient of

    L = F + b * class imbalance + g * boundary crowding,

where F is the cross-entropy between the side of the network's outputs and the soft labels of the task,
over held-out rows of both parts. It is low when a model that learned the target on the train rows
predicts the task instead: on the test rows, where the two are opposed, that is the failure.

It starts from a discovered task, or from an untrained encoder: then it is task discovery that knows the
target from its first step.

Nothing rewards hard or mislabelled rows: F asks for the outputs of the other side, and the halves of
every class stay equal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel

from splitgen.config import DiscoveryConfig, RefinementConfig, check
from splitgen.data.dataset import ImageDataset
from splitgen.models.registry import ModelFactory, build_network
from splitgen.parallel import map_threads
from splitgen.random import seed_global, stream_generator, stream_seed
from splitgen.tasks.discovery import Problem, channels_last, draw_rows
from splitgen.tasks.encoder import TaskEncoder, average_weights, build_encoder, load_encoder, score_margins
from splitgen.tasks.inner_loop import InnerData, meta_gradient
from splitgen.tasks.objectives import (
    boundary_crowding,
    class_imbalance,
    side_log_probs,
    soft_cross_entropy,
    soft_task_labels,
)


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
class SidedTarget:
    """The target, and on which side its values lie.

    values: int64 [N]. row_sides: [N] of -1 and +1, of each row's class.
    output_sides: [n_outputs] of -1 and +1, of each value of the target.
    """

    values: torch.Tensor
    row_sides: torch.Tensor
    output_sides: torch.Tensor


@dataclass(frozen=True)
class Refinement:
    """One task on its way: what changes in place from one meta-step to the next, and what was measured."""

    sided: SidedTarget
    encoder: TaskEncoder
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    history: list[RefinementStep]


def refine_tasks(
    dataset: ImageDataset,
    model: ModelFactory,
    encoder_state: Mapping[str, torch.Tensor],
    starts: Sequence[tuple[int | None, np.ndarray]],
    targets: np.ndarray,
    config: DiscoveryConfig | None = None,
    refinement: RefinementConfig | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    budget_seconds: float | None = None,
    on_step: Callable[[list[RefinementStep]], None] | None = None,
) -> list[RefinedTask]:
    """Refine tasks for one target, side by side and by as many meta-steps each.

    encoder_state: of `DiscoveredTasks`, made with the same `config`.
    starts: task (0..K-1, or None for a new one from an untrained encoder) and class sides ([C] of -1
        and +1) of each.
    targets: int [N], what the target model is trained on, a function of the label.
    budget_seconds: stop after this time if `refinement.meta_steps` have not been done by then.
    on_step: called after each meta-step with what it measured of each start.
    Raises `SettingError` for settings out of range, `ModelError` for a model that cannot be built.
    """
    config, refinement = config or DiscoveryConfig(), refinement or RefinementConfig()
    check(config)
    check(refinement)
    config = replace(config.for_images(dataset.image_size), batch_size=refinement.batch_size)
    labels = torch.from_numpy(dataset.labels).to(device)
    problem = Problem(dataset.normalized_images(device), labels, dataset.n_classes, model, config, seed)
    tasks = [
        start_refinement(
            problem,
            find_encoder(problem, task, encoder_state),
            assign_sides(torch.from_numpy(targets).to(device), labels, torch.from_numpy(class_sides).to(device)),
            refinement.learning_rate,
        )
        for task, class_sides in starts
    ]
    start, done = time.monotonic(), 0
    while refinement.meta_steps is None or done < refinement.meta_steps:
        steps = list(map_threads(partial(refine_step, problem), tasks))
        done += 1
        if on_step is not None:
            on_step(steps)
        if budget_seconds is not None and time.monotonic() - start >= budget_seconds:
            break
    return [finish_refinement(problem, task) for task in tasks]


def find_encoder(problem: Problem, task: int | None, encoder_state: Mapping[str, torch.Tensor]) -> TaskEncoder:
    """The encoder that a refinement starts from, with one task."""
    if task is not None:
        return load_encoder(problem.images, problem.n_classes, problem.config, encoder_state).keep_task(task)
    with seed_global(stream_seed(problem.seed, "refinement", "encoder")):
        return build_encoder(problem.images, problem.n_classes, replace(problem.config, dim=1, n_tasks=1))


def start_refinement(problem: Problem, encoder: TaskEncoder, sided: SidedTarget, learning_rate: float) -> Refinement:
    """A task before its first meta-step."""
    optimizer = torch.optim.Adam(encoder.parameters(), lr=learning_rate)
    generator = stream_generator(problem.seed, "refinement")
    return Refinement(sided, encoder, average_weights(encoder), optimizer, generator, [])


def finish_refinement(problem: Problem, task: Refinement) -> RefinedTask:
    """The outcome: margins of the averaged encoder."""
    encoder = cast(TaskEncoder, task.average.module)
    margins = score_margins(encoder, problem.images, problem.labels)[:, 0]
    return RefinedTask(margins.numpy().astype(np.float32), tuple(task.history))


def assign_sides(targets: torch.Tensor, labels: torch.Tensor, class_sides: torch.Tensor) -> SidedTarget:
    """Sides of rows and of the target's values. targets, labels [N], class_sides [C]."""
    row_sides = class_sides[labels]
    output_sides = torch.ones(int(targets.max()) + 1, dtype=row_sides.dtype, device=targets.device)
    output_sides[targets] = row_sides
    return SidedTarget(targets, row_sides, output_sides)


def refine_step(problem: Problem, task: Refinement) -> RefinementStep:
    """One meta-step of one task, which is changed in place."""
    config, images, labels = problem.config, problem.images, problem.labels
    encoder, sided, step = task.encoder, task.sided, len(task.history)
    pool, batches, held_out = draw_rows(problem, task.generator)
    rows = torch.cat([pool, held_out])
    margins = encoder.margins(encoder(images[rows], labels[rows]))
    in_pool, task_labels = len(pool), soft_task_labels(margins[:, 0], config.temperature)
    weighted = weigh_train_rows(task_labels[:in_pool], sided, pool)
    pool_images = images[pool]
    data = InnerData(
        [channels_last(pool_images[batch]) for batch in batches],
        weighted.detach()[batches],
        channels_last(images[held_out]),
    )
    network = build_network(problem.model, len(sided.output_sides), images, stream_seed(problem.seed, "refine", step))

    def measure_failure(logits: torch.Tensor, held_labels: torch.Tensor) -> torch.Tensor:
        return soft_cross_entropy(side_log_probs(logits, sided.output_sides), held_labels)

    meta = meta_gradient(
        [network],
        data,
        lambda logits: measure_failure(logits[0], task_labels[in_pool:].detach()),
        learning_rate=config.inner_learning_rate,
        method=config.meta_gradient,
        epsilon=config.epsilon,
    )
    imbalance = class_imbalance(margins, labels[rows], problem.n_classes)
    crowding = boundary_crowding(margins, config.crowding_width)
    # The first term's value means nothing; its gradient for the encoder is that of F by way of the training.
    loss = (
        (weighted[batches] * meta.soft_label_grad).sum()
        + measure_failure(meta.logits[0], task_labels[in_pool:])
        + config.imbalance_weight * imbalance
        + (config.crowding_weight or 0.0) * crowding
    )
    task.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    task.optimizer.step()
    task.average.update_parameters(encoder)
    task.history.append(RefinementStep(step + 1, meta.value, float(imbalance.detach()), float(crowding.detach())))
    return task.history[-1]


def weigh_train_rows(task_labels: torch.Tensor, sided: SidedTarget, rows: torch.Tensor) -> torch.Tensor:
    """Target of each row, one-hot times the weight of the row in train: [n, n_outputs].

    The weight is how far the task says the side of the row's class (task_labels [n, 2]), times two, so
    that it is 1 on average. A cross-entropy with such labels is the weighted one.
    """
    on_plus_side = sided.row_sides[rows] > 0
    weights = 2 * torch.where(on_plus_side, task_labels[:, 1], task_labels[:, 0])
    return weights[:, None] * F.one_hot(sided.values[rows], len(sided.output_sides))
