"""`splitgen make`."""

from __future__ import annotations

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import EVERYTHING, OF_RUN, Given, takes


@takes(
    settings=EVERYTHING,
    without=("search.task",),
    call=("budget", "verify_budget", "replay", "tasks_from", "labels", *OF_RUN),
)
def make(given: Given) -> None:
    """Discover tasks, make a split of them, and verify it."""
    run = open_new_run("make", given)
    from splitgen.runs import stages

    stages.make(run)
    print_json(given["as_json"], run.record)
