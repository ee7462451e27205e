"""Refinement by rounds: several tasks go on side by side, real trainings judge them, the better ones stay.

What refinement minimises is the failure of a model that is trained for T steps; the target model is trained
for a thousand, and what fails the one need not fail the other (Fashion-MNIST, classes 0,2,4,6,8: F fell from
0.49 to 0.45 between the meta-steps 116 and 306, while test accuracy rose from 0.46 to 0.61). So every state of a
task at the end of a round is a candidate of the search, not the last alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch

from splitgen.keeping import State
from splitgen.search.candidates import Candidate, SearchSpace, judge_candidates
from splitgen.settings.presets import settled
from splitgen.settings.stages import RefinementConfig, SearchConfig
from splitgen.settings.stop import Stop
from splitgen.tasks.meta import MetaTask, read_history, run_steps, snapshot_margins, take_up
from splitgen.tasks.problem import MetaProblem


@dataclass(frozen=True)
class Runner:
    """A candidate and its refinement on the way."""

    candidate: Candidate
    refinement: MetaTask

    @property
    def meta_steps(self) -> int:
        return len(self.refinement.history)


def list_marks(first: int, last: int | None) -> Iterator[int]:
    """Meta-steps at which rounds end: the first, then twice as many each time, and the last; None: without end.

    They depend on the last only by where they stop, so that a run that a budget stopped can be replayed.
    """
    mark = first
    while last is None or mark < last:
        yield mark
        mark *= 2
    yield last


def choose_starts(ranked: Sequence[Candidate], config: RefinementConfig) -> list[Candidate]:
    """What is refined: the search's best, and new tasks, which take the class sides of the best in turn.

    Candidates with all classes on one side are left out: the failure is one of sides.
    """
    usable = [candidate for candidate in ranked if len(set(candidate.class_sides)) == 2]
    best = usable[: config.candidates]
    cuts = list(dict.fromkeys(max(c.class_sides, flip(c.class_sides)) for c in usable))
    new = [Candidate(None, cuts[draw % len(cuts)], draw=draw) for draw in range(settled(config.new_tasks))]
    return best + new


def flip(sides: tuple[int, ...]) -> tuple[int, ...]:
    """Train and test exchanged; for a new task the same thing as its negative."""
    return tuple(-side for side in sides)


def refine_by_rounds(
    space: SearchSpace,
    problem: MetaProblem,
    runners: Sequence[Runner],
    config: RefinementConfig,
    search_config: SearchConfig,
    stop: Stop,
    on_step: Callable[[list[Any]], None] | None = None,
    judge_seconds: Callable[[int], float] | None = None,
) -> list[Candidate]:
    """Candidates, one for each state that was judged, each trained as in the search's last round.

    stop: the seconds count from now, and those of the judging count too. judge_seconds: what judging so many takes;
    with a stop by time, meta-steps end so much earlier.
    """
    found, keeper = list[Candidate](), problem.bench.keeper
    slot = keeper.slot("refinement")
    start = time.monotonic() - take_up([runner.refinement for runner in runners], slot).elapsed

    def refine(mark: int) -> str:
        until = replace(stop.after(judging), meta_steps=mark)
        tasks, elapsed = [runner.refinement for runner in runners], time.monotonic() - start
        return run_steps(problem.bench, problem.refinement_loop, tasks, until, on_step, slot=slot, elapsed=elapsed)

    for mark in list_marks(settled(config.first_round), stop.meta_steps):
        judging = 0.0 if judge_seconds is None else judge_seconds(len(runners))
        of_round = keeper.slot(f"refinement-{mark}")
        kept = of_round.load()
        if kept is None:
            kept = take_round(problem, runners, refine(mark))
            of_round.keep(kept)
        states = [read_candidate(runner, kept) for runner in runners]
        judged = judge_candidates(space, states, search_config)
        found += judged
        order = sorted(range(len(runners)), key=lambda which: judged[which].accuracy)
        for which in order[config.keep :]:  # of one that was taken up, the last state may be of an earlier meta-step
            runners[which].refinement.history = read_round_history(runners[which], kept)
        runners = [runners[which] for which in order[: config.keep]]
        judging = 0.0 if judge_seconds is None else judge_seconds(len(runners))
        lasted = time.monotonic() - start
        is_over = kept.told["stopped_by"] == "budget" or stop.is_timed_out(lasted + judging)
        if keeper.decide(f"refinement ends at {mark}", partial(bool, is_over)):
            break
    return found


def take_round(problem: MetaProblem, runners: Sequence[Runner], stopped_by: str) -> State:
    """What is judged at the end of a round: margins [N] of each runner as it stands, and how it came there."""
    margins, histories = {}, {}
    for runner in runners:
        task = runner.refinement
        margins[task.name] = torch.from_numpy(snapshot_margins(problem.bench, task)[0][:, 0])
        histories[task.name] = [asdict(step) for step in task.history]
    return State(margins, {"histories": histories, "stopped_by": stopped_by})


def read_candidate(runner: Runner, kept: State) -> Candidate:
    """The candidate as its refinement stood at the end of a round."""
    name = runner.refinement.name
    margins, n_steps = kept.tensors[name].numpy(), len(kept.told["histories"][name])
    return replace(runner.candidate, own_margins=margins, meta_steps=n_steps, test_accuracies=())


def read_round_history(runner: Runner, kept: State) -> list[Any]:
    """What the meta-steps of a runner had measured at the end of a round."""
    return read_history(runner.refinement, kept.told["histories"][runner.refinement.name])
