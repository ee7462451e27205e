"""`splitgen make`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import EVERYTHING, KEPT, Given, takes

if TYPE_CHECKING:
    from splitgen.models.bench import Bench
    from splitgen.settings.stages import RunConfig


@takes(
    settings=EVERYTHING,
    without=("search.task",),
    call=("budget", "verify_budget", "replay", "tasks_from", "labels", *KEPT),
)
def make(given: Given) -> None:
    """Discover tasks, make a split of them, and verify it."""

    def check_values(bench: Bench, config: RunConfig) -> None:
        from splitgen.runs.split import check_task_values

        check_task_values(config.discovery.task_values)

    run = open_new_run("make", given, check_more=check_values)
    from splitgen.runs import stages

    stages.make(run)
    print_json(given["as_json"], run.record)
