"""The stages in which the best candidate is found: search over tasks and class sides, new tasks, refinement,
sharpening, and the last judging."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from splitgen.models.linearization import GradientError
from splitgen.runs.fitting import fit_final, fit_new_tasks, fit_search, fit_sharpening, fit_tangent
from splitgen.runs.forecast import foretell_judging
from splitgen.runs.run import Run
from splitgen.search.candidates import (
    Candidate,
    SearchSpace,
    add_candidates,
    count_fits,
    list_candidates,
    plan_cuts,
    search_candidates,
)
from splitgen.search.finals import count_final_fits, judge_finalists
from splitgen.search.rounds import Runner, choose_starts, refine_by_rounds
from splitgen.search.sharpening import choose_sharpened, count_sharpening_fits, sharpen_candidates
from splitgen.search.sides import binary_sides, cut_classes, draw_sides, measure_confusion
from splitgen.search.tangents import count_descents, find_tangent_tasks
from splitgen.settings.stages import RunConfig, SearchConfig, SharpeningConfig, TangentConfig
from splitgen.settings.stop import Stop
from splitgen.splits.provenance import DISCOVERED
from splitgen.tasks.objectives.failure import RefinementStep
from splitgen.tasks.problem import pose_problem
from splitgen.tasks.refinement import Start, start_refinement
from splitgen.tasks.tasks_file import SavedTasks


@dataclass(frozen=True)
class SearchOutcome:
    """Candidates, strongest first, and the meta-steps of refinement that some of them come from."""

    ranked: Sequence[Candidate]
    refinement_steps: int = 0

    @property
    def best(self) -> Candidate:
        return self.ranked[0]


def find_best(run: Run, space: SearchSpace, tasks: SavedTasks, cuts: Sequence[np.ndarray]) -> SearchOutcome:
    """Search and, of discovered tasks, refinement and sharpening; tasks without their encoder bring no new ones. The
    best are judged once more at the end."""
    searched, config = run_search(run, space, cuts), run.config.search
    if tasks.way != DISCOVERED:
        return SearchOutcome(run_final(run, space, searched))
    found = [] if tasks.encoder_state is None else run_tangent(run, space, cuts)
    refined, n_steps = run_refinement(run, space, tasks, searched)
    ranked = run_sharpening(run, space, add_candidates(searched, [*found, *refined], config))
    return SearchOutcome(run_final(run, space, ranked), n_steps)


def make_search_space(run: Run, margins: np.ndarray) -> SearchSpace:
    """What all candidates of the run share. margins: [N, K]."""
    return SearchSpace(run.bench, margins, run.config.selection)


def find_cuts(run: Run) -> list[np.ndarray]:
    """Class sides [C] to try: given by a binary target, drawn, or the best cuts of the model's confusion."""
    config, n_classes = run.config, run.dataset.n_classes
    if run.bench.target.positive_classes is not None:
        return [binary_sides(n_classes, run.bench.target.positive_classes)]
    if draws_sides(run):
        return [draw_sides(n_classes, config.seed)]
    return cut_classes(measure_confusion(run.bench, config.search.confusion_rows), config.search.n_cuts)


def find_more_cuts(run: Run) -> list[np.ndarray]:
    """The same, and all classes on one side, which ways that look within classes expect; not where sides are drawn."""
    cuts = find_cuts(run)
    return cuts if draws_sides(run) else [*cuts, np.ones(run.dataset.n_classes, dtype=np.int64)]


def draws_sides(run: Run) -> bool:
    """Whether the class sides are drawn: those of a binary target are the target's."""
    return plan_cuts(run.config.search, run.config.selection.target).n_signs == 1


def bound_search(run: Run, tasks: SavedTasks) -> None:
    """Where a budget allows no more, the search and the confusion before it have fewer rows."""
    seconds, config = run.allot("search"), run.config
    if seconds is not None:
        n_tasks, cuts = count_tried(run, tasks.n_tasks), plan_cuts(config.search, config.selection.target)
        run.settle(search=fit_search(seconds, run.pace, run.sizes, n_tasks, cuts, config.search, config.training))


def count_tried(run: Run, n_tasks: int) -> int:
    """Of so many tasks, those that a split may be made of."""
    return n_tasks if run.config.search.task is None else 1


def run_search(run: Run, space: SearchSpace, cuts: Sequence[np.ndarray]) -> list[Candidate]:
    """Every task with the class sides given, strongest first."""
    config = run.config.search
    signs = (1,) if draws_sides(run) else (1, -1)  # as drawn: the other sign is another draw
    candidates = list_candidates(space.margins.shape[1], cuts, signs)
    if config.task is not None:
        candidates = [candidate for candidate in candidates if candidate.task == config.task]
    with run.screen.progress("search", sum(count_fits(len(candidates), config))) as progress:
        return search_candidates(space, candidates, config, progress.advance)


def run_tangent(run: Run, space: SearchSpace, cuts: Sequence[np.ndarray]) -> list[Candidate]:
    """New tasks of the tangent space; none where they are left out, or a budget has no time for any."""
    start, config = time.monotonic(), bound_tangent(run)
    if config.starts == 0:
        return []
    found: list[Candidate] = []
    with run.screen.progress("tangent", count_descents(config)) as progress:
        try:
            found = find_tangent_tasks(space, cuts, config, run.config.search, progress.advance)
        except GradientError as error:
            run.screen.note(f"no task of the tangent space: {error}")
    run.timed("tangent", start)
    return found


