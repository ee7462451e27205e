"""Splits that others made, as splitgen's own record, so that `verify`, `check` and `compare` can judge them.

Rows that a file does not name are reserve: nobody uses them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from splitgen._version import __version__
from splitgen.archives import ArchiveError, check_packed, open_npz
from splitgen.data.dataset import ImageDataset, describe_dataset
from splitgen.data.target import make_target
from splitgen.errors import RowsError, SplitFileError
from splitgen.exports.celeba import LAYOUTS, OFFICIAL, place_partition
from splitgen.ids import Places, tell_key
from splitgen.json_text import parse_json
from splitgen.settings.stages import DataConfig
from splitgen.splits.provenance import IMPORTED, Provenance
from splitgen.splits.rows import PARTS
from splitgen.splits.split import Split
from splitgen.tables.keys import INDEX_COLUMN, KeyFault, check_agreement, find_name, locate
from splitgen.tables.table import Table, read_table
from splitgen.whole import NotWholeError, to_whole

# SubpopBench has a number of its own as id.
ID_COLUMNS = ("image_id", "img_filename", "filename", "id", "file_name", "file_path", "filepath", "path", "image_path")
PART_COLUMNS = ("split", "partition")
WORDS = {
    **{part: part for part in PARTS},
    **{"val": "validation", "valid": "validation", "dev": "validation"},
    **{"0": "train", "1": "validation", "2": "test", "-1": "reserve"},
}
FOLDS = ("index", "test_fold")  # of scikit-learn's PredefinedSplit
DIGITS = re.compile(r"-?[0-9]{1,18}")
DEEPEST = 10  # nesting of a pair of tensors; a pickled list can hold itself

Rows = Mapping[str, np.ndarray]  # positions in the source by part


def read_foreign_split(
    path: Path | str,
    dataset: ImageDataset,
    target: str = "label",
    kind: str | None = None,
    data: DataConfig | None = None,
    *,
    layout: str | None = None,
) -> Split:
    """A split of the dataset from a file that splitgen did not write.

    kind: a name of `READERS`; None goes by the file's suffix. data: how the dataset was opened, for who opens it again.
    layout: of CelebA's partition file, a name of `LAYOUTS`.
    Raises `SplitFileError` for a file that cannot be read, `RowsError` for rows out of range, ids that the dataset
    does not have, rows in two parts or named twice, and parts of an unknown name.
    """
    path = Path(path)
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind is None:
        kind = "celeba" if layout is not None else SUFFIXES.get(suffix, suffix)
    if kind not in READERS:
        problem = f"unknown format '{kind}'"
        raise SplitFileError(str(path), problem, f"give --format, one of {', '.join(READERS)}")
    if layout is not None and (kind != "celeba" or layout not in LAYOUTS):
        problem = f"unknown layout '{layout}' of the format '{kind}'"
        raise SplitFileError(str(path), problem, f"give --format celeba, and --layout {' or '.join(LAYOUTS)}")
    try:
        rows = read_celeba(path, dataset, layout) if layout is not None else READERS[kind](path, dataset)
    except OSError as error:
        raise SplitFileError(
            str(path), f"cannot be read ({error.strerror or error})", "give an existing file"
        ) from error
    parts = place_rows(str(path), rows, dataset.n_points)
    nothing = np.full(dataset.n_points, np.nan, dtype=np.float32)
    chosen = make_target(dataset, target)
    metadata = {
        "splitgen_version": __version__,
        "dataset": describe_dataset(dataset),
        "target": chosen.spec,
        **Provenance(IMPORTED, None, IMPORTED).describe(),
        "config": {"selection": {"target": target}, "data": (data or DataConfig()).describe_opening()},
        "verification": None,
    }
    return Split(dataset.ids, dataset.labels, chosen.values, parts, nothing, nothing, metadata)


def place_rows(path: str, rows: Rows, n_points: int) -> np.ndarray:
    """The part of every row, [N] of `PARTS`. Raises `RowsError`."""
    parts = np.full(n_points, "", dtype="<U10")
    for part, given in rows.items():
        bad = given[(given < 0) | (given >= n_points)]
        if len(bad):
            raise RowsError(path, f"row {int(bad[0])} in {part} is out of range", f"rows are 0..{n_points - 1}")
        taken = given[parts[given] != ""]
        if len(taken):
            row = int(taken[0])
            raise RowsError(path, f"row {row} is in {parts[row]} and in {part}", "every row goes to one part")
        if len(np.unique(given)) < len(given):
            values, counts = np.unique(given, return_counts=True)
            raise RowsError(path, f"row {int(values[counts > 1][0])} stands twice in {part}", "name every row once")
        parts[given] = part
    for part in ("train", "test"):
        if not (parts == part).any():
            raise RowsError(path, f"no row is in {part}", "a split has train and test rows")
    return np.where(parts == "", "reserve", parts)


def place_table(path: Path, dataset: ImageDataset, table: Table) -> Rows:
    """Rows of a table with a column for the part, and one for the row's index or id; both must agree."""
    part_column = find_column(path, table, PART_COLUMNS, "part")
    words = [(tell_key(word) or "").strip() for word in table.frame[part_column]]
    unknown = next((row for row, word in enumerate(words) if word not in WORDS), None)
    if unknown is not None:
        problem = f"unknown part '{words[unknown]}' in row {unknown}"
        raise RowsError(str(path), problem, f"parts are {', '.join(WORDS)}")
    positions = find_rows(path, dataset, table)
    parts = np.array([WORDS[word] for word in words], dtype="<U10")
    return {part: positions[parts == part] for part in PARTS}


