"""The stages in their order: discover -> agreement -> scores -> split -> verify, and the run folder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splitgen._version import __version__
from splitgen.config import RunConfig
from splitgen.judging import check_groups_known, run_transfer, run_verification
from splitgen.random import stream_generator
from splitgen.report import print_agreement
from splitgen.run import Run, close_run, describe_dataset, describe_settings
from splitgen.splits.halving import Runner, choose_starts, refine_by_rounds
from splitgen.splits.search import (
    Candidate,
    SearchProblem,
    add_refined,
    count_fits,
    list_candidates,
    search_candidates,
    select_candidate,
)
from splitgen.splits.selection import Selection, advise_alignment, count_parts
from splitgen.splits.sides import binary_sides, cut_classes, measure_confusion
from splitgen.splits.split import Split, check_belongs, read_split, write_split
from splitgen.tasks.agreement import AgreementScore, binary_task_labels, score_prepared
from splitgen.tasks.discovery import MetaStep, discover_tasks
from splitgen.tasks.objectives import task_similarity
from splitgen.tasks.refinement import RefinementStep, Start, pose_refinement, start_refinement
from splitgen.tasks.tasks_file import SavedTasks, check_tasks_belong, read_tasks, write_encoder, write_tasks


def without_stop(config: RunConfig, stage: str) -> RunConfig:
    """The same settings with the budget as the only stop of "discovery" or "refinement"."""
    return dataclasses.replace(config, **{stage: dataclasses.replace(getattr(config, stage), meta_steps=None)})


def share_budget(config: RunConfig, budget_seconds: float | None) -> tuple[float | None, float | None]:
    """Seconds for discovery, and for refinement."""
    if budget_seconds is None or config.refinement.meta_steps == 0:
        return budget_seconds, None
    share = config.refinement.budget_share
    return (1 - share) * budget_seconds, share * budget_seconds


def run_discovery(run: Run, budget_seconds: float | None) -> SavedTasks:
    """Discover tasks, score their agreement, and save both."""
    config, start = run.config, time.monotonic()
    meta_steps = config.discovery.meta_steps
    with run.screen.progress("discover", budget_seconds or meta_steps) as progress:
        tasks = discover_tasks(
            run.dataset,
            run.model,
            config.discovery,
            seed=config.seed,
            device=run.device,
            budget_seconds=budget_seconds,
            on_step=lambda step: show_step(progress.advance, progress.done, step, meta_steps, budget_seconds),
        )
    run.timed("discover", start)
    run.record["discovery"] = {
        "meta_steps": tasks.meta_steps,
        "stopped_by": tasks.stopped_by,
        "history": [dataclasses.asdict(step) for step in tasks.history],
    }
    run.screen.note(f"{tasks.meta_steps} meta-steps, stopped by {tasks.stopped_by}")
    scores = run_agreement(run, tasks.margins)
    similarity = task_similarity(torch.from_numpy(binary_task_labels(tasks.margins))).tolist()
    run.record["task_similarity"] = similarity
    metadata = {
        "splitgen_version": __version__,
        "dataset": describe_dataset(run.dataset),
        "config": describe_settings(config),
        "meta_steps": tasks.meta_steps,
        "agreement": [dataclasses.asdict(score) for score in scores],
        "task_similarity": similarity,
    }
    if run.out is not None:
        write_tasks(SavedTasks(tasks.margins, metadata), run.out / "tasks.parquet")
        write_encoder(tasks.encoder_state, run.out)
    return SavedTasks(tasks.margins, metadata, tasks.encoder_state)


def show_step(
    advance: Callable[[float, str], None], done: float, step: MetaStep, meta_steps: int | None, budget: float | None
) -> None:
    """One meta-step on the screen; the bar runs on whichever stop comes first."""
    left = foretell_left(step.step, step.elapsed_seconds, meta_steps, budget)
    detail = (
        f"step {step.step} agreement {step.agreement:.2f} D {step.divergence:.3f} "
        f"U {step.uniformity:.2f} left {left:.0f} s"
    )
    advance((step.elapsed_seconds if budget is not None else step.step) - done, detail)


def foretell_left(step: int, elapsed_seconds: float, meta_steps: int | None, budget: float | None) -> float:
    """Seconds left until whichever stop comes first."""
    left = [] if meta_steps is None else [(meta_steps - step) * elapsed_seconds / step]
    if budget is not None:
        left.append(max(0.0, budget - elapsed_seconds))
    return min(left)


def run_agreement(run: Run, margins: np.ndarray) -> list[AgreementScore]:
    """Agreement scores of every discovered task, of the target, and of a random task for comparison."""
    labels = {f"task {k}": binary_task_labels(margins[:, k]) for k in range(margins.shape[1])}
    labels["target"] = run.target.values
    labels["random"] = draw_random_labels(run.dataset.n_points, run.config.seed)
    return score_tasks(run, labels, "agreement")


def score_tasks(run: Run, labels: Mapping[str, np.ndarray], stage: str) -> list[AgreementScore]:
    """Agreement scores of tasks by name; labels [N] each."""
    start, config = time.monotonic(), run.config
    with run.screen.progress(stage, len(labels) * config.agreement.networks) as progress:
        scores = [
            score_prepared(
                run.images,
                values,
                run.model,
                config.agreement,
                config.training,
                task=name,
                seed=config.seed,
                on_fit=progress.advance,
            )
            for name, values in labels.items()
        ]
    run.timed(stage, start)
    run.record[stage] = [dataclasses.asdict(score) for score in scores]
    print_agreement(run.screen, scores)
    return scores


def draw_random_labels(n_points: int, seed: int) -> np.ndarray:
    """A random binary task [N]: what its agreement is, is no merit of a task on these images."""
    return torch.randint(2, (n_points,), generator=stream_generator(seed, "random task")).numpy()


def run_split(run: Run, tasks: SavedTasks, budget_seconds: float | None = None) -> Split:
    """Choose task and class sides by training the target model, refine, and select the rows.

    budget_seconds: for refinement.
    """
    start = time.monotonic()
    problem = make_search_problem(run, tasks.margins)
    ranked = run_search(run, problem, find_cuts(run))
    ranked = run_refinement(run, problem, tasks, ranked, budget_seconds)
    run.timed("split", start)
    run.record["search"] = [candidate.describe() for candidate in ranked]
    split = build_split(run, problem, ranked[0], tasks.metadata)
    if ranked[0].refined is not None:
        split = split.with_metadata(agreement=[*split.metadata["agreement"], score_refined(run, ranked[0])])
    print_split(run, split, ranked[0])
    if run.out is not None:
        write_split(split, run.out / "split.parquet")
    return split


def score_refined(run: Run, best: Candidate) -> dict[str, Any]:
    """Agreement score of a refined task: is it still one that networks generalise on?"""
    assert best.refined is not None
    labels = {best.name: binary_task_labels(best.refined)}
    return dataclasses.asdict(score_tasks(run, labels, "agreement refined")[0])


def build_split(run: Run, problem: SearchProblem, best: Candidate, found: Mapping[str, Any]) -> Split:
    """The split of a candidate. found: "meta_steps" and "agreement" of the tasks, as their file has them."""
    scores, selection = select_candidate(problem, best)
    run.record["split"] = {"alignment": selection.alignment}
    metadata = {
        "splitgen_version": __version__,
        "dataset": describe_dataset(run.dataset),
        "target": run.target.spec,
        "task": best.task,
        "task_name": best.name,
        "refined": best.refined is not None,
        "class_sides": list(best.class_sides),
        "train_thresholds": selection.train_thresholds.tolist(),
        "test_thresholds": selection.test_thresholds.tolist(),
        "alignment": selection.alignment,
        "config": describe_settings(run.config),
        "seed": run.config.seed,
        "meta_steps": found["meta_steps"],
        "refinement_steps": run.record.get("refinement_steps", 0),
        "agreement": found["agreement"],
        "groups": describe_groups(run, selection),
        "verification": None,
    }
    margins = best.margins(problem.margins)
    return Split(run.dataset.ids, run.dataset.labels, run.target.values, selection.parts, scores, margins, metadata)


def describe_groups(run: Run, selection: Selection) -> dict[str, Any] | None:
    """The column, how many groups, and by how many rows each part misses the size asked for."""
    groups, dataset = run.dataset.groups, run.dataset
    if groups is None:
        return None
    wanted = {part: int(n.sum()) for part, n in count_parts(dataset.class_counts, run.config.selection).items()}
    wanted["train"] = dataset.n_points - sum(wanted.values())
    miss = {part: int((selection.parts == part).sum()) - n for part, n in wanted.items()}
    return {"column": groups.column, "n_groups": groups.n_groups, "miss": miss}


def make_search_problem(run: Run, margins: np.ndarray) -> SearchProblem:
    """What all candidates of the run share. margins: [N, K]."""
    return SearchProblem(
        run.images,
        run.dataset.labels,
        run.dataset.ids,
        run.target,
        margins,
        run.model,
        run.config.training,
        run.config.selection,
        run.config.seed,
        None if run.dataset.groups is None else run.dataset.groups.codes,
    )


def find_cuts(run: Run) -> list[np.ndarray]:
    """Class sides [C] to try: given by a binary target, else the best cuts of the model's confusion."""
    config, n_classes = run.config, run.dataset.n_classes
    if run.target.positive_classes is not None:
        return [binary_sides(n_classes, run.target.positive_classes)]
    labels = torch.from_numpy(run.dataset.labels).to(run.device)
    confusion = measure_confusion(run.model, run.images, labels, n_classes, config.training, config.seed)
    return cut_classes(confusion, config.search.n_cuts)


