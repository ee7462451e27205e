"""`splitgen report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splitgen.cli.options import choose_settings
from splitgen.cli.output import check_output
from splitgen.cli.parameters import Given, takes


@takes(settings=("data",), without=("data.group_column", "data.duplicates"), call=("config", "quiet"), recalls=True)
def report(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="run folder or split.parquet")],
    given: Given,
    others: Annotated[
        list[Path] | None, typer.Argument(metavar="[MORE]...", help="folders of verify and compare on the same data")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="as in make (default the run's own)", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(help="file to write (default RUN/report.html)")] = None,
) -> None:
    """Make report.html again: the split and its tasks in pictures and words, in one file."""
    from splitgen.data.sources.registry import open_dataset
    from splitgen.runs.report import report_folder
    from splitgen.screen.console import Screen
    from splitgen.store.recall import recall_run

    settings = choose_settings(given, recall_run(path)).config
    target = (path if path.is_dir() else path.parent) / "report.html" if out is None else out
    check_output(target)
    report_folder(open_dataset(settings.data), path, others or [], settings.seed, target)
    Screen(given["quiet"]).note(f"written to {target}")
