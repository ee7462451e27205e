"""The stages in their order: discover -> agreement -> scores -> split -> verify, and the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from splitgen.runs.report import run_explanation, run_report
from splitgen.runs.run import Run, close_run, share_budget
from splitgen.runs.split import run_split
from splitgen.runs.tasks import run_tasks
from splitgen.runs.verify import run_transfer, run_verification
from splitgen.settings.stop import Stop
from splitgen.splits.grouping import check_groups_known
from splitgen.splits.split import Split, check_belongs, read_split
from splitgen.tasks.tasks_file import SavedTasks, check_tasks_belong, read_tasks


def make(run: Run) -> None:
    """Everything, from the dataset to a verified split and its report."""
    stops = share_budget(run)
    tasks = run_tasks(run, stops.discovery)
    finish(run, run_split(run, tasks, stops.refinement), tasks)


def finish(run: Run, split: Split | None, tasks: SavedTasks) -> None:
    """Verify the split, where there is one, explain the tasks, and write run.json and the report."""
    run.tasks = tasks
    if split is not None:
        split, run.verification = run_verification(run, split)
    run.split = split
    explanations = run_explanation(run, split, tasks)
    close_run(run)
    run_report(run, explanations)


def discover(run: Run) -> None:
    """Tasks only: they have all of the budget."""
    stop = Stop(run.config.discovery.meta_steps, run.budget_seconds)
    finish(run, None, run_tasks(run, stop))


def resplit(run: Run, tasks_path: Path) -> None:
    """Another split from saved tasks: refinement has all of the budget."""
    tasks = read_tasks(tasks_path)
    check_tasks_belong(tasks, str(tasks_path), run.dataset)
    run.record["tasks"] = str(tasks_path.resolve())
    stop = Stop(run.config.refinement.meta_steps, run.budget_seconds)
    finish(run, run_split(run, tasks, stop), tasks)


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