def run_search(run: Run, problem: SearchProblem, cuts: Sequence[np.ndarray]) -> list[Candidate]:
    """Every task with the class sides given, strongest first."""
    config = run.config.search
    candidates = list_candidates(problem.margins.shape[1], cuts)
    with run.screen.progress("search", sum(count_fits(len(candidates), config))) as progress:
        return search_candidates(problem, candidates, config, progress.advance)


def run_refinement(
    run: Run, problem: SearchProblem, tasks: SavedTasks, ranked: list[Candidate], budget_seconds: float | None
) -> list[Candidate]:
    """The candidates, and the best of them and new tasks refined by rounds; strongest first."""
    config, state = run.config, tasks.encoder_state
    run.record["refinement_steps"] = 0
    if config.refinement.meta_steps == 0:
        return ranked
    if state is None:
        run.screen.note("not refined: there is no checkpoint/encoder.safetensors beside the tasks")
        return ranked
    start, max_steps = time.monotonic(), config.refinement.meta_steps
    inner = pose_refinement(
        run.dataset,
        run.model,
        run.target.values,
        config.discovery,
        config.refinement,
        config.selection,
        seed=config.seed,
        device=run.device,
        images=run.images,
    )
    runners = [
        Runner(candidate, start_refinement(inner, candidate_start(candidate), state))
        for candidate in choose_starts(ranked, config.refinement)
    ]
    with run.screen.progress("refine", budget_seconds or max_steps) as progress:

        def on_step(steps: list[RefinementStep]) -> None:
            step, elapsed = steps[0].step, time.monotonic() - start
            failures = " ".join(f"{each.failure:.3f}" for each in steps)
            left = foretell_left(step, elapsed, max_steps, budget_seconds)
            progress.advance(
                (step if budget_seconds is None else elapsed) - progress.done,
                f"step {step} failure {failures} left {left:.0f} s",
            )

        deadline = None if budget_seconds is None else start + budget_seconds
        found = refine_by_rounds(problem, inner, runners, config.refinement, config.search, deadline, on_step)
    run.timed("refine", start)
    run.record["refinement"] = [
        {**runner.candidate.describe(), "history": [dataclasses.asdict(step) for step in runner.refinement.history]}
        for runner in runners
    ]
    run.record["refinement_steps"] = max(runner.meta_steps for runner in runners)
    return add_refined(ranked, found, config.search)


