"""A run that is to be repeated: its settings, and what its budget chose and allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitgen.errors import RunFolderError
from splitgen.settings.layers import Settings
from splitgen.store.recall import read_record, recall_settings


@dataclass(frozen=True)
class Replay:
    """settings: as they were asked for. chosen: what was chosen within the budget, or done, by stage.

    way: to find tasks, if not by discovery. threads: of torch, on which the bytes depend.
    """

    settings: Settings
    chosen: Mapping[str, Any]
    way: str | None
    threads: int | None


def recall_replay(path: Path, command: str) -> Replay:
    """The run in a folder, or that of a run.json. Raises `RunFolderError` where there is none, or one of another
    command."""
    folder = path.parent if path.name == "run.json" else path
    record = read_record(folder)
    if not record:
        raise RunFolderError(str(path), "there is no run.json in it", "give the folder of a run")
    if record.get("command") != command:
        raise RunFolderError(
            str(path), f"it is a run of '{record.get('command')}'", f"repeat it by splitgen {record.get('command')}"
        )
    chosen, config, environment = (record.get(name, {}) for name in ("chosen", "config", "environment"))
    settings = recall_settings(folder, {"config": config})
    return Replay(settings, chosen, record.get("way"), environment.get("threads"))
