"""`splitgen cache`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splitgen.cli.output import print_json


def cache(
    folder: Annotated[
        Path | None, typer.Option("--cache", help="the cache folder (default the user's own)", show_default=False)
    ] = None,
    clear: Annotated[str | None, typer.Option(help="entry to remove, or all", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the result as one JSON object")] = False,
) -> None:
    """List the decoded images that are kept for the next run, or remove them."""
    from splitgen.cli.cache_listing import show_cache
    from splitgen.screen.console import Screen

    print_json(as_json, show_cache(Screen(as_json=as_json), folder, clear))
