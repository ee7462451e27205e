"""The middle of a run: of the tasks, the best candidate is found, and the rows are selected by it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from splitgen._version import __version__
from splitgen.data.class_names import list_names
from splitgen.data.dataset import describe_dataset
from splitgen.errors import SettingError, TasksFileError
from splitgen.models.bench import Bench
from splitgen.models.weights import tell_digest
from splitgen.runs.budget import CHOSEN
from splitgen.runs.finding import (
    SearchOutcome,
    bound_search,
    draws_sides,
    find_best,
    find_cuts,
    find_more_cuts,
    make_search_space,
)
from splitgen.runs.fitting import fit_agreement
from splitgen.runs.forecast import foretell_chosen_agreement
from splitgen.runs.run import Run, describe_settings, tell_chosen
from splitgen.runs.tasks import score_tasks
from splitgen.search.candidates import Candidate, SearchSpace, select_candidate
from splitgen.settings.stages import EQUALITY, DiscoveryConfig, RunConfig
from splitgen.splits.grouping import describe_kept
from splitgen.splits.provenance import DISCOVERED, Provenance
from splitgen.splits.selection import Selection, advise_alignment, count_parts
from splitgen.splits.split import Split
from splitgen.tasks.agreement import read_task_labels
from splitgen.tasks.refinement import check_encoder
from splitgen.tasks.tasks_file import SavedTasks, check_tasks_belong


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
