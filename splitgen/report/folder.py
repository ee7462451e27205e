"""What a run folder holds, as far as it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from splitgen.data.target import LABEL
from splitgen.errors import RunFolderError, TasksFileError
from splitgen.splits.split import Split, read_split
from splitgen.store.recall import read_record
from splitgen.tasks.tasks_file import SavedTasks, read_tasks


@dataclass(frozen=True)
class RunFolder:
    """A run folder, or an index file that stands alone.

    split, tasks: None where the folder has none (`discover` makes no split). record: run.json, or {}.
    """

    path: Path
    split: Split | None
    tasks: SavedTasks | None
    record: dict[str, Any]


def read_run_folder(path: Path) -> RunFolder:
    """Read a run folder or an index file. Raises `RunFolderError`, or the error of the file that is broken."""
    if not path.is_dir():
        return RunFolder(path, read_split(path), None, {})
    record = read_record(path)
    split = read_split(path) if (path / "split.parquet").exists() else None
    if split is not None and record.get("confusion"):
        check_confusions(path, split, record["confusion"])
    tasks = read_run_tasks(path, record)
    if split is None and tasks is None and not record:
        raise RunFolderError(str(path), "it holds no run", "give the folder of a splitgen run, or a split.parquet")
    return RunFolder(path, split, tasks, record)


def check_confusions(path: Path, split: Split, stored: Mapping[str, Any]) -> None:
    """Raise `RunFolderError` where the confusions of run.json are not of the split's classes and outputs."""
    spec = split.metadata.get("target", LABEL)
    wanted = (int(split.labels.max()) + 1, len(split.class_names) if spec == LABEL else 2)
    for part, each in stored.items():
        found = tuple(each["shape"]) if isinstance(each, Mapping) else np.shape(each)
        if found != wanted:
            problem = f"in its run.json 'confusion.{part}' has the shape {found}, the split needs {wanted}"
            raise RunFolderError(str(path), problem, "make the run again")


def read_run_tasks(path: Path, record: dict[str, Any]) -> SavedTasks | None:
    """The folder's tasks, else those that its split was made of, where they are still there."""
    if (path / "tasks.parquet").exists():
        return read_tasks(path)
    made_of = record.get("tasks")
    if made_of is None:
        return None
    try:
        return read_tasks(made_of)
    except TasksFileError:
        return None
