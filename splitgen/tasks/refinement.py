"""Refinement: move a discovered task towards the split on which the target model fails (docs/method.md, section 4).

The meta loop of discovery, with the target in it: see `FailureObjective`. It starts from a discovered task, or from an
untrained encoder: then it is task discovery that knows the target from its first step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from splitgen.models.bench import Bench
from splitgen.random import seed_global, stream_generator, stream_seed
from splitgen.settings.stages import DiscoveryConfig, RefinementConfig, SelectionConfig
from splitgen.settings.stop import Stop
from splitgen.tasks.encoder import TaskEncoder, build_encoder, load_encoder
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.meta import MetaTask, init_task, run_steps, snapshot_margins
from splitgen.tasks.objectives.registry import OBJECTIVES
from splitgen.tasks.problem import MetaProblem, pose_problem


@dataclass(frozen=True)
class Start:
    """Where a refinement starts: task 0..K-1 of the discovered, or None for an untrained encoder.

    class_sides: [C] of -1 and +1. draw: which of several untrained encoders.
    """

    task: int | None
    class_sides: np.ndarray
    draw: int = 0


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
) -> list[FoundTasks]:
    """Refine tasks for the bench's target, side by side and by as many meta-steps each: one task [N, 1] a start.

    encoder_state: of the discovered tasks, made with the same `config`.
    selection: for the sizes of train, test and reserve.
    budget_seconds: stop after this time, or after `refinement.meta_steps` where they are given and come first.
    on_step: called after each meta-step with what it measured of each start.
    Raises `SettingError` for settings out of range, `ModelError` for a model that cannot be built.
    """
    problem = pose_problem(bench, config, refinement, selection, is_timed=budget_seconds is not None)
    tasks = [start_refinement(problem, start, encoder_state) for start in starts]
    stop = Stop(problem.refinement.meta_steps, budget_seconds)
    stopped_by = run_steps(bench, problem.refinement_loop, tasks, stop, on_step)
    return [FoundTasks("refined", snapshot_margins(bench, task)[0], tuple(task.history), stopped_by) for task in tasks]


def start_refinement(
    problem: MetaProblem,
    start: Start,
    encoder_state: Mapping[str, torch.Tensor],
    objective: str = "failure",
    name: str = "0",
) -> MetaTask:
    """A task before its first meta-step. objective: a name of `OBJECTIVES`. name: among those refined side by side."""
    encoder, seed = find_encoder(problem, start, encoder_state), problem.bench.seed
    made = OBJECTIVES[objective](problem, start.class_sides)
    return init_task(made, encoder, problem.refinement.learning_rate, stream_generator(seed, "refinement"), name)


def check_encoder(bench: Bench, config: DiscoveryConfig, encoder_state: Mapping[str, torch.Tensor]) -> None:
    """Raise `SettingError` where saved weights are not those of an encoder of these settings."""
    problem = pose_problem(bench, config)
    with seed_global(0):  # what is built here is thrown away, and must not move the random numbers of the run
        load_encoder(problem.bench, problem.discovery, encoder_state)


def find_encoder(problem: MetaProblem, start: Start, encoder_state: Mapping[str, torch.Tensor]) -> TaskEncoder:
    """The encoder that a refinement starts from, with one task."""
    if start.task is not None:
        return load_encoder(problem.bench, problem.discovery, encoder_state).keep_task(start.task)
    with seed_global(stream_seed(problem.bench.seed, "refinement", "encoder", start.draw)):
        return build_encoder(problem.bench, replace(problem.discovery, dim=1, n_tasks=1))
