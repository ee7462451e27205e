"""What commands write beside a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from splitgen.errors import SettingError


def check_output(path: Path) -> None:
    """Raise `SettingError` before the work where its result could not be written."""
    from splitgen.parquet import find_output_fault

    fault = find_output_fault(path)
    if fault is not None:
        raise SettingError(fault)


def check_folder(path: Path) -> None:
    """Raise `SettingError` before the work where a folder could not be made, or written into."""
    from splitgen.parquet import find_folder_fault

    fault = find_folder_fault(path)
    if fault is not None:
        raise SettingError(fault)


def print_json(wanted: bool, record: dict[str, Any]) -> None:
    if wanted:
        typer.echo(json.dumps(record, indent=2, allow_nan=False))