def candidate_start(candidate: Candidate) -> Start:
    """Where the refinement of a candidate starts."""
    return Start(candidate.task, np.array(candidate.class_sides), candidate.draw)


def print_split(run: Run, split: Split, best: Candidate) -> None:
    counts = ", ".join(f"{part} {n}" for part, n in split.counts().items() if n)
    run.screen.note(f"{best.name}, sides {format_sides(best.class_sides)}: {counts}")
    groups = split.metadata["groups"]
    if groups is not None:
        missed = ", ".join(f"{part} {n:+d}" for part, n in groups["miss"].items() if n) or "none"
        run.screen.note(f"{groups['n_groups']} groups of '{groups['column']}' kept whole; rows off the sizes: {missed}")
        return
    advice = advise_alignment(split.metadata["alignment"], run.config.selection)
    run.screen.note(advice or "alignment 1.000: all of train lies on the task's side")


def format_sides(sides: tuple[int, ...]) -> str:
    plus, minus = ([str(c) for c, s in enumerate(sides) if s == sign] for sign in (1, -1))
    return f"{','.join(plus)} | {','.join(minus)}"


def make(run: Run, budget_seconds: float | None) -> None:
    """Everything, from the dataset to a verified split."""
    for_discovery, for_refinement = share_budget(run.config, budget_seconds)
    tasks = run_discovery(run, for_discovery)
    split = run_split(run, tasks, for_refinement)
    run_verification(run, split)
    close_run(run)


def discover(run: Run, budget_seconds: float | None) -> None:
    """Tasks only."""
    run_discovery(run, budget_seconds)
    close_run(run)


def resplit(run: Run, tasks_path: Path, budget_seconds: float | None) -> None:
    """Another split from saved tasks. budget_seconds: for refinement."""
    tasks = read_tasks(tasks_path)
    check_tasks_belong(tasks, str(tasks_path), run.dataset)
    split = run_split(run, tasks, budget_seconds)
    run_verification(run, split)
    close_run(run)


def verify(run: Run, split_path: Path, models: Sequence[str] = ()) -> None:
    """Judge an existing index file; by several models, how its failure carries over to each of them.

    models: names; the run's own model where there are none.
    """
    split = read_split(split_path)
    check_belongs(split, str(split_path), run.dataset.fingerprint, run.dataset.labels)
    check_groups_known(run, split)
    if len(models) > 1:
        run_transfer(run, split, models)
    else:
        run_verification(run, split)
    close_run(run)
