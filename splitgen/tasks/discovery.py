"""Task discovery: move the encoder until two networks trained on its tasks agree (docs/method.md, section 3).

One meta-step draws a pool of datapoints that the encoder sees once, T batches out of the pool, and
a held-out batch; trains two fresh networks of the target architecture on the soft labels of one
task; and moves the encoder down the gradient of

    L = D + c U + b * class imbalance + g * boundary crowding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel

from splitgen.config import DiscoveryConfig, check, settled
from splitgen.data.dataset import ImageDataset
from splitgen.models.registry import ModelFactory, build_network
from splitgen.random import seed_global, stream_generator, stream_seed
from splitgen.tasks.encoder import TaskEncoder, average_weights, build_encoder, score_margins
from splitgen.tasks.inner_loop import InnerData, meta_gradient
from splitgen.tasks.objectives import (
    boundary_crowding,
    class_imbalance,
    divergence,
    prediction_agreement,
    soft_task_labels,
    uniformity,
)


@dataclass(frozen=True)
class MetaStep:
    """What one meta-step measured, before the encoder moved."""

    step: int
    divergence: float
    agreement: float
    uniformity: float
    class_imbalance: float
    boundary_crowding: float
    elapsed_seconds: float


@dataclass(frozen=True)
class DiscoveredTasks:
    """The outcome of discovery.

    margins: float32 [N, K], the task margin of every datapoint for every task.
    history: one `MetaStep` a meta-step.
    stopped_by: "meta-steps" or "budget".
    encoder_state: the task encoder's weights by name.
    """

    margins: np.ndarray
    history: tuple[MetaStep, ...]
    stopped_by: str
    encoder_state: Mapping[str, torch.Tensor]

    @property
    def n_tasks(self) -> int:
        return int(self.margins.shape[1])

    @property
    def meta_steps(self) -> int:
        """Meta-steps done; with the same seed and settings, that many give the same tasks again."""
        return len(self.history)


@dataclass
class DiscoveryState:
    """What changes from one meta-step to the next; the result is the average."""

    encoder: TaskEncoder
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    step: int = 0


@dataclass(frozen=True)
class Problem:
    """What stays the same through all meta-steps."""

    images: torch.Tensor
    labels: torch.Tensor
    n_classes: int
    model: ModelFactory
    config: DiscoveryConfig
    seed: int


def discover_tasks(
    dataset: ImageDataset,
    model: ModelFactory,
    config: DiscoveryConfig | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    budget_seconds: float | None = None,
    on_step: Callable[[MetaStep], None] | None = None,
) -> DiscoveredTasks:
    """Find `config.n_tasks` tasks on which two networks of the target architecture agree.

    budget_seconds: stop after this time if `config.meta_steps` have not been done by then.
    on_step: called after each meta-step.
    Raises `SettingError` for settings out of range, `ModelError` for a model that cannot be built.
    """
    config = config or DiscoveryConfig()
    check(config)
    config = config.for_images(dataset.image_size)
    problem = Problem(
        dataset.normalized_images(device),
        torch.from_numpy(dataset.labels).to(device),
        dataset.n_classes,
        model,
        config,
        seed,
    )
    state = init_state(problem)
    history: list[MetaStep] = []
    start, stopped_by = time.monotonic(), "meta-steps"
    for record in run_steps(problem, state, start):
        history.append(record)
        if on_step is not None:
            on_step(record)
        if budget_seconds is not None and record.elapsed_seconds >= budget_seconds:
            stopped_by = "budget"
            break
    encoder = cast(TaskEncoder, state.average.module)
    margins = score_margins(encoder, problem.images, problem.labels)
    encoder_state = {name: value.cpu().contiguous() for name, value in encoder.state_dict().items()}
    return DiscoveredTasks(margins.numpy().astype(np.float32), tuple(history), stopped_by, encoder_state)


def init_state(problem: Problem) -> DiscoveryState:
    """A fresh encoder and its optimiser."""
    with seed_global(stream_seed(problem.seed, "encoder")):
        encoder = build_encoder(problem.images, problem.n_classes, problem.config)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=problem.config.encoder_learning_rate)
    return DiscoveryState(encoder, average_weights(encoder), optimizer, stream_generator(problem.seed, "discovery"))


def run_steps(problem: Problem, state: DiscoveryState, start: float) -> Iterator[MetaStep]:
    """Meta-steps up to `config.meta_steps`, or without end where that is None."""
    while problem.config.meta_steps is None or state.step < problem.config.meta_steps:
        yield take_step(problem, state, start)


def take_step(problem: Problem, state: DiscoveryState, start: float) -> MetaStep:
    """One meta-step; the task takes turns."""
    config, labels = problem.config, problem.labels
    pool, batches, held_out = draw_rows(problem, state.generator)
    pool_images, pool_labels = problem.images[pool], labels[pool]

    embeddings = state.encoder(pool_images, pool_labels)
    margins = state.encoder.margins(embeddings)
    soft_labels = soft_task_labels(margins[:, state.step % settled(config.n_tasks)], config.temperature)
    data = InnerData(
        [channels_last(pool_images[batch]) for batch in batches],
        soft_labels.detach()[batches],
        channels_last(problem.images[held_out]),
    )
    networks = [
        build_network(problem.model, 2, pool_images, stream_seed(problem.seed, "inner", state.step, which))
        for which in range(2)
    ]
    meta = meta_gradient(
        networks,
        data,
        lambda logits: divergence(*logits),
        learning_rate=config.inner_learning_rate,
        method=config.meta_gradient,
        epsilon=config.epsilon,
    )
    spread = uniformity(embeddings) if settled(config.dim) > 1 else embeddings.new_zeros(())
    imbalance = class_imbalance(margins, pool_labels, problem.n_classes)
    crowding = boundary_crowding(margins, config.crowding_width)
    # Its value means nothing; its gradient for the encoder is that of D.
    surrogate = (soft_labels[batches] * meta.soft_label_grad).sum()
    loss = (
        surrogate
        + config.uniformity_weight * spread
        + config.imbalance_weight * imbalance
        + settled(config.crowding_weight) * crowding
    )
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.average.update_parameters(state.encoder)
    state.step += 1
    return MetaStep(
        state.step,
        meta.value,
        prediction_agreement(*(logits.argmax(dim=1) for logits in meta.logits)),
        float(spread.detach()),
        float(imbalance.detach()),
        float(crowding.detach()),
        time.monotonic() - start,
    )


def draw_rows(problem: Problem, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows of one meta-step: pool [M], batches [T, B] as positions in the pool, held-out rows [B'].

    The held-out rows are outside the pool. Each pass over the pool is a new order of it.
    """
    config, n_points = problem.config, len(problem.labels)
    held_out_size = min(config.held_out_size, n_points // 4)
    pool_size = min(config.pool_size, n_points - held_out_size)
    order = torch.randperm(n_points, generator=generator)
    batch_size = settled(config.batch_size)
    wanted = config.inner_steps * batch_size
    passes = [torch.randperm(pool_size, generator=generator) for _ in range(-(-wanted // pool_size))]
    batches = torch.cat(passes)[:wanted].view(config.inner_steps, batch_size)
    device = problem.images.device
    return (
        order[:pool_size].to(device),
        batches.to(device),
        order[pool_size : pool_size + held_out_size].to(device),
    )


def channels_last(images: torch.Tensor) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last)
