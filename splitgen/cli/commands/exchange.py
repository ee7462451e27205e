"""`splitgen export` and `splitgen import`: splits for other libraries, and from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splitgen.cli.options import choose_settings
from splitgen.cli.output import check_output
from splitgen.cli.parameters import Given, takes
from splitgen.errors import SettingError

LAYOUT = Annotated[
    str | None,
    typer.Option(
        help="of celeba: official (0 train, 1 validation, 2 test) or paper (0 train, 1 test, 2 the official test)",
        show_default=False,
    ),
]


@takes(settings=("data.metadata",), call=("quiet",))
def export(
    split_path: Annotated[Path, typer.Argument(metavar="SPLIT", help="run folder or split.parquet")],
    to: Annotated[str, typer.Option(help="who reads it: csv, jsonl, huggingface, celeba, wilds, ...")],
    out: Annotated[Path, typer.Option(help="file or folder to write")],
    given: Given,
    images: Annotated[Path | None, typer.Option(help="folder that the ids are paths in", show_default=False)] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="copy what links in --images point to outside of it, too")
    ] = False,
    attribute_column: Annotated[
        str | None, typer.Option(help="of the metadata, for wilds, subpopbench, group-dro", show_default=False)
    ] = None,
    layout: LAYOUT = None,
    partition: Annotated[
        Path | None,
        typer.Option(help="for celeba: the official partition file, whose rows are all written", show_default=False),
    ] = None,
) -> None:
    """Write a split in the format that another library reads."""
    from splitgen.data.metadata import read_codes
    from splitgen.exports.registry import export_split
    from splitgen.screen.console import Screen
    from splitgen.splits.split import read_split

    found, metadata = read_split(split_path), given["metadata"]
    if (metadata is None) != (attribute_column is None):
        raise SettingError("--metadata and --attribute-column go together: the table, and its column")
    attributes = None
    if metadata is not None and attribute_column is not None:
        attributes = read_codes(Path(metadata), attribute_column, found.ids)
    export_split(
        found,
        to,
        out,
        images=images,
        attributes=attributes,
        follow_links=follow_links,
        layout=layout,
        partition=partition,
    )
    Screen(given["quiet"]).note(f"written to {out}")


@takes(
    settings=("data", "selection.target"),
    without=("data.metadata", "data.group_column", "data.duplicates"),
    call=("config", "quiet"),
)
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON Lines, npz, CelebA partition, tensor pairs")],
    out: Annotated[Path, typer.Option(help="index file to write")],
    given: Given,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="csv, jsonl, npz, celeba, tensors (default by suffix)", show_default=False),
    ] = None,
    layout: LAYOUT = None,
) -> None:
    """Read a split that splitgen did not make into an index file, so that verify and check judge it."""
    from splitgen.data.sources.registry import open_dataset
    from splitgen.exports.reading import read_foreign_split
    from splitgen.screen.console import Screen
    from splitgen.splits.split import write_split

    check_output(out)
    settings = choose_settings(given, None).config
    data = settings.data
    found = read_foreign_split(path, open_dataset(data), settings.selection.target, kind, data, layout=layout)
    write_split(found, out)
    counts = ", ".join(f"{part} {n}" for part, n in found.counts().items() if n)
    Screen(given["quiet"]).note(f"{counts}; written to {out}")
