"""The stages in their order: discover -> agreement -> scores -> split -> verify, and the run folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from splitgen.runs.report import run_explanation, run_report
from splitgen.runs.run import Run, close_run
from splitgen.runs.split import run_split
from splitgen.runs.tasks import run_tasks
from splitgen.runs.verify import run_transfer, run_verification
from splitgen.settings.presets import NO_STOP
from splitgen.settings.stages import RunConfig
from splitgen.splits.grouping import check_groups_known
from splitgen.splits.split import Split, check_belongs, read_split
from splitgen.tasks.tasks_file import SavedTasks, check_tasks_belong, read_tasks


def without_stop(config: RunConfig, stage: str) -> RunConfig:
    """The same settings with the budget as the only stop of "discovery" or "refinement"."""
    return dataclasses.replace(config, **{stage: dataclasses.replace(getattr(config, stage), meta_steps=NO_STOP)})


def share_budget(config: RunConfig, budget_seconds: float | None) -> tuple[float | None, float | None]:
    """Seconds for discovery, and for refinement."""
    if budget_seconds is None or config.refinement.meta_steps == 0:
        return budget_seconds, None
    share = config.refinement.budget_share
    return (1 - share) * budget_seconds, share * budget_seconds


def make(run: Run, budget_seconds: float | None) -> None:
    """Everything, from the dataset to a verified split and its report."""
    for_discovery, for_refinement = share_budget(run.config, budget_seconds)
    tasks = run_tasks(run, for_discovery)
    finish(run, run_split(run, tasks, for_refinement), tasks)


def finish(run: Run, split: Split | None, tasks: SavedTasks) -> None:
    """Verify the split, where there is one, explain the tasks, and write run.json and the report."""
    run.tasks = tasks
    if split is not None:
        split, run.verification = run_verification(run, split)
    run.split = split
    explanations = run_explanation(run, split, tasks)
    close_run(run)
    run_report(run, explanations)


def discover(run: Run, budget_seconds: float | None) -> None:
    """Tasks only."""
    finish(run, None, run_tasks(run, budget_seconds))


def resplit(run: Run, tasks_path: Path, budget_seconds: float | None) -> None:
    """Another split from saved tasks. budget_seconds: for refinement."""
    tasks = read_tasks(tasks_path)
    check_tasks_belong(tasks, str(tasks_path), run.dataset)
    run.record["tasks"] = str(tasks_path.resolve())
    finish(run, run_split(run, tasks, budget_seconds), tasks)


def verify(run: Run, split_path: Path, models: Sequence[str] = ()) -> None:
    """Judge an existing index file; by several models, how its failure carries over to each of them.

    models: names; the run's own model where there are none.
    """
    split = read_split(split_path)
    check_belongs(split, str(split_path), run.dataset.fingerprint, run.dataset.labels, run.dataset.ids)
    check_groups_known(split.metadata, run.dataset.groups)
    if len(models) > 1:
        run_transfer(run, split, models)
    else:
        run_verification(run, split)
    close_run(run)
