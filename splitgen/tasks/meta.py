"""The one meta loop: move a task encoder down the gradient of an objective, through trainings of networks on its task
(docs/method.md, section 3).

One meta-step draws a pool of datapoints that the encoder sees once, T batches out of the pool, and a held-out batch;
trains networks of the target architecture for T steps on labels that the encoder gives; judges what they make of the
held-out batch by the objective D; and moves the encoder down the gradient of

    L = D + c U + b * class imbalance + g * boundary crowding.

What the networks are trained on and judged by is the objective's business: `init_task`, `take_step` and `run_steps` are
the same for all.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from splitgen.keeping import NOWHERE, Slot, State
from splitgen.models.bench import Bench
from splitgen.models.snapshots import put_module, put_optimizer, take_module, take_optimizer
from splitgen.parallel import map_threads
from splitgen.settings.stop import Stop
from splitgen.tasks.encoder import TaskEncoder, average_weights, score_margins
from splitgen.tasks.inner_loop import InnerData, MetaGradient, meta_gradient, use_batch_statistics
from splitgen.tasks.terms import boundary_crowding, class_imbalance, uniformity


@dataclass(frozen=True)
class LoopSettings:
    """T, B, eta and the rest of a meta-step, and the weights c, b, g of its penalties; see `DiscoveryConfig`."""

    inner_steps: int
    batch_size: int
    pool_size: int
    held_out_size: int
    inner_learning_rate: float
    meta_gradient: str
    epsilon: float
    uniformity_weight: float
    imbalance_weight: float
    crowding_weight: float
    crowding_width: float


@dataclass(frozen=True)
class MetaRows:
    """Rows of one meta-step: pool [M], batches [T, B] as positions in the pool, held-out rows [B'] outside of it."""

    pool: torch.Tensor
    batches: torch.Tensor
    held_out: torch.Tensor


@dataclass(frozen=True)
class View:
    """What one pass of the encoder over some rows gives.

    embeddings: [n, d], margins: [n, K] or [n, K, V], labels: int [n], of the rows seen. inner_labels: [M, n_outputs],
    what networks are trained on for each row of the pool. judged: what the objective needs beside these.
    """

    embeddings: torch.Tensor
    margins: torch.Tensor
    labels: torch.Tensor
    inner_labels: torch.Tensor
    judged: Any = None


@dataclass(frozen=True)
class Penalties:
    """U, class imbalance and boundary crowding of a view, each a scalar with its graph."""

    spread: torch.Tensor
    imbalance: torch.Tensor
    crowding: torch.Tensor


class Objective(Protocol):
    """What networks are trained on, and what is made small of what they then say.

    turn: held while the encoder's graph is in memory. sees_twice: the encoder's pass before the trainings keeps no
    graph, and is made again for the loss. measured: the dataclass that `record` makes one of.
    """

    sees_twice: bool
    measured: type[Any]

    @property
    def turn(self) -> AbstractContextManager[Any]: ...

    def look(self, task: MetaTask, rows: MetaRows) -> View:
        """One pass of the task's encoder."""

    def networks(self, task: MetaTask) -> list[nn.Module]:
        """The networks to be trained in the task's next meta-step."""

    def keep(self, task: MetaTask, meta: MetaGradient) -> None:
        """Take what the next meta-step goes on with out of this one's trainings."""

    def build_networks(self) -> list[nn.Module]:
        """Networks such as those that the next meta-step goes on with, with whatever weights."""

    def value(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        """D: a scalar from the networks' logits [B', n_outputs] on the held-out batch."""

    def direct(self, logits: Sequence[torch.Tensor], view: View) -> torch.Tensor | float:
        """D as it depends on the encoder beside the trainings; 0 where it does not."""

    def record(self, task: MetaTask, meta: MetaGradient, penalties: Penalties, seconds: float) -> Any:
        """What a meta-step measured, for the history. seconds: since the run began."""


@dataclass
class MetaTask:
    """An encoder on its way: what changes in place from one meta-step to the next; the result is the average.

    networks: those in training, where the objective goes on with them. name: among the tasks that are kept together.
    """

    objective: Objective
    encoder: TaskEncoder
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    history: list[Any] = field(default_factory=list)
    networks: list[nn.Module] = field(default_factory=list)
    name: str = "0"


def init_task(
    objective: Objective, encoder: TaskEncoder, learning_rate: float, generator: torch.Generator, name: str = "0"
) -> MetaTask:
    """A task before its first meta-step."""
    optimizer = torch.optim.Adam(encoder.parameters(), lr=learning_rate)
    return MetaTask(objective, encoder, average_weights(encoder), optimizer, generator, name=name)


def run_steps(
    bench: Bench,
    settings: LoopSettings,
    tasks: Sequence[MetaTask],
    stop: Stop,
    on_step: Callable[[list[Any]], None] | None = None,
    *,
    slot: Slot = NOWHERE,
    elapsed: float = 0.0,
) -> str:
    """Take tasks on, side by side and by as many meta-steps each, until the stop; by time, after one at least, and
    where half of another would be beyond it. Gives what stopped it: "meta-steps" (done since each task began) or
    "budget".

    on_step: called with what each meta-step measured of each task. slot: where the tasks are kept, as `take_up` finds
    them. elapsed: seconds of the stage until now, which its stop counts.
    """
    begun, n_done, stopped_by = time.monotonic(), 0, None
    while stop.meta_steps is None or len(tasks[0].history) < stop.meta_steps:
        steps = list(map_threads(partial(take_step, bench, settings, begun - elapsed), tasks))
        if on_step is not None:
            on_step(steps)
        n_done += 1
        lasted = time.monotonic() - begun
        if stop.is_timed_out(elapsed + lasted + lasted / n_done / 2):
            stopped_by = "budget"
            break
        slot.offer(lambda: take_tasks(tasks, elapsed + time.monotonic() - begun))
    stopped_by = stopped_by or "meta-steps"
    if n_done:
        slot.offer(lambda: take_tasks(tasks, elapsed + time.monotonic() - begun, stopped_by), now=True)
    return stopped_by


@dataclass(frozen=True)
class Standing:
    """How far tasks that were taken up had come: seconds of their stage, and what had stopped it, if it had."""

    elapsed: float = 0.0
    stopped_by: str | None = None


def take_tasks(tasks: Sequence[MetaTask], elapsed: float, stopped_by: str | None = None) -> State:
    """Tasks between two meta-steps. elapsed: seconds of their stage."""
    tensors, histories = dict[str, torch.Tensor](), {}
    for task in tasks:
        tensors.update(take_module(task.encoder, f"{task.name}/encoder"))
        tensors.update(take_module(task.average, f"{task.name}/average"))
        tensors.update(take_optimizer(task.optimizer, f"{task.name}/optimizer"))
        for number, network in enumerate(task.networks):
            tensors.update(take_module(network, f"{task.name}/network {number}"))
        tensors[f"{task.name}/generator"] = task.generator.get_state()
        histories[task.name] = [asdict(step) for step in task.history]
    return State(tensors, {"histories": histories, "elapsed": elapsed, "stopped_by": stopped_by})


def take_up(tasks: Sequence[MetaTask], slot: Slot) -> Standing:
    """Put tasks that have not begun to where those of the same names in the slot stand, if any do."""
    kept = slot.load()
    if kept is None:
        return Standing()
    for task in tasks:
        if task.name in kept.told["histories"]:
            put_task(task, kept)
    return Standing(kept.told["elapsed"], kept.told["stopped_by"])


def put_task(task: MetaTask, kept: State) -> None:
    """Put a task to where the one of its name stands in a state of `take_tasks`."""
    put_module(task.encoder, f"{task.name}/encoder", kept.tensors)
    put_module(task.average, f"{task.name}/average", kept.tensors)
    put_optimizer(task.optimizer, f"{task.name}/optimizer", kept.tensors)
    if any(name.startswith(f"{task.name}/network ") for name in kept.tensors):
        task.networks = task.objective.build_networks()
        for number, network in enumerate(task.networks):
            put_module(use_batch_statistics(network), f"{task.name}/network {number}", kept.tensors)
    task.generator.set_state(kept.tensors[f"{task.name}/generator"])
    task.history = read_history(task, kept.told["histories"][task.name])


def read_history(task: MetaTask, told: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What the meta-steps of a task measured, as JSON tells it."""
    return [task.objective.measured(**step) for step in told]


def snapshot_margins(bench: Bench, task: MetaTask) -> tuple[np.ndarray, TaskEncoder]:
    """Margins float32 [N, K] or [N, K, V] of the averaged encoder, and that encoder. The task can go on."""
    average = copy.deepcopy(cast(TaskEncoder, task.average.module))
    return score_margins(average, bench).numpy().astype(np.float32), average


def take_step(bench: Bench, settings: LoopSettings, start: float, task: MetaTask) -> Any:
    """One meta-step of one task, which is changed in place; what it measured before the encoder moved."""
    objective = task.objective
    rows = draw_rows(bench, settings, task.generator)
    with torch.set_grad_enabled(not objective.sees_twice):
        view = objective.look(task, rows)
    meta = train_and_reverse(bench, settings, task, rows, view)
    objective.keep(task, meta)
    with objective.turn:
        if objective.sees_twice:
            view = objective.look(task, rows)
        penalties = measure_penalties(bench, settings, view)
        # The first term's value means nothing; its gradient for the encoder is that of D by way of the trainings.
        loss = (
            (view.inner_labels[rows.batches] * meta.soft_label_grad).sum()
            + objective.direct(meta.logits, view)
            + settings.uniformity_weight * penalties.spread
            + settings.imbalance_weight * penalties.imbalance
            + settings.crowding_weight * penalties.crowding
        )
        task.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
    task.optimizer.step()
    task.average.update_parameters(task.encoder)
    task.history.append(objective.record(task, meta, penalties, time.monotonic() - start))
    return task.history[-1]


def train_and_reverse(bench: Bench, settings: LoopSettings, task: MetaTask, rows: MetaRows, view: View) -> MetaGradient:
    """Train the objective's networks for T steps on the view's labels, judge them, and reverse their trainings."""
    pool = bench.batch(rows.pool)  # once: a dataset that makes its images would make each of them ten times over
    data = InnerData(
        [channels_last(pool[batch]) for batch in rows.batches],
        view.inner_labels.detach()[rows.batches],
        channels_last(bench.batch(rows.held_out)),
    )
    return meta_gradient(
        task.objective.networks(task),
        data,
        lambda logits: task.objective.value(logits, view),
        learning_rate=settings.inner_learning_rate,
        method=settings.meta_gradient,
        epsilon=settings.epsilon,
    )


def measure_penalties(bench: Bench, settings: LoopSettings, view: View) -> Penalties:
    """The terms that keep tasks apart, balanced within class, and datapoints away from the boundary."""
    embeddings = view.embeddings
    return Penalties(
        uniformity(embeddings) if embeddings.shape[1] > 1 else embeddings.new_zeros(()),
        class_imbalance(view.margins, view.labels, bench.n_classes),
        boundary_crowding(view.margins, settings.crowding_width),
    )


def draw_rows(bench: Bench, settings: LoopSettings, generator: torch.Generator) -> MetaRows:
    """Rows of one meta-step. Each pass over the pool is a new order of it."""
    held_out_size = min(settings.held_out_size, bench.n_points // 4)
    pool_size = min(settings.pool_size, bench.n_points - held_out_size)
    order = torch.randperm(bench.n_points, generator=generator)
    wanted = settings.inner_steps * settings.batch_size
    passes = [torch.randperm(pool_size, generator=generator) for _ in range(-(-wanted // pool_size))]
    batches = torch.cat(passes)[:wanted].view(settings.inner_steps, settings.batch_size)
    held_out = order[pool_size : pool_size + held_out_size]
    return MetaRows(*(rows.to(bench.device) for rows in (order[:pool_size], batches, held_out)))


def channels_last(images: torch.Tensor) -> torch.Tensor:
    return images.contiguous(memory_format=torch.channels_last)
