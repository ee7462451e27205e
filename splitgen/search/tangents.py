"""New tasks from the tangent space of the model that finds them: many random starts, of which the better go on.

A descent ends where it began near: tasks of one run differ by ten points of test accuracy, and the failure of a
linear model tells which are worth more steps (docs/method.md, section 4). Real trainings judge the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from splitgen.keeping import Slot, State
from splitgen.models.bench import Bench
from splitgen.parallel import map_threads
from splitgen.random import stream_generator
from splitgen.search.candidates import Candidate, SearchSpace, judge_candidates
from splitgen.settings.stages import SearchConfig, TangentConfig
from splitgen.tasks.tangent import TangentSpace, descend, make_space, read_margins


@dataclass(frozen=True)
class Descent:
    """A task on its way. weights: z [dim]. failure: the mean of the last steps."""

    candidate: Candidate
    weights: torch.Tensor
    failure: float = float("inf")


def find_tangent_tasks(
    space: SearchSpace,
    cuts: Sequence[np.ndarray],
    config: TangentConfig,
    search: SearchConfig,
    on_each: Callable[[], None] | None = None,
) -> list[Candidate]:
    """The tasks of the last round, each trained as in the search's last round.

    cuts: class sides [C], which the tasks take in turn; the other signs are those of the opposite task.
    on_each: called after each descent and each training.
    """
    bench = space.bench.finder
    tangent = make_space(bench, config, space.selection)
    running = [begin_descent(bench, cuts, config, draw) for draw in range(config.count_running()[0])]
    for round_, n_running in enumerate(config.count_running()):
        running = sorted(running, key=lambda each: each.failure)[:n_running]
        go_on = partial(go_down, bench, tangent, config=config, round_=round_)
        running = list(map_threads(go_on, running, on_each))
    found = [
        replace(each.candidate, own_margins=read_margins(tangent, each.weights), tangent_steps=sum(config.steps))
        for each in running
    ]
    return judge_candidates(space, found, search, on_each)


def count_descents(config: TangentConfig) -> int:
    """Descents of all rounds, and the trainings after them."""
    return sum(counts := config.count_running()) + counts[-1]


def begin_descent(bench: Bench, cuts: Sequence[np.ndarray], config: TangentConfig, draw: int) -> Descent:
    """A task before its first step, with random weights."""
    sides = tuple(int(side) for side in cuts[draw % len(cuts)])
    weights = torch.randn(config.dim, generator=stream_generator(bench.seed, "tangent", "start", draw))
    return Descent(Candidate(None, sides, draw=draw), weights)


def go_down(bench: Bench, space: TangentSpace, before: Descent, *, config: TangentConfig, round_: int) -> Descent:
    """The task after one more round."""
    sides, draw = before.candidate.class_sides, before.candidate.draw

    def go(_: Slot) -> State:
        row_sides = torch.tensor(sides)[space.labels]
        generator = stream_generator(bench.seed, "tangent", "rows", round_, draw)
        weights, failure = descend(space, before.weights, row_sides, config, round_, generator)
        return State({"weights": weights}, {"failure": failure})

    of_round = (config.steps[: round_ + 1], config.rows[: round_ + 1], len(config.steps))
    of_space = (config.networks, config.dim, config.epochs, space.selection)
    kept = bench.recall(("tangent", draw, sides, *of_round, *of_space, config.learning_rate, config.ridge), go)
    return Descent(before.candidate, kept.tensors["weights"], float(kept.told["failure"]))
