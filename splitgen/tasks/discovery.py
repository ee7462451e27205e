"""Task discovery: move the encoder until two networks trained on its tasks agree (docs/method.md, section 3)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from splitgen.models.bench import Bench
from splitgen.random import seed_global, stream_generator, stream_seed
from splitgen.settings.faults import check
from splitgen.settings.presets import settled
from splitgen.settings.stages import DiscoveryConfig
from splitgen.tasks.encoder import TaskEncoder, build_encoder, score_margins
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.inner_loop import MetaGradient
from splitgen.tasks.meta import LoopSettings, MetaRows, MetaTask, Penalties, View, init_task, run_steps
from splitgen.tasks.objectives import divergence, prediction_agreement, soft_task_labels


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

    The tasks of an encoder take turns, one a meta-step.
    """

    sees_twice = False

    def __init__(self, bench: Bench, config: DiscoveryConfig) -> None:
        self.bench, self.n_tasks, self.temperature = bench, settled(config.n_tasks), config.temperature

    @property
    def turn(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def look(self, task: MetaTask, rows: MetaRows) -> View:
        labels = self.bench.labels[rows.pool]
        embeddings = task.encoder(self.bench.batch(rows.pool), labels)
        margins = task.encoder.margins(embeddings)
        inner_labels = soft_task_labels(margins[:, len(task.history) % self.n_tasks], self.temperature)
        return View(embeddings, margins, labels, inner_labels)

    def networks(self, task: MetaTask) -> list[nn.Module]:
        seeds = (stream_seed(self.bench.seed, "inner", len(task.history), which) for which in range(2))
        return [self.bench.build(2, seed) for seed in seeds]

    def keep(self, task: MetaTask, meta: MetaGradient) -> None:
        """Nothing: every meta-step has networks of its own."""

    def value(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        return divergence(*logits)

    def direct(self, logits: Sequence[torch.Tensor], view: View) -> float:
        return 0.0

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


def discover_tasks(
    bench: Bench,
    config: DiscoveryConfig | None = None,
    *,
    budget_seconds: float | None = None,
    on_step: Callable[[MetaStep], None] | None = None,
) -> FoundTasks:
    """Find `config.n_tasks` tasks on which two networks of the target architecture agree.

    budget_seconds: stop after this time if `config.meta_steps` have not been done by then.
    on_step: called after each meta-step.
    Raises `SettingError` for settings out of range, `ModelError` for a model that cannot be built.
    """
    config = config or DiscoveryConfig()
    check(config)
    config = config.for_images(bench.dataset.image_size)
    with seed_global(stream_seed(bench.seed, "encoder")):
        encoder = build_encoder(bench, config)
    generator = stream_generator(bench.seed, "discovery")
    task = init_task(AgreementObjective(bench, config), encoder, config.encoder_learning_rate, generator)
    settings = choose_loop(config, settled(config.batch_size), config.inner_steps, config.pool_size)

    def tell(steps: list[Any]) -> None:
        if on_step is not None:
            on_step(steps[0])

    stopped_by = run_steps(bench, settings, [task], config.meta_steps, find_deadline(budget_seconds), tell)
    average = cast(TaskEncoder, task.average.module)
    margins = score_margins(average, bench).numpy().astype(np.float32)
    state = {name: value.cpu().contiguous() for name, value in average.state_dict().items()}
    return FoundTasks("discovered", margins, tuple(task.history), stopped_by, state)


def find_deadline(budget_seconds: float | None) -> float | None:
    """When a budget that begins now ends, as `time.monotonic()` tells it."""
    return None if budget_seconds is None else time.monotonic() + budget_seconds


def choose_loop(config: DiscoveryConfig, batch_size: int, inner_steps: int, pool_size: int) -> LoopSettings:
    """The settings of the meta loop: those of discovery, with T, B and pool as a stage has them."""
    return LoopSettings(
        inner_steps,
        batch_size,
        pool_size,
        config.held_out_size,
        config.inner_learning_rate,
        config.meta_gradient,
        config.epsilon,
        config.uniformity_weight,
        config.imbalance_weight,
        settled(config.crowding_weight),
        config.crowding_width,
    )
