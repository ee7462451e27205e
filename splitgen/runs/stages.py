"""The stages in their order: discover -> agreement -> scores -> split -> verify, and the run folder."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from splitgen.models.registry import ModelFactory
from splitgen.runs.budget import CHOSEN, SLACK, default_seconds, share_out, share_seconds
from splitgen.runs.finding import count_tried
from splitgen.runs.fitting import choose_sizes, foretell_least
from splitgen.runs.forecast import find_meta_steps, foretell_stages, foretell_verification
from splitgen.runs.report import run_explanation, run_report
from splitgen.runs.run import Run, close_run
from splitgen.runs.split import run_split
from splitgen.runs.tasks import run_tasks
from splitgen.runs.verify import measure_sizes, run_transfer, run_verification, settle_verification
from splitgen.screen.outlook import Outlook, tell_seconds
from splitgen.splits.provenance import DISCOVERED
from splitgen.splits.split import Split
from splitgen.tasks.tasks_file import SavedTasks

DISCOVER = ("discover", "agreement")
SPLIT = ("search", "tangent", "refine", "sharpen", "final", CHOSEN)
MAKE, MAKE_OTHERWISE = (*DISCOVER, *SPLIT), ("agreement", "search", "final")


def make(run: Run) -> None:
    """Everything, from the dataset to a verified split and its report."""
    with run.at_work():
        begin(run, MAKE if run.way == DISCOVERED else MAKE_OTHERWISE, run.config.discovery.n_tasks)
        tasks = run_tasks(run)
        finish(run, run_split(run, tasks), tasks)


def begin(run: Run, stages: Sequence[str], n_tasks: int, *, verifies: bool = True) -> None:
    """Share the budget out, where there is one, or choose sizes for the default time, and say what is planned and
    foretold. n_tasks: found or to be found."""
    choose_by_default(run, stages, n_tasks, verifies)
    left, until = run.clock.left, None
    planned: dict[str, float] = {}
    if left is not None or not run.screen.is_quiet:  # else nobody is told, and nothing is measured
        planned = foretell(run, stages, n_tasks)
    if left is not None:
        run.clock.shares = planned = share_budget(run, left, stages, planned, n_tasks)
        until = time.monotonic() + max(left, sum(planned.values()))
    if planned:
        parts = ", ".join(f"{stage} {tell_seconds(seconds)}" for stage, seconds in planned.items())
        whole = tell_seconds(sum(planned.values()))
        is_within = left is not None and sum(planned.values()) <= left + 1
        run.screen.note(f"plan: {parts}; {f'{whole} of the budget are left' if is_within else f'about {whole} in all'}")
        run.record.setdefault("foretold_seconds", {}).update(planned)
    bounded = frozenset(planned if until is not None else ())
    if verifies and (seconds := settle_verification(run, run.sizes)) is not None:
        planned = {**planned, "verify": seconds}
    run.screen.outlook = Outlook(planned, bounded, until, start=run.clock.start) if planned else None


def share_budget(
    run: Run, left: float, stages: Sequence[str], foretold: Mapping[str, float], n_tasks: int
) -> dict[str, float]:
    """What is left of a budget by stage; a note where it is less than the least that the stages take. foretold: of
    those whose meta-steps are given, as large as they are."""
    shares, most = share_out(run.config, stages), {stage: SLACK * seconds for stage, seconds in foretold.items()}
    least = foretell_least(run.pace, run.sizes, run.dataset.n_points, run.config, list(shares), n_tasks)
    if sum(least.values()) > left:
        whole, budget = tell_seconds(sum(least.values())), tell_seconds(run.clock.seconds or 0.0)
        run.screen.note(f"the budget of {budget} is short: the smallest stages of this model take about {whole}")
    return share_seconds(left, shares, most, least)


def choose_by_default(run: Run, stages: Sequence[str], n_tasks: int, verifies: bool) -> None:
    """Where all meta-steps are left open, and this machine would take longer than the data's size is worth, the
    stages are made smaller: at once, so that what the run gives depends on nothing that the clock says later."""
    with_steps = find_meta_steps(run.config).keys() & set(stages)
    if not with_steps or not run.open_steps >= with_steps:
        return
    config, dataset, n_points = run.config, run.dataset, run.dataset.n_points
    seconds = default_seconds(n_points * dataset.n_channels * dataset.image_size**2)
    if verifies:
        verification = foretell_verification(run.pace, run.sizes, config.verification, config.training)
        seconds = max(seconds - verification, seconds / 2)
    shares = share_out(config, MAKE)
    seconds *= sum(shares.get(stage, 0.0) for stage in stages) / sum(shares.values())
    foretold = sum(foretell(run, stages, n_tasks).values())
    if foretold <= seconds:
        return
    run.settle(**choose_sizes(seconds, run.pace, run.sizes, n_points, config, stages, n_tasks))
    run.screen.note(
        f"made smaller for this machine: all would take about {tell_seconds(foretold)}; --budget gives more time"
    )


def foretell(run: Run, stages: Sequence[str], n_tasks: int) -> dict[str, float]:
    """Seconds of those of the stages that take part."""
    taking_part = list(share_out(run.config, stages))
    return foretell_stages(run.pace, run.sizes, run.dataset.n_points, run.config, taking_part, n_tasks)


def finish(run: Run, split: Split | None, tasks: SavedTasks) -> None:
    """Verify the split, where there is one, explain the tasks, and write run.json and the report."""
    run.tasks = tasks
    if split is not None:
        split, run.verification = run_verification(run, split)
    run.split = split
    explanations = run_explanation(run, split, tasks)
    close_run(run, lambda: run_report(run, explanations))


def discover(run: Run) -> None:
    """Tasks only: they have all of the budget."""
    with run.at_work():
        begin(run, DISCOVER, run.config.discovery.n_tasks, verifies=False)
        finish(run, None, run_tasks(run))


def resplit(run: Run, tasks: SavedTasks, tasks_path: Path) -> None:
    """Another split from saved tasks of the run's dataset: search, refinement and sharpening have all of the budget.
    tasks_path: where they were read, for the record."""
    run.record["tasks"] = str(tasks_path.resolve())
    with run.at_work():
        begin(run, SPLIT, count_tried(run, tasks.n_tasks))
        finish(run, run_split(run, tasks), tasks)


def verify(run: Run, split: Split, others: Sequence[ModelFactory] = ()) -> None:
    """Judge an existing split of the run's dataset by the run's model; by others too, how its failure carries over to
    each of them."""
    with run.at_work():
        if others:
            run_transfer(run, split, others)
        else:
            settle_verification(run, measure_sizes(run, split))
            run_verification(run, split)
        close_run(run)