def find_rows(path: Path, dataset: ImageDataset, table: Table) -> np.ndarray:
    """Positions of a table's rows in the source, int64 [n]. Raises `RowsError`."""
    places = Places(dataset.ids)
    id_column = next((found for name in ID_COLUMNS if (found := find_name(table, name)) is not None), None)
    try:
        if INDEX_COLUMN not in table.names:
            return look_up_ids(path, table.frame[id_column or find_column(path, table, ID_COLUMNS, "row")], places)
        positions = index_numbers(path, table.typed(INDEX_COLUMN))
        if id_column is not None:
            check_agreement(positions, table.frame[id_column], places)
        return positions
    except KeyFault as error:
        raise RowsError(str(path), error.problem, error.remedy) from error


def find_column(path: Path, table: Table, names: tuple[str, ...], what: str) -> str:
    """The first of the names that the table has."""
    for name in names:
        if name in table.names:
            return name
    problem = f"no column for the {what} among {table.tell_names()}"
    raise SplitFileError(str(path), problem, f"name it {' or '.join(names)}")


def index_numbers(path: Path, column: pd.Series[Any]) -> np.ndarray:
    """Whole numbers, int64 [n]; digits as text, as some JSON has them, are numbers."""
    values = [int(v) if isinstance(v, str) and DIGITS.fullmatch(v) else v for v in column]
    try:
        return to_whole(np.fromiter(values, dtype=object, count=len(values)), -(2**63), 2**63)
    except NotWholeError as error:
        problem = f"column '{column.name}' has {error.shown}, which is no row number"
        raise RowsError(str(path), problem, "number rows from 0") from error


def look_up_ids(path: Path, column: pd.Series[Any], places: Places) -> np.ndarray:
    """Positions of ids, int64 [n]. Raises `RowsError`, or `KeyFault` for one that could be two."""
    positions = locate(column, places)
    if (positions < 0).any():
        row = int(np.flatnonzero(positions < 0)[0])
        key = tell_key(column.iloc[row])
        problem = f"row {row} has no {column.name}" if key is None else f"the dataset has no id '{key}'"
        raise RowsError(str(path), problem, f"its ids look like '{places.ids[0]}'")
    return positions


def read_csv(path: Path, dataset: ImageDataset) -> Rows:
    """CSV with a header: `index` or one of `ID_COLUMNS`, and `split` or `partition`."""
    try:
        table = read_table(path)
    except ValueError as error:
        raise SplitFileError(str(path), str(error), "give a CSV file") from error
    return place_table(path, dataset, table)


def read_celeba(path: Path, dataset: ImageDataset, layout: str = OFFICIAL) -> Rows:
    """CelebA's partition file, in either layout."""
    places = Places(dataset.ids)
    ids = place_partition(path, layout, set(dataset.ids))
    try:
        return {
            part: look_up_ids(path, pd.Series(keys, name="image_id", dtype=object), places)
            for part, keys in ids.items()
        }
    except KeyFault as error:
        raise RowsError(str(path), error.problem, error.remedy) from error


