"""`splitgen split`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import OF_RUN, Given, takes

if TYPE_CHECKING:
    from splitgen.models.bench import Bench


@takes(
    settings=(
        "model",
        "discovery_model",
        "seed",
        "data",
        "training",
        "refinement",
        "selection",
        "search",
        "verification",
    ),
    call=("budget", "verify_budget", "replay", *OF_RUN),
    recalls=True,
)
def split(
    tasks_path: Annotated[Path, typer.Argument(metavar="TASKS", help="run folder or tasks.parquet")],
    given: Given,
) -> None:
    """Make and verify a split from saved tasks: another target, other sizes, another reserve.

    What is not given is as the run that found the tasks recorded it.
    """
    from splitgen.store.recall import recall_settings
    from splitgen.tasks.tasks_file import check_tasks_belong, read_tasks

    tasks = read_tasks(tasks_path)
    below = None if given["replay"] is not None else recall_settings(tasks_path, tasks.metadata)

    def check_tasks(bench: Bench) -> None:
        check_tasks_belong(tasks, str(tasks_path), bench.dataset)

    run = open_new_run("split", given, below=below, check_more=check_tasks)
    from splitgen.runs import stages

    stages.resplit(run, tasks, tasks_path)
    print_json(given["as_json"], run.record)
