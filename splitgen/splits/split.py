"""The split record and its Parquet index file, schema 1 (docs/method.md, section 9)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from splitgen.claims import check_finished, find_in_folder
from splitgen.data.row_names import Names, list_namings, sample_labels
from splitgen.errors import FingerprintError, RowsError, SchemaVersionError, SplitFileError
from splitgen.ids import find_other_name
from splitgen.parquet import read_parquet, write_parquet
from splitgen.settings.layers import find_rule
from splitgen.settings.stages import HALVES
from splitgen.splits.provenance import Provenance, read_provenance
from splitgen.splits.rows import PARTS, SCHEMA, check_index_file
from splitgen.whole import NotWholeError, to_whole

SCHEMA_VERSION = 1
SAME_ROWS = "give the dataset that it was made of, in the same order"


@dataclass(frozen=True)
class Split:
    """A split of a whole dataset: disjoint parts that together are all N datapoints.

    index, label, target: int [N]; ids: N keys; parts: [N] of `PARTS`; scores, margins: float32 [N].
    metadata: the JSON object of the file: dataset, target, task, class sides, thresholds, alignment,
        config, seed, meta-steps, agreement score, verification.
    """

    ids: tuple[str, ...]
    labels: np.ndarray
    targets: np.ndarray
    parts: np.ndarray
    scores: np.ndarray
    margins: np.ndarray
    metadata: dict[str, Any]

    @property
    def n_points(self) -> int:
        return len(self.labels)

    @property
    def class_names(self) -> list[str]:
        """Of its dataset; none where the file does not tell."""
        return list(self.metadata.get("dataset", {}).get("class_names", []))

    @cached_property
    def provenance(self) -> Provenance:
        """How it came about, as its metadata tells."""
        return read_provenance(self.metadata)

    @property
    def rule(self) -> str:
        """By which its classes were parted; files of earlier versions know one alone."""
        return str(find_rule(self.metadata.get("config")) or HALVES)

    def indices(self, part: str) -> np.ndarray:
        """Positions in the source of one part, int64 ascending. Raises `ValueError` for another word."""
        if part not in PARTS:
            raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
        return np.flatnonzero(self.parts == part)

    def counts(self) -> dict[str, int]:
        """Rows of each part."""
        return {part: int((self.parts == part).sum()) for part in PARTS}

    def subset(self, dataset: Any, part: str) -> Any:
        """`torch.utils.data.Subset` of one part.

        dataset: a torch dataset, or splitgen's own, with the rows of this split's source in its order.
        Raises `RowsError` for one of another length; `FingerprintError` for one with other names of rows (paths, ids:
        `splitgen.data.row_names`), with other labels (by its `targets` or `labels`, else by a hundred of its items) or,
        where splitgen opened it, another fingerprint.
        """
        from torch.utils.data import Subset

        if not hasattr(dataset, "__len__"):
            raise RowsError("split", f"a {type(dataset).__name__} has no length", SAME_ROWS)
        check_length(self, "split", len(dataset))
        check_names(self, "split", list_namings(dataset))
        if isinstance(getattr(dataset, "fingerprint", None), str):
            check_belongs(self, "split", dataset.fingerprint, dataset.labels, dataset.ids)
        else:
            check_labels(self, "split", *sample_labels(dataset, self.class_names))
        return Subset(dataset, self.indices(part).tolist())

    def with_metadata(self, **entries: Any) -> Split:
        """The same split with entries added to, or replaced in, its metadata."""
        return replace(self, metadata={**self.metadata, **entries})

    def to_frame(self) -> pd.DataFrame:
        """One row a datapoint, in source order, with the columns of schema 1."""
        return pd.DataFrame(
            {
                "index": np.arange(self.n_points),
                "id": list(self.ids),
                "label": self.labels,
                "target": self.targets,
                "split": self.parts.astype(object),
                "score": self.scores,
                "margin": self.margins,
            }
        )


def write_split(split: Split, path: Path | str) -> None:
    """Write the index file; an existing file is replaced in one step."""
    metadata = {**split.metadata, "schema_version": SCHEMA_VERSION}
    write_parquet(split.to_frame(), SCHEMA, metadata, Path(path))


def read_split(path: Path | str) -> Split:
    """Read an index file. path: the file, or the run folder that holds it.

    Raises `SplitFileError` for a file that is none, `SchemaVersionError` for another schema version, `RunFolderError`
    where the run has not come to it,
    `RowsError` for rows that are doubled, missing or in an unknown part, and for labels, targets or ids that cannot be.
    """
    folder, path = Path(path), find_index_file(Path(path))
    if not path.exists():
        check_finished(folder)
    remedy = "give a split.parquet that splitgen wrote"
    try:
        frame, metadata = read_parquet(path)
    except ValueError as error:
        raise SplitFileError(str(path), str(error), remedy) from error
    if metadata is None or "schema_version" not in metadata:
        raise SplitFileError(str(path), "it has no splitgen metadata", remedy)
    if metadata["schema_version"] != SCHEMA_VERSION:
        raise SchemaVersionError(
            str(path), f"schema version {metadata['schema_version']}", f"this splitgen reads version {SCHEMA_VERSION}"
        )
    check_index_file(str(path), frame, metadata)
    return Split(
        tuple(frame["id"]),
        frame["label"].to_numpy(np.int64),
        frame["target"].to_numpy(np.int64),
        frame["split"].to_numpy(dtype="U10"),
        frame["score"].to_numpy(np.float32),
        frame["margin"].to_numpy(np.float32),
        metadata,
    )


def hash_rows(split: Split) -> str:
    """SHA-256 of what a judgement depends on: ids, targets and parts of all rows in order; not of the metadata, which
    a verification changes."""
    digest = hashlib.sha256()
    for key, part in zip(split.ids, split.parts, strict=True):
        digest.update(f"{len(key)} {key} {part}\n".encode("utf-8", "surrogateescape"))
    digest.update(np.ascontiguousarray(split.targets, dtype="<i8").tobytes())
    return f"sha256:{digest.hexdigest()}"


def find_index_file(path: Path) -> Path:
    """The index file of a run folder, or the path itself. Raises `SplitFileError` for a path that names nothing."""
    return find_in_folder(path, "split.parquet", SplitFileError)


def check_length(split: Split, path: str, n_points: int) -> None:
    """Raise `RowsError` for a dataset of another length."""
    if split.n_points != n_points:
        raise RowsError(path, f"the split has {split.n_points} rows, the dataset {n_points}", SAME_ROWS)


def check_names(split: Split, path: str, namings: Sequence[Names]) -> None:
    """Raise `FingerprintError` where a dataset's names of the rows, N each, are not those of the split's ids."""
    for names in namings:
        row = find_other_name(split.ids, names)
        if row is not None:
            problem = f"the split has the id '{split.ids[row]}' in row {row}, the dataset '{names[row]}'"
            raise FingerprintError(path, problem, SAME_ROWS)


def check_labels(split: Split, path: str, rows: np.ndarray, labels: np.ndarray) -> None:
    """Raise `FingerprintError` where the labels [n] of some rows [n] are neither the split's labels nor its targets.

    Labels that count from 1, or leave numbers out, are the split's where they are its labels in the same order: it was
    made with classes numbered anew, as some of torchvision's need.
    """
    if labels.ndim != 1:
        raise FingerprintError(path, f"the dataset's labels have the shape {labels.shape}, not one a row", SAME_ROWS)
    try:
        labels = to_whole(labels, -(2**63), 2**63, allow_booleans=True)
    except NotWholeError as error:
        problem = f"the dataset's label of row {int(rows[error.position])} is {error.shown}, no class"
        raise FingerprintError(path, problem, SAME_ROWS) from error
    differs = labels != split.labels[rows]
    if differs.any() and (labels != split.targets[rows]).any() and not is_renumbered(split.labels[rows], labels):
        row = int(rows[differs][0])
        raise FingerprintError(path, f"the dataset's label of row {row} is not {split.labels[row]}", SAME_ROWS)


def is_renumbered(labels: np.ndarray, others: np.ndarray) -> bool:
    """Whether others [n] are the labels [n] with other numbers, a larger one for a larger label."""
    (_, ranks), (_, other_ranks) = (np.unique(each, return_inverse=True) for each in (labels, others))
    return np.array_equal(ranks, other_ranks)


def check_belongs(split: Split, path: str, fingerprint: str, labels: np.ndarray, ids: Sequence[str]) -> None:
    """Raise `FingerprintError` or `RowsError` where the split was made of other data. labels, ids: [N], of the
    dataset."""
    check_length(split, path, len(labels))
    recorded = split.metadata.get("dataset", {}).get("fingerprint")
    remedy = "make the split again: somebody has changed it" if recorded == fingerprint else SAME_ROWS
    row = next((row for row, (own, other) in enumerate(zip(split.ids, ids, strict=True)) if own != other), None)
    if row is not None:
        problem = f"the split has the id '{split.ids[row]}' in row {row}, the dataset '{ids[row]}'"
        raise FingerprintError(path, problem, remedy)
    differs = np.flatnonzero(split.labels != labels)
    if len(differs):
        row = int(differs[0])
        problem = f"the split has the label {split.labels[row]} in row {row}, the dataset {labels[row]}"
        raise FingerprintError(path, problem, remedy)
    check_fingerprint(path, recorded, fingerprint)


def check_fingerprint(path: str, recorded: str | None, fingerprint: str) -> None:
    """Raise `FingerprintError` where a file was made of a dataset with another fingerprint than this one."""
    if recorded != fingerprint:
        problem = f"its dataset has the fingerprint {recorded}, this one {fingerprint}"
        raise FingerprintError(path, problem, SAME_ROWS)
