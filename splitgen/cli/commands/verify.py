"""`splitgen verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import OF_RUN, Given, takes

if TYPE_CHECKING:
    from splitgen.models.bench import Bench
    from splitgen.settings.stages import RunConfig


@takes(settings=("seed", "data", "training", "verification"), call=("verify_budget", *OF_RUN), recalls=True)
def verify(
    split_path: Annotated[Path, typer.Argument(metavar="SPLIT", help="run folder or split.parquet")],
    given: Given,
    model: Annotated[
        list[str] | None, typer.Option(help="as in make (default the split's own); several give one table of them")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="folder for the judged copy and run.json")] = None,
) -> None:
    """Judge an existing index file.

    What is not given is as the run that made the split recorded it.
    """
    from splitgen.splits.split import read_split
    from splitgen.store.recall import recall_settings

    split, models = read_split(split_path), model or []

    def check_split(bench: Bench, config: RunConfig) -> None:
        from splitgen.runs.verify import check_judged

        check_judged(bench, split, split_path, models if len(models) > 1 else [])

    run = open_new_run(
        "verify",
        given | {"model": models[0] if models else None},
        below=recall_settings(split_path, split.metadata),
        default_out=False,
        check_more=check_split,
    )
    from splitgen.runs import stages

    stages.verify(run, split, models)
    print_json(given["as_json"], run.record)
