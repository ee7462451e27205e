"""The tasks file: margins of every discovered task, so that splits can be made without discovering again."""

from __future__ import annotations

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

from splitgen.data.dataset import ImageDataset
from splitgen.errors import TasksFileError
from splitgen.parquet import read_parquet, replacing, write_parquet
from splitgen.shapes import TasksShape, find_misfit
from splitgen.whole import NotWholeError, to_reals, to_whole

TASKS_SCHEMA_VERSION = 1
LARGEST = 1e37  # of a margin: float32 holds it, and differences of it
ENCODER_FILE = Path("checkpoint") / "encoder.safetensors"


@dataclass(frozen=True)
class SavedTasks:
    """Discovered tasks as a file has them.

    margins: float32 [N, K].
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


def write_tasks(tasks: SavedTasks, path: Path | str) -> None:
    """Write the tasks file; an existing file is replaced in one step."""
    columns = [f"task_{k}" for k in range(tasks.n_tasks)]
    frame = pd.DataFrame(tasks.margins, columns=columns)
    frame.insert(0, "index", np.arange(len(frame)))
    schema = pa.schema([("index", pa.int64()), *((name, pa.float32()) for name in columns)])
    write_parquet(frame, schema, {**tasks.metadata, "tasks_schema_version": TASKS_SCHEMA_VERSION}, Path(path))


def read_tasks(path: Path | str) -> SavedTasks:
    """Read a tasks file, or the one in a run folder. Raises `TasksFileError`."""
    path = Path(path)
    if path.is_dir():
        path = path / "tasks.parquet"
    remedy = "give a run folder of 'splitgen make' or 'splitgen discover', or its tasks.parquet"
    try:
        frame, metadata = read_parquet(path)
    except ValueError as error:
        raise TasksFileError(str(path), str(error), remedy) from error
    if metadata is None or metadata.get("tasks_schema_version") != TASKS_SCHEMA_VERSION:
        raise TasksFileError(str(path), f"it has no tasks of schema version {TASKS_SCHEMA_VERSION}", remedy)
    misfit = find_misfit(metadata, TasksShape)
    if misfit is not None:
        raise TasksFileError(str(path), f"in its metadata {misfit}", "discover the tasks again")
    return SavedTasks(read_margins(str(path), frame), metadata, read_encoder(path.parent / ENCODER_FILE))


def read_margins(path: str, frame: pd.DataFrame) -> np.ndarray:
    """Margins of the columns task_0, task_1, ..., float32 [N, K]. Raises `TasksFileError` for rows out of order and
    for margins that are no numbers."""
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