def bound_tangent(run: Run) -> TangentConfig:
    """Where a budget allows no more, fewer tasks begin."""
    seconds, config = run.allot("tangent"), run.config
    if seconds is not None:
        smaller = fit_tangent(
            seconds, run.pace, run.sizes, run.dataset.n_points, config.tangent, config.search, config.training
        )
        run.settle(tangent=smaller)
    return run.config.tangent


def run_refinement(
    run: Run, space: SearchSpace, tasks: SavedTasks, ranked: list[Candidate]
) -> tuple[list[Candidate], int]:
    """The best of the candidates and new tasks, refined by rounds: a candidate for each state that was judged, and the
    meta-steps done."""
    config, state = run.config, tasks.encoder_state
    run.record["refinement_steps"] = 0
    if config.refinement.meta_steps == 0:
        return [], 0
    if state is None:
        run.screen.note("not refined: there is no checkpoint/encoder.safetensors beside the tasks")
        return [], 0
    stop = Stop(config.refinement.meta_steps, run.allot("refine"))
    start, is_timed = time.monotonic(), stop.seconds is not None
    if is_timed:
        config = bound_refinement(run, stop.seconds)
    problem = pose_problem(run.bench, config.discovery, config.refinement, config.selection, is_timed=is_timed)
    runners = [
        Runner(candidate, start_refinement(problem, candidate_start(candidate), state, name=str(number)))
        for number, candidate in enumerate(choose_starts(ranked, config.refinement))
    ]
    with run.screen.progress("refine", stop.total) as progress:

        def on_step(steps: list[RefinementStep]) -> None:
            step, elapsed = steps[0].step, time.monotonic() - start
            failures = " ".join(f"{each.failure:.3f}" for each in steps)
            left = stop.foretell(step, elapsed)
            progress.advance(
                stop.progress(step, elapsed) - progress.done, f"step {step} failure {failures} left {left:.0f} s"
            )

        def judge_seconds(n_candidates: int) -> float:
            return foretell_judging(run.pace, run.sizes, n_candidates, config.search, config.training)

        judging = judge_seconds if is_timed else None
        found = refine_by_rounds(space, problem, runners, config.refinement, config.search, stop, on_step, judging)
    run.timed("refine", start)
    run.record["refinement"] = [
        {**runner.candidate.describe(), "history": [dataclasses.asdict(step) for step in runner.refinement.history]}
        for runner in runners
    ]
    n_steps = max(runner.meta_steps for runner in runners)
    if is_timed:
        run.settle(refinement=dataclasses.replace(config.refinement, meta_steps=n_steps))
    run.record["refinement_steps"] = n_steps
    return found, n_steps


def bound_refinement(run: Run, seconds: float | None) -> RunConfig:
    """The settings of the run; where a budget allows no more, fewer new tasks begin."""
    config = run.config
    smaller = fit_new_tasks(seconds, run.pace, run.sizes, config.refinement, config.search, config.training)
    run.settle(refinement=smaller)
    return run.config


def candidate_start(candidate: Candidate) -> Start:
    """Where the refinement of a candidate starts."""
    return Start(candidate.task, np.array(candidate.class_sides), candidate.draw)


def run_sharpening(run: Run, space: SearchSpace, ranked: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, and the strongest of them after each round of sharpening. The best are judged once more before:
    to sharpen another than the strongest is lost on it."""
    start, seconds, search = time.monotonic(), run.allot("sharpen"), run.config.search
    config = bound_sharpening(run, seconds)
    if config.rounds == 0:
        return list(ranked)
    once_more = dataclasses.replace(search, finalists=config.finalists)
    n_fits = count_final_fits(ranked, once_more)
    with run.screen.progress("sharpen", n_fits + count_sharpening_fits(config.candidates, config)) as progress:
        judged = judge_finalists(space, ranked, once_more, progress.advance)
        left = None if seconds is None else seconds - (time.monotonic() - start)
        best = choose_sharpened(judged, config.candidates)
        found = sharpen_candidates(space, best, config, search, progress.advance, left)
    run.settle(sharpening=dataclasses.replace(config, rounds=max(candidate.sharpened for candidate in found)))
    run.timed("sharpen", start)
    return add_candidates(judged, found, search)


def bound_sharpening(run: Run, seconds: float | None) -> SharpeningConfig:
    """Where a budget allows no more, fewer networks or candidates are sharpened, or none; the rounds end by time."""
    config, sharpening, n_points = run.config, run.config.sharpening, run.dataset.n_points
    if seconds is None:
        return sharpening
    smaller = fit_sharpening(seconds, run.pace, run.sizes, n_points, sharpening, config.search, config.training)
    if smaller.rounds == 0:
        run.settle(sharpening=smaller)
        return smaller
    return dataclasses.replace(smaller, rounds=sharpening.rounds)


def run_final(run: Run, space: SearchSpace, ranked: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, the best of them judged once more; as they are where a budget has no time for it."""
    start, config = time.monotonic(), bound_final(run)
    n_fits = count_final_fits(ranked, config)
    if n_fits == 0:
        return list(ranked)
    with run.screen.progress("final", n_fits) as progress:
        found = judge_finalists(space, ranked, config, progress.advance)
    run.timed("final", start)
    return found


def bound_final(run: Run) -> SearchConfig:
    """Where a budget allows no more, fewer candidates are judged once more, or none."""
    seconds, config = run.allot("final"), run.config
    if seconds is not None:
        run.settle(search=fit_final(seconds, run.pace, run.sizes, config.search, config.training))
    return run.config.search
