"""`splitgen show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splitgen.cli.options import choose_settings
from splitgen.cli.output import check_folder, print_json
from splitgen.cli.parameters import Given, takes


@takes(
    settings=("data",),
    without=("data.metadata", "data.group_column", "data.duplicates"),
    call=("config", "as_json"),
    recalls=True,
)
def show(
    split_path: Annotated[Path, typer.Argument(metavar="SPLIT", help="run folder or split.parquet")],
    given: Given,
    images: Annotated[
        Path | None, typer.Option(help="folder to write contact sheets to, as PNG", show_default=False)
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="for --images (default the run's own)")] = None,
) -> None:
    """Print what an index file or a run holds; with --images, draw its datapoints."""
    from splitgen.screen.console import Screen
    from splitgen.screen.show import describe_split, print_run, print_split
    from splitgen.splits.split import check_belongs, read_split
    from splitgen.store.recall import read_record, recall_run

    if images is not None:
        check_folder(images)
    found, record, screen = read_split(split_path), read_record(split_path), Screen(as_json=given["as_json"])
    print_split(screen, found)
    print_run(screen, record)
    print_json(given["as_json"], describe_split(found))
    if images is not None:
        from splitgen.data.sources.registry import open_dataset
        from splitgen.report.pictures import write_sheets

        opened = open_dataset(choose_settings(given, recall_run(split_path)).config.data)
        check_belongs(found, str(split_path), opened.fingerprint, opened.labels, opened.ids)
        sheets = write_sheets(opened, found, images)
        screen.note(f"{len(sheets)} contact sheets written to {images}")