def read_json_lines(path: Path, dataset: ImageDataset) -> Rows:
    """One JSON object a line, with the keys of the CSV's columns."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")  # a text may hold what else ends a line
        records = [parse_json(line) for line in lines if line.strip()]
        if not all(isinstance(record, dict) for record in records):
            raise ValueError("a line is no object")
        table = Table(pd.DataFrame(records))
    except ValueError as error:
        raise SplitFileError(str(path), "it is no JSON Lines file", "give one JSON object a line") from error
    return place_table(path, dataset, table)


def read_npz(path: Path, dataset: ImageDataset) -> Rows:
    """Arrays of positions named train, test, and as may be validation and reserve; or index and test_fold."""
    try:
        with open_npz(path) as archive:
            names = list(archive.members)
            is_folds = {"index", "test_fold"} <= set(names)
            wanted = [name for name in names if name in (FOLDS if is_folds else WORDS)]
            arrays = {name: archive.read(name) for name in wanted}
    except ArchiveError as error:
        raise SplitFileError(str(path), f"it is no npz file of arrays: {error.problem}", error.remedy) from error
    known = read_folds(path, arrays["index"], arrays["test_fold"]) if is_folds else arrays
    if len({WORDS[name] for name in known}) < len(known):
        raise RowsError(str(path), f"two of {', '.join(known)} name one part", f"name each once, of {', '.join(PARTS)}")
    if not known or any(not np.issubdtype(rows.dtype, np.integer) for rows in known.values()):
        problem = f"no whole numbers under train and test, but {', '.join(names) or 'nothing'}"
        raise SplitFileError(str(path), problem, "give arrays train and test of row numbers")
    return {WORDS[name]: number_rows(path, name, rows, dataset) for name, rows in known.items()}


def read_folds(path: Path, index: np.ndarray, fold: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of scikit-learn's `PredefinedSplit`: fold -1 is always train, fold 0 is test. Raises `RowsError`."""
    if index.ndim != 1 or index.shape != fold.shape:
        problem = f"index has the shape {index.shape}, test_fold {fold.shape}"
        raise RowsError(str(path), problem, "give one fold for each row number")
    try:
        fold = to_whole(fold, -(2**63), 2**63)
    except NotWholeError as error:
        problem = f"test_fold has {error.shown} in row {error.position}, which is no fold"
        raise RowsError(str(path), problem, "give -1 for train and 0 for test") from error
    beyond = np.setdiff1d(fold, (-1, 0))
    if len(beyond):
        problem = f"test_fold has the fold {beyond[0]}: its rows are train in one split of several, and test in another"
        raise RowsError(str(path), problem, "give one split, with fold -1 for train and 0 for test")
    return {"train": index[fold == -1], "test": index[fold == 0]}


def number_rows(path: Path, part: str, rows: np.ndarray, dataset: ImageDataset) -> np.ndarray:
    """Row numbers of a part, of any shape, as int64 [n], in the dataset's range. Raises `RowsError`."""
    if rows.size > dataset.n_points:  # before it is copied: a tensor that repeats itself is small in its file
        problem = f"{part} has {rows.size} rows, the dataset {dataset.n_points}"
        raise RowsError(str(path), problem, "name every row once")
    try:
        return to_whole(rows.ravel(), 0, dataset.n_points)
    except NotWholeError as error:
        if not error.is_whole:
            raise RowsError(str(path), f"{part} has {error.shown}, no row number", "number rows from 0") from error
        allowed = f"rows are 0..{dataset.n_points - 1}"
        raise RowsError(str(path), f"row {error.shown} in {part} is out of range", allowed) from error


def read_pairs(path: Path, dataset: ImageDataset) -> Rows:
    """TaskDiscovery's `[task][split] -> (train_ids, test_ids)`: its first task and split."""
    import torch

    try:
        check_packed(path)
        with warnings.catch_warnings(action="ignore"):  # torch tells of pickles and tensors that are refused anyway
            found = torch.load(path, weights_only=True)
        for _ in range(DEEPEST):
            if isinstance(found, (tuple, list)) and len(found) == 2 and torch.is_tensor(found[0]):
                break
            found = found[next(iter(found), None)] if isinstance(found, dict) else found[0]
        train, test = (part.numpy() for part in found)
    except ArchiveError as error:
        raise SplitFileError(str(path), error.problem, error.remedy) from error
    except Exception as error:  # of bytes that are none of its own, torch raises whatever it meets
        remedy = "give what torch.load reads as [task][split] -> (train_ids, test_ids)"
        raise SplitFileError(str(path), "it holds no pair of index tensors", remedy) from error
    return {part: number_rows(path, part, rows, dataset) for part, rows in (("train", train), ("test", test))}


READERS: dict[str, Callable[[Path, ImageDataset], Rows]] = {
    "csv": read_csv,
    "jsonl": read_json_lines,
    "npz": read_npz,
    "celeba": read_celeba,
    "tensors": read_pairs,
}
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".npz": "npz",
    ".pt": "tensors",
    ".pth": "tensors",
}
