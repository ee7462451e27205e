"""`splitgen compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import EVERYTHING, OF_RUN, Given, takes


@takes(settings=EVERYTHING, without=("search.task",), call=("budget", "labels", *OF_RUN))
def compare(
    given: Given,
    splits: Annotated[
        list[Path] | None, typer.Option("--split", help="an index file to judge too, several times", show_default=False)
    ] = None,
) -> None:
    """Set discovered tasks beside every baseline: same sizes, same search, same judge."""
    run = open_new_run("compare", given)
    from splitgen.runs.compare import compare as compare_splitters

    compare_splitters(run, splits or [])
    print_json(given["as_json"], run.record)
