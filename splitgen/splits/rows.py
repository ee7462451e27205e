"""The rows and the metadata of an index file, schema 1 (docs/method.md, section 9), and what they cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from splitgen.errors import RowsError, SplitFileError
from splitgen.settings.faults import show_value
from splitgen.shapes import IndexShape, find_misfit
from splitgen.splits.provenance import IMPORTED, read_way
from splitgen.whole import NotWholeError, to_reals, to_whole

AGAIN = "make the split again"
LABEL = "label"
NUMBER = re.compile("[0-9]{1,9}", re.ASCII)
BY_CLASS = ("class_sides", "train_thresholds", "test_thresholds")  # of the metadata: a value for each class
PARTS = ("train", "validation", "test", "reserve")
SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("id", pa.string()),
        ("label", pa.int32()),
        ("target", pa.int32()),
        ("split", pa.string()),
        ("score", pa.float32()),
        ("margin", pa.float32()),
    ]
)


def check_index_file(path: str, frame: pd.DataFrame, metadata: Mapping[str, Any]) -> None:
    """Columns and metadata are those of a split that can be. Raises `SplitFileError` or `RowsError`."""
    misfit = find_misfit(metadata, IndexShape)
    if misfit is not None:
        raise SplitFileError(path, f"in its metadata {misfit}", AGAIN)
    is_imported = read_way(metadata) == IMPORTED
    if not is_imported and None in (metadata.get("class_sides"), metadata.get("alignment")):
        problem = "in its metadata 'class_sides' or 'alignment' is missing, which a split of a task has"
        raise SplitFileError(path, problem, AGAIN)
    missing = [name for name in SCHEMA.names if name not in frame.columns]
    if missing:
        raise SplitFileError(path, f"column '{missing[0]}' is missing", AGAIN)
    if not len(frame):
        raise RowsError(path, "it has no rows", AGAIN)
    check_order(path, frame)
    check_parts(path, frame["split"])
    if frame[["label", "target", "id"]].isna().any(axis=None):
        raise RowsError(path, "a label, target or id is empty", AGAIN)
    check_ids(path, frame["id"])
    labels, targets = (check_numbers(path, frame, name, len(frame)) for name in ("label", "target"))
    check_targets(path, labels, targets, metadata.get("target"))
    check_classes(path, labels, metadata)
    for name in ("score", "margin"):
        check_reals(path, frame[name], may_lack=is_imported)


def check_order(path: str, frame: pd.DataFrame) -> None:
    """Every row is there once, and in order. Raises `RowsError`."""
    index = check_numbers(path, frame, "index", 2**63)
    if len(np.unique(index)) < len(index):
        doubled = int(index[frame["index"].duplicated()][0])
        raise RowsError(path, f"row {doubled} stands twice, so parts overlap", AGAIN)
    if not np.array_equal(index, np.arange(len(index))):
        raise RowsError(path, f"index is not 0..{len(index) - 1} in order", AGAIN)


def check_parts(path: str, parts: pd.Series[Any]) -> None:
    """Parts are known, and train and test have rows. Raises `RowsError`."""
    unknown = [part for part in parts if not isinstance(part, str) or part not in PARTS]
    if unknown:
        raise RowsError(path, f"unknown part {unknown[0]!r}", f"parts are {', '.join(PARTS)}")
    for part in ("train", "test"):
        if not (parts == part).any():
            raise RowsError(path, f"no row is in {part}", f"a split has train and test rows; {AGAIN}")


def check_numbers(path: str, frame: pd.DataFrame, name: str, below: int) -> np.ndarray:
    """A column as int64 [N], 0..below - 1. Raises `RowsError`."""
    try:
        return to_whole(frame[name].to_numpy(), 0, below)
    except NotWholeError as error:
        allowed = "whole numbers from 0" if below >= 2**63 else f"whole numbers, 0..{below - 1}"
        problem = f"column '{name}' has {error.shown} in row {error.position}"
        raise RowsError(path, problem, f"it takes {allowed}; {AGAIN}") from error


def check_ids(path: str, ids: pd.Series[Any]) -> None:
    """Ids are texts, each once. Raises `RowsError`."""
    other = next((key for key in ids if not isinstance(key, str)), None)
    if other is not None:
        raise RowsError(path, f"id {other!r} is no text", AGAIN)
    if ids.duplicated().any():
        raise RowsError(path, f"id '{ids[ids.duplicated()].iloc[0]}' stands twice", AGAIN)


def check_targets(path: str, labels: np.ndarray, targets: np.ndarray, spec: str | None) -> None:
    """A target is told by the label alone, as the spec says where there is one: "label", or the numbers of the classes
    of side 1. labels, targets: [N]. Raises `RowsError`, or `SplitFileError` for another spec."""
    by_label = np.zeros(len(labels), dtype=np.int64)  # labels are below N
    by_label[labels] = targets
    differs = np.flatnonzero(by_label[labels] != targets)
    if len(differs):
        row = int(differs[0])
        label = labels[row]
        problem = f"label {label} has the target {targets[row]} in row {row} and {by_label[label]} in another"
        raise RowsError(path, problem, f"a label has one target; {AGAIN}")
    if spec is None:
        return
    numbers = [] if spec == LABEL else spec.split(",")
    if not all(NUMBER.fullmatch(number) for number in numbers):
        problem = f"in its metadata 'target' is {show_value(spec)}"
        raise SplitFileError(path, problem, f"it is 'label', or numbers of classes as in '0,1'; {AGAIN}")
    expected = np.isin(labels, [int(number) for number in numbers]) if numbers else labels
    differs = np.flatnonzero(targets != expected)
    if len(differs):
        row = int(differs[0])
        problem = (
            f"label {labels[row]} has the target {targets[row]} in row {row}, which its target '{spec}' does not give"
        )
        raise RowsError(path, problem, AGAIN)


def check_classes(path: str, labels: np.ndarray, metadata: Mapping[str, Any]) -> None:
    """What the metadata tell of each class is of the classes that there are. labels: [N]. Raises `RowsError` or
    `SplitFileError`."""
    n_classes, highest = len(metadata["dataset"]["class_names"]), int(labels.max())
    if highest >= n_classes:
        raise RowsError(path, f"label {highest} has no name in 'class_names', which has {n_classes}", AGAIN)
    for name in BY_CLASS:
        values = metadata.get(name) or ()
        if len(values) not in (0, n_classes):
            problem = f"in its metadata '{name}' has {len(values)} values for {n_classes} classes"
            raise SplitFileError(path, problem, AGAIN)
    worst = (metadata.get("verification") or {}).get("worst_class", 0)
    if worst >= n_classes:
        problem = f"in its metadata 'verification.worst_class' is {worst}, none of {n_classes} classes"
        raise SplitFileError(path, problem, AGAIN)


def check_reals(path: str, column: pd.Series[Any], may_lack: bool) -> None:
    """Numbers that float32 holds; where they may lack, NaN as well. Raises `RowsError`."""
    values = to_reals(column.to_numpy())
    if values is None:
        raise RowsError(path, f"column '{column.name}' has values that are no numbers", AGAIN)
    if not ((np.abs(values) <= np.finfo(np.float32).max) | (np.isnan(values) & may_lack)).all():
        raise RowsError(path, f"column '{column.name}' has values that are NaN or infinite", AGAIN)
