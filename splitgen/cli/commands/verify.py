"""`splitgen verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import OF_RUN, Given, takes
from splitgen.errors import SettingError

if TYPE_CHECKING:
    from splitgen.models.bench import Bench
    from splitgen.settings.stages import RunConfig


@takes(
    settings=("weights", "freeze", "seed", "data", "training", "verification"),
    call=("verify_budget", *OF_RUN),
    recalls=True,
)
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
    from splitgen.models.registry import start_recorded
    from splitgen.splits.split import find_index_file, read_split
    from splitgen.store.recall import recall_settings

    split, models = read_split(split_path), model or []
    if len(models) > 1 and (given["weights"] is not None or given["freeze"]):
        raise SettingError("--weights are of one model, got several --model; verify this one by itself")
    below = recall_settings(split_path, split.metadata)
    others = [start_recorded(name, below) for name in models[1:]]

    def check_split(bench: Bench, config: RunConfig) -> None:
        from splitgen.runs.verify import check_judged

        check_judged(bench, split, split_path, others)

    run = open_new_run(
        "verify",
        given | {"model": models[0] if models else None},
        below=below,
        default_out=False,
        check_more=check_split,
        files={"split": find_index_file(split_path)},
        more={"models": models[1:]},
    )
    from splitgen.runs import stages

    stages.verify(run, split, others)
    print_json(given["as_json"], run.record)
