"""`splitgen settings`."""

from __future__ import annotations

import typer


def print_settings() -> None:
    """Print every setting as Markdown: its table in the TOML file, type, default, option and meaning."""
    from splitgen.cli.reference import render_reference

    typer.echo(render_reference())
