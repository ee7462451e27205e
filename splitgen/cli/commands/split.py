"""`splitgen split`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import KEPT, Given, takes
from splitgen.cli.several import split_several
from splitgen.errors import SettingError

if TYPE_CHECKING:
    from splitgen.models.bench import Bench
    from splitgen.settings.stages import RunConfig


@takes(
    settings=(
        *("model", "discovery_model", "weights", "freeze", "seed"),
        *("data", "training", "discovery.trunk", "discovery.trunk_weights"),
        *("refinement", "selection", "search", "verification"),
    ),
    call=("budget", "verify_budget", "replay", *KEPT),
    recalls=True,
)
def split(
    tasks_path: Annotated[Path, typer.Argument(metavar="TASKS", help="run folder or tasks.parquet")],
    given: Given,
    targets: Annotated[
        Path | None,
        typer.Option(help='TOML with a line NAME = "0,1,2" for each target: a split of each, in a folder of that name'),
    ] = None,
    each_task: Annotated[bool, typer.Option("--each-task", help="with --targets: one of each task, too")] = False,
) -> None:
    """Make and verify a split from saved tasks: another target, other sizes, another reserve.

    What is not given is as the run that found the tasks recorded it.
    """
    from splitgen.store.recall import recall_settings
    from splitgen.tasks.tasks_file import find_tasks_file, read_tasks

    tasks = read_tasks(tasks_path)
    below = None if given["replay"] is not None else recall_settings(tasks_path, tasks.metadata)
    if targets is not None:
        return print_json(given["as_json"], split_several(given, below or {}, tasks, tasks_path))
    if each_task:
        raise SettingError("--each-task goes with --targets FILE; for one split of one task give --task")

    def check_all(bench: Bench, config: RunConfig) -> None:
        from splitgen.runs.split import check_tasks

        check_tasks(bench, config, tasks, tasks_path)

    files = {"tasks": find_tasks_file(tasks_path)}
    run = open_new_run("split", given, below=below, check_more=check_all, files=files)
    from splitgen.runs import stages

    stages.resplit(run, tasks, tasks_path)
    return print_json(given["as_json"], run.record)
