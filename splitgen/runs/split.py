"""The middle stage of a run: search over tasks and class sides, refine the best, select the rows."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from splitgen._version import __version__
from splitgen.data.class_names import list_names
from splitgen.data.dataset import describe_dataset
from splitgen.errors import SettingError, TasksFileError
from splitgen.models.bench import Bench
from splitgen.models.linearization import GradientError
from splitgen.models.weights import tell_digest
from splitgen.runs.budget import CHOSEN
from splitgen.runs.fitting import fit_agreement, fit_new_tasks, fit_search, fit_sharpening, fit_tangent
from splitgen.runs.forecast import foretell_chosen_agreement, foretell_judging
from splitgen.runs.run import Run, describe_settings, tell_chosen
from splitgen.runs.tasks import score_tasks
from splitgen.search.candidates import (
    Candidate,
    SearchSpace,
    add_candidates,
    count_fits,
    list_candidates,
    plan_cuts,
    search_candidates,
    select_candidate,
)
from splitgen.search.rounds import Runner, choose_starts, refine_by_rounds
from splitgen.search.sharpening import count_sharpening_fits, sharpen_candidates
from splitgen.search.sides import binary_sides, cut_classes, draw_sides, measure_confusion
from splitgen.search.tangents import count_descents, find_tangent_tasks
from splitgen.settings.stages import EQUALITY, DiscoveryConfig, RunConfig, SharpeningConfig, TangentConfig
from splitgen.settings.stop import Stop
from splitgen.splits.grouping import describe_kept
from splitgen.splits.provenance import DISCOVERED, Provenance
from splitgen.splits.selection import Selection, advise_alignment, count_parts
from splitgen.splits.split import Split
from splitgen.tasks.agreement import read_task_labels
from splitgen.tasks.objectives.failure import RefinementStep
from splitgen.tasks.problem import pose_problem
from splitgen.tasks.refinement import Start, check_encoder, start_refinement
from splitgen.tasks.tasks_file import SavedTasks, check_tasks_belong


@dataclass(frozen=True)
class SearchOutcome:
    """Candidates, strongest first, and the meta-steps of refinement that some of them come from."""

    ranked: Sequence[Candidate]
    refinement_steps: int = 0

    @property
    def best(self) -> Candidate:
        return self.ranked[0]


@dataclass(frozen=True)
class Found:
    """What a split tells of how its tasks were found: the way, meta-steps, and agreement scores."""

    way: str
    meta_steps: int = 0
    agreement: tuple[Mapping[str, Any], ...] = ()


def check_tasks(bench: Bench, config: RunConfig, tasks: SavedTasks, path: Path) -> None:
    """Raise what is wrong with tasks that a split is to be made of: other data, a number that none of them has, or an
    encoder that cannot be refined. path: where they were read."""
    check_tasks_belong(tasks, str(path), bench.dataset)
    check_task_values(tasks.n_values)
    wanted = config.search.task
    if wanted is not None and wanted >= tasks.n_tasks:
        raise SettingError(f"task must be below {tasks.n_tasks}, the tasks of {path}, got {wanted}")
    if tasks.encoder_state is not None and config.refinement.meta_steps != 0:
        check_same_trunk(config.discovery, tasks.metadata.get("config", {}), str(path))
        check_encoder(bench, config.discovery, tasks.encoder_state)


def check_same_trunk(config: DiscoveryConfig, recorded: Mapping[str, Any], path: str) -> None:
    """Raise `TasksFileError` where the encoder of saved tasks looked with another trunk than the run has for it."""
    found = recorded.get("discovery")
    told = dict(found) if isinstance(found, Mapping) else {}
    if told.get("trunk") is not None and told.get("trunk_weights") is None and told.get("trunk_seed") is None:
        told["trunk_seed"] = recorded.get("seed")  # as it was before it was recorded by itself
    digest = None if config.trunk_weights is None else tell_digest(config.trunk_weights)
    for name, own in (("trunk", config.trunk), ("trunk_weights", digest), ("trunk_seed", config.trunk_seed)):
        if told.get(name) != own:
            problem = f"its tasks were found with {name} {told.get(name)}, and this run has {own}"
            raise TasksFileError(path, problem, "leave it to what is recorded, or discover the tasks again")


def check_task_values(n_values: int) -> None:
    """Raise `SettingError` for tasks of more than two values: classes have two sides, and a split is made of both.

    Groups of classes in place of sides made no stronger splits (docs/method.md, section 5).
    """
    if n_values > 2:
        problem = f"tasks of {n_values} values make no split, as classes have two sides"
        raise SettingError(f"{problem}; find and score them with splitgen discover, or leave out --task-values")


def tell_found(tasks: SavedTasks) -> Found:
    return Found(tasks.way, tasks.metadata.get("meta_steps", 0), tuple(tasks.metadata.get("agreement", ())))


def run_split(run: Run, tasks: SavedTasks) -> Split:
    """Choose task and class sides by training the target model, refine, and select the rows."""
    start = time.monotonic()
    bound_search(run, tasks)
    space = make_search_space(run, tasks.margins)
    cuts = find_cuts(run) if tasks.way == DISCOVERED else find_more_cuts(run)
    outcome = find_best(run, space, tasks, cuts)
    best, found = outcome.best, tell_found(tasks)
    run.timed("split", start)
    run.record["search"] = [candidate.describe() for candidate in outcome.ranked]
    if best.own_margins is not None:
        found = replace(found, agreement=(*found.agreement, score_chosen(run, best)))
    split = build_split(run, space, outcome, found)
    print_split(run, split, best)
    return split


def bound_search(run: Run, tasks: SavedTasks) -> None:
    """Where a budget allows no more, the search and the confusion before it have fewer rows."""
    seconds, config = run.allot("search"), run.config
    if seconds is not None:
        n_tasks, cuts = count_tried(run, tasks.n_tasks), plan_cuts(config.search, config.selection.target)
        run.settle(search=fit_search(seconds, run.pace, run.sizes, n_tasks, cuts, config.search, config.training))


def count_tried(run: Run, n_tasks: int) -> int:
    """Of so many tasks, those that a split may be made of."""
    return n_tasks if run.config.search.task is None else 1


def find_best(run: Run, space: SearchSpace, tasks: SavedTasks, cuts: Sequence[np.ndarray]) -> SearchOutcome:
    """Search and, of discovered tasks, refinement and sharpening; tasks without their encoder bring no new ones."""
    searched, config = run_search(run, space, cuts), run.config.search
    if tasks.way != DISCOVERED:
        return SearchOutcome(searched)
    found = [] if tasks.encoder_state is None else run_tangent(run, space, cuts)
    refined, n_steps = run_refinement(run, space, tasks, searched)
    found += refined
    found += run_sharpening(run, space, add_candidates(searched, found, config))
    return SearchOutcome(add_candidates(searched, found, config), n_steps)


def score_chosen(run: Run, best: Candidate) -> dict[str, Any]:
    """Agreement score of a task that was changed since its discovery: is it still one that networks generalise on?"""
    assert best.own_margins is not None
    bound_agreement(run)
    labels = {best.name: read_task_labels(best.own_margins)}
    return dataclasses.asdict(score_tasks(run, labels, CHOSEN)[0])


def bound_agreement(run: Run) -> None:
    """Where a budget allows no more, the chosen task is scored on fewer rows; on those of the others, where they were
    scored in this run."""
    if "agreement" in run.clock.shares or (seconds := run.allot(CHOSEN)) is None:
        return
    n_points, config = run.dataset.n_points, run.config
    foretell = partial(foretell_chosen_agreement, run.pace, n_points, recipe=config.training)
    run.settle(agreement=fit_agreement(seconds, n_points, config.agreement, foretell))


def build_split(run: Run, space: SearchSpace, outcome: SearchOutcome, found: Found) -> Split:
    """The split of the best candidate."""
    best, dataset = outcome.best, run.dataset
    scores, selection = select_candidate(space, best)
    run.record["split"] = {"alignment": selection.alignment}
    provenance = Provenance(
        found.way,
        best.task,
        best.name,
        best.is_refined,
        best.sharpened,
        best.class_sides,
        tuple(selection.train_thresholds.tolist()),
        tuple(selection.test_thresholds.tolist()),
        selection.alignment,
        run.config.seed,
        found.meta_steps,
        outcome.refinement_steps,
        found.agreement,
        draws_sides(run),
    )
    metadata = {
        "splitgen_version": __version__,
        "dataset": describe_dataset(dataset),
        "target": run.bench.target.spec,
        "config": describe_settings(run.asked),
        **tell_chosen(run, "agreement", "refinement", "search", "sharpening", "tangent"),
        "groups": describe_groups(run, selection),
        "verification": None,
        **provenance.describe(),
    }
    margins = best.margins(space.margins)
    return Split(dataset.ids, dataset.labels, run.bench.target.values, selection.parts, scores, margins, metadata)


def describe_groups(run: Run, selection: Selection) -> dict[str, Any] | None:
    """The column, whether byte-identical images are kept together, how many groups, and by how many rows each part
    misses the size asked for."""
    groups, dataset = run.dataset.groups, run.dataset
    if groups is None:
        return None
    miss: dict[str, int] = {}
    if run.config.selection.rule != EQUALITY:
        wanted = {part: int(n.sum()) for part, n in count_parts(dataset.class_counts, run.config.selection).items()}
        wanted["train"] = dataset.n_points - sum(wanted.values())
        miss = {part: int((selection.parts == part).sum()) - n for part, n in wanted.items()}
    duplicates = {"duplicates": True} if groups.duplicates else {}
    return {"column": groups.column, **duplicates, "n_groups": groups.n_groups, "miss": miss}


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


def run_sharpening(run: Run, space: SearchSpace, ranked: list[Candidate]) -> list[Candidate]:
    """The strongest of the candidates after each round of sharpening."""
    start, seconds, search = time.monotonic(), run.allot("sharpen"), run.config.search
    config = bound_sharpening(run, seconds)
    if config.rounds == 0:
        return []
    best = ranked[: config.candidates]
    with run.screen.progress("sharpen", count_sharpening_fits(len(best), config)) as progress:
        found = sharpen_candidates(space, best, config, search, progress.advance, seconds)
    run.settle(sharpening=dataclasses.replace(config, rounds=max(candidate.sharpened for candidate in found)))
    run.timed("sharpen", start)
    return found


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


def print_split(run: Run, split: Split, best: Candidate) -> None:
    counts = ", ".join(f"{part} {n}" for part, n in split.counts().items() if n)
    run.screen.note(f"{best.name}, sides {format_sides(best.class_sides, run.dataset.class_names)}: {counts}")
    groups, config = run.dataset.groups, run.config.selection
    if groups is not None:
        missed = ", ".join(f"{part} {n:+d}" for part, n in split.metadata["groups"]["miss"].items() if n) or "none"
        run.screen.note(f"{describe_kept(groups)} kept whole; rows off the sizes: {missed}")
        if (
            config.rule == EQUALITY
            or groups.column is not None
            or config.train_fraction + config.validation_fraction <= 0.5
        ):
            return None  # groups go by their mean: an alignment below 1 says nothing of the sizes
    if config.rule == EQUALITY:
        return run.screen.note("rule equality: train is where the task equals the class side, and test all else")
    advice = advise_alignment(split.provenance.alignment or 0.0, config)
    return run.screen.note(advice or "alignment 1.000: all of train lies on the task's side")


def format_sides(sides: Sequence[int], class_names: Sequence[str]) -> str:
    """Classes of side + and of side - by name, of many the first: "0,2,4 | 1,3"."""
    members = ([name for name, side in zip(class_names, sides, strict=True) if side == sign] for sign in (1, -1))
    return " | ".join(map(list_names, members))
