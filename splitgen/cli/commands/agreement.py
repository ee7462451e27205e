"""`splitgen agreement`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import KEPT, Given, takes


@takes(settings=("model", "weights", "freeze", "seed", "data", "training", "agreement", "selection.target"), call=KEPT)
def agreement(
    given: Given,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="labellings of your own: Parquet or CSV, id and a column for each; words and whole numbers are"
            " classes, other numbers are parted at their median"
        ),
    ] = None,
    tasks_path: Annotated[
        Path | None, typer.Option("--tasks", help="tasks of a run folder or tasks.parquet, found by whatever model")
    ] = None,
) -> None:
    """Score how far networks agree on labellings: a run's tasks, your own, the target, and a random one.

    Two constants agree, too: what the networks did not fit says little, and is marked.
    """
    from splitgen.runs.agreement import collect_labellings, score_labellings
    from splitgen.tasks.tasks_file import find_tasks_file

    found: dict[str, Any] = {}
    files = {} if labels is None else {"labels": labels}
    if tasks_path is not None:
        files["tasks"] = find_tasks_file(tasks_path)
    run = open_new_run(
        "agreement",
        {**given, "labels": None},
        check_more=lambda bench, config: found.update(collect_labellings(bench, labels, tasks_path)),
        files=files,
    )
    score_labellings(run, found, {"labels": labels, "tasks": tasks_path})
    print_json(given["as_json"], run.record)
