"""The tasks file: margins of every discovered task, so that splits can be made without discovering again."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from splitgen.claims import check_finished, find_in_folder
from splitgen.data.dataset import ImageDataset
from splitgen.errors import TasksFileError
from splitgen.parquet import read_parquet, replacing, write_parquet
from splitgen.shapes import TasksShape, find_misfit
from splitgen.tasks.found import count_values
from splitgen.whole import NotWholeError, to_reals, to_whole

TASKS_SCHEMA_VERSION = 1
VALUES_SCHEMA_VERSION = 2  # of tasks of more than two values, which have a column for each; else as version 1
LARGEST = 1e37  # of a margin: float32 holds it, and differences of it
ENCODER_FILE = Path("checkpoint") / "encoder.safetensors"


@dataclass(frozen=True)
class SavedTasks:
    """Discovered tasks as a file has them.

    margins: float32 [N, K], or [N, K, V] of tasks of more than two values.
    metadata: dataset, model, config, seed, meta-steps, and the agreement scores of the tasks.
    encoder_state: the task encoder's weights by name; None where the file stands alone, without its
        run folder's checkpoint.
    """

    margins: np.ndarray
    metadata: dict[str, Any]
    encoder_state: Mapping[str, torch.Tensor] | None = None

    @property
    def way(self) -> str:
        """What found them; files of earlier versions hold discovered tasks."""
        return str(self.metadata.get("way", "discovered"))

    @property
    def n_tasks(self) -> int:
        return int(self.margins.shape[1])

    @property
    def n_values(self) -> int:
        """Of each task."""
        return count_values(self.margins)

    @property
    def contrasts(self) -> dict[str, np.ndarray]:
        """Margins [N] with two sides each, by name: of the tasks, or of each of their values against the best other."""
        if self.n_values == 2:
            return {f"task {k}": self.margins[:, k] for k in range(self.n_tasks)}
        found = {}
        for k, v in itertools.product(range(self.n_tasks), range(self.n_values)):
            others = np.delete(self.margins[:, k], v, axis=1).max(axis=1)
            found[f"task {k} value {v}"] = self.margins[:, k, v] - others
        return found


def name_columns(n_tasks: int, n_values: int) -> list[str]:
    """The columns of margins: one for each task of two values, else one for each value of each task."""
    if n_values == 2:
        return [f"task_{k}" for k in range(n_tasks)]
    return [f"task_{k}_value_{v}" for k in range(n_tasks) for v in range(n_values)]


def write_tasks(tasks: SavedTasks, path: Path | str) -> None:
    """Write the tasks file; an existing file is replaced in one step."""
    columns = name_columns(tasks.n_tasks, tasks.n_values)
    frame = pd.DataFrame(tasks.margins.reshape(len(tasks.margins), -1), columns=columns)
    frame.insert(0, "index", np.arange(len(frame)))
    schema = pa.schema([("index", pa.int64()), *((name, pa.float32()) for name in columns)])
    version = TASKS_SCHEMA_VERSION if tasks.margins.ndim == 2 else VALUES_SCHEMA_VERSION
    write_parquet(frame, schema, {**tasks.metadata, "tasks_schema_version": version}, Path(path))


def find_tasks_file(path: Path) -> Path:
    """The tasks file of a run folder, or the path itself. Raises `TasksFileError` for a path that names nothing."""
    return find_in_folder(path, "tasks.parquet", TasksFileError)


def read_tasks(path: Path | str) -> SavedTasks:
    """Read a tasks file, or the one in a run folder.

    Raises `TasksFileError`, `RunFolderError` where the run has not come to it.
    """
    folder, path = Path(path), find_tasks_file(Path(path))
    if not path.exists():
        check_finished(folder)
    remedy = "give a run folder of 'splitgen make' or 'splitgen discover', or its tasks.parquet"
    try:
        frame, metadata = read_parquet(path)
    except ValueError as error:
        raise TasksFileError(str(path), str(error), remedy) from error
    known = (TASKS_SCHEMA_VERSION, VALUES_SCHEMA_VERSION)
    if metadata is None or metadata.get("tasks_schema_version") not in known:
        raise TasksFileError(str(path), f"it has no tasks of schema version {' or '.join(map(str, known))}", remedy)
    misfit = find_misfit(metadata, TasksShape)
    if misfit is not None:
        raise TasksFileError(str(path), f"in its metadata {misfit}", "discover the tasks again")
    margins = read_margins(str(path), frame)
    if metadata["tasks_schema_version"] == VALUES_SCHEMA_VERSION:
        margins = part_values(str(path), frame, margins)
    return SavedTasks(margins, metadata, read_encoder(path.parent / ENCODER_FILE))


def part_values(path: str, frame: pd.DataFrame, margins: np.ndarray) -> np.ndarray:
    """Margins [N, K * V] of the columns task_0_value_0, task_0_value_1, ..., as [N, K, V]. Raises `TasksFileError`
    where a column is missing."""
    names = [name for name in frame.columns if str(name).startswith("task_")]
    n_values = sum(name.startswith("task_0_") for name in names)
    if n_values < 3 or names != name_columns(len(names) // n_values, n_values):
        problem = f"its columns are not those of 3 values or more for each task, but {', '.join(names)}"
        raise TasksFileError(path, problem, "discover the tasks again")
    return margins.reshape(len(margins), -1, n_values)


def read_margins(path: str, frame: pd.DataFrame) -> np.ndarray:
    """Margins of the columns task_0, task_1, ..., float32 [N, columns]. Raises `TasksFileError` for rows out of order
    and for margins that are no numbers."""
    remedy = "discover the tasks again"
    columns = [name for name in frame.columns if str(name).startswith("task_")]
    if not columns or not len(frame) or "index" not in frame.columns:
        raise TasksFileError(path, f"it has no rows of index and tasks, but {', '.join(map(str, frame))}", remedy)
    try:
        index = to_whole(frame["index"].to_numpy(), 0, len(frame))
    except NotWholeError as error:
        raise TasksFileError(path, f"its index has {error.shown} in row {error.position}", remedy) from error
    differs = np.flatnonzero(index != np.arange(len(frame)))
    if len(differs):
        problem = f"its rows are not those of a dataset in order (row {differs[0]} has the index {index[differs[0]]})"
        raise TasksFileError(path, problem, remedy)
    for name in columns:
        margins = to_reals(frame[name].to_numpy())
        if margins is None or not (np.abs(margins) <= LARGEST).all():
            raise TasksFileError(path, f"column '{name}' has values that are no numbers, or too large", remedy)
    return frame[columns].to_numpy(np.float32)


def write_encoder(encoder_state: Mapping[str, torch.Tensor], path: Path) -> None:
    """The task encoder's weights into a safetensors file, which follows the umask, as `save_file` alone does not."""
    with replacing(path) as temporary:
        save_file(dict(encoder_state), temporary)


def read_encoder(path: Path) -> dict[str, torch.Tensor] | None:
    """The task encoder's weights from a file, None where there is none. Raises `TasksFileError` for a broken one."""
    if not path.exists():
        return None
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TasksFileError(str(path), f"it cannot be read ({error})", "delete it to go without refinement") from error


def check_tasks_belong(tasks: SavedTasks, path: str, dataset: ImageDataset) -> None:
    """Raise `TasksFileError` where the tasks were discovered on other data."""
    remedy = "give the dataset that the tasks were discovered on, in the same order"
    if len(tasks.margins) != dataset.n_points:
        raise TasksFileError(path, f"it has {len(tasks.margins)} rows, the dataset {dataset.n_points}", remedy)
    recorded = tasks.metadata.get("dataset", {}).get("fingerprint")
    if recorded != dataset.fingerprint:  # it is of ids and labels in their order, too
        problem = f"its dataset has the fingerprint {recorded}, this one {dataset.fingerprint}"
        raise TasksFileError(path, problem, remedy)
