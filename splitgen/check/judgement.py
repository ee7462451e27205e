"""What a model does on a split: figures by training it, or from predictions that were made elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from splitgen.check.classes import check_classes
from splitgen.errors import PredictionsError
from splitgen.ids import Places, find_doubled
from splitgen.splits.split import Split
from splitgen.tables.keys import INDEX_COLUMN, KeyFault, advise_column, check_agreement, find_id_column, find_keys
from splitgen.tables.table import Table, read_table
from splitgen.verification.chance import measure_chance, tell_unlearned
from splitgen.whole import NotWholeError, to_whole

if TYPE_CHECKING:
    from splitgen.verification.verification import Verification

WHY_MISSING = {
    "gap": "it needs predictions of the split's validation rows, too",
    "fair_drop": "it needs --control-predictions: of the test rows, by models trained on random rows without them",
}
# What a model must have learned before its failure says anything, and what each figure is of.
LEARNED = {"train_holdout_accuracy": "held-out train rows", "recoverable_accuracy": "the test rows in the control"}
PREDICTION_COLUMNS = ("prediction", "predicted")


@dataclass(frozen=True)
class Judgement:
    """Figures of one model on one split.

    model: its name, or the name of the file with its predictions.
    figures: values by name, one a seed. n_test: rows of the test part. worst_class: name of the class with the
        lowest test accuracy. chance_accuracy: of the best constant guess. why_missing: by name, why a figure is not
        there.
    """

    model: str
    figures: dict[str, tuple[float, ...]]
    n_test: int
    worst_class: str
    chance_accuracy: float
    why_missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def means(self) -> dict[str, float]:
        return {name: float(np.mean(values)) for name, values in self.figures.items()}

    @property
    def unlearned(self) -> str | None:
        """Why the model, or the control, has not learned, as far as the figures tell; None where it has."""
        means = self.means
        learned = {rows: means[name] for name, rows in LEARNED.items() if name in means}
        return tell_unlearned(self.model, learned, self.chance_accuracy)


def judge_by_verification(result: Verification, class_names: Sequence[str]) -> Judgement:
    """The figures of a verification, and the gap between held-out train rows and test."""
    figures = {name: figure.values for name, figure in result.figures.items()}
    pairs = zip(figures["train_holdout_accuracy"], figures["test_accuracy"], strict=True)
    figures["gap"] = tuple(holdout - test for holdout, test in pairs)
    return Judgement(result.model, figures, result.n_test, class_names[result.worst_class], result.chance_accuracy)


def judge_predictions(
    split: Split, predictions: np.ndarray, model: str, control: np.ndarray | None = None
) -> Judgement:
    """Figures of predictions, by a model that was trained on the split's train rows.

    predictions: int [N], -1 where a row has none; every test row needs one, and validation rows give the gap.
    control: int [N], for the test rows by models of the same kind that were trained on random rows without them.
    Raises `PredictionsError` where a test row has no prediction.
    """
    test = score_part(split, predictions, "test", model)
    labels, validation = split.labels[split.indices("test")], split.indices("validation")
    present, which, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    accuracies = np.bincount(which, weights=test) / sizes
    worst = int(present[accuracies.argmin()])
    figures = {"test_accuracy": float(test.mean()), "worst_class_accuracy": float(accuracies.min())}
    if len(validation) and (predictions[validation] >= 0).all():
        figures["train_holdout_accuracy"] = float(score_part(split, predictions, "validation", model).mean())
        figures["gap"] = figures["train_holdout_accuracy"] - figures["test_accuracy"]
    if control is not None:
        figures["recoverable_accuracy"] = float(score_part(split, control, "test", "control").mean())
        figures["fair_drop"] = figures["recoverable_accuracy"] - figures["test_accuracy"]
    return Judgement(
        model,
        {name: (value,) for name, value in figures.items()},
        len(test),
        name_class(split, worst),
        measure_chance(split.targets[split.indices("test")]),
        WHY_MISSING,
    )


def score_part(split: Split, predictions: np.ndarray, part: str, name: str) -> np.ndarray:
    """Whether each row of a part is predicted right, bool [n]."""
    rows = split.indices(part)
    without = rows[predictions[rows] < 0]
    if len(without):
        problem = f"{len(without)} of {len(rows)} {part} rows have no prediction (first: row {int(without[0])})"
        raise PredictionsError(name, problem, "predict every row of the part")
    hits: np.ndarray = predictions[rows] == split.targets[rows]
    return hits


def name_class(split: Split, number: int) -> str:
    names: list[str] = split.metadata.get("dataset", {}).get("class_names", [])
    return names[number] if number < len(names) else str(number)


def read_predictions(path: Path, split: Split) -> np.ndarray:
    """Predictions of a Parquet or CSV file (`splitgen.tables`) by row, int64 [N], -1 where a row has none.

    Its columns: `index` (position in the source) or one of ids (`id`, or as `find_id_column` finds it), and
    `prediction` (a number of the target's classes). Raises `PredictionsError` for a file that cannot be read, rows that
    the split does not have or that stand twice, an index and an id of two rows, and predictions that are no class.
    """
    name = str(path)
    try:
        table = read_table(path)
        column = next((each for each in PREDICTION_COLUMNS if each in table.names), None)
        if column is None:
            remedy = "give columns index (or id) and prediction"
            raise PredictionsError(name, f"its columns are {table.tell_names()}", remedy)
        rows = find_rows(name, table, Places(split.ids))
    except KeyFault as error:
        raise PredictionsError(name, error.problem, error.remedy) from error
    except ValueError as error:
        raise PredictionsError(name, str(error), "give a Parquet or CSV file") from error
    classes = check_classes(name, table.typed(column).to_numpy(), split)
    found = np.full(split.n_points, -1, dtype=np.int64)
    found[rows] = classes
    return found


def find_rows(name: str, table: Table, places: Places) -> np.ndarray:
    """Positions of a table's rows in the source, int64 [n], each once. Raises `PredictionsError`, or `KeyFault`."""
    if INDEX_COLUMN in table.names:
        rows = index_rows(name, table.typed(INDEX_COLUMN).to_numpy(), len(places.ids))
        column = find_id_column(table, places)
        if column is not None:
            check_agreement(rows, table.frame[column], places)
    else:
        keys = find_keys(table, places)
        rows = keys.positions
        if (rows < 0).any():
            unknown = table.frame[keys.column].iloc[int(np.flatnonzero(rows < 0)[0])]
            remedy = advise_column(table, places, f"its ids look like '{places.ids[0]}'")
            raise PredictionsError(name, f"the split has no id '{unknown}'", remedy)
    if not len(rows):
        raise PredictionsError(name, "it has no rows", "give a prediction for every test row")
    doubled = find_doubled(rows)
    if doubled is not None:
        row = int(rows[doubled[0]])
        problem = f"row {row} stands twice (id '{places.ids[row]}')"
        raise PredictionsError(name, problem, "give one prediction for each row")
    return rows


def index_rows(name: str, given: np.ndarray, n_points: int) -> np.ndarray:
    """Positions [n] as int64 [n], or a `PredictionsError`."""
    try:
        return to_whole(given, 0, n_points)
    except NotWholeError as error:
        allowed = f"rows are 0..{n_points - 1}"
        if error.is_whole:
            raise PredictionsError(name, f"the split has no row {error.shown}", allowed) from error
        raise PredictionsError(name, f"index {error.shown} is no row number", allowed) from error


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
