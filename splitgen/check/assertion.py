"""The gate inside a test: `assert_robust`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from splitgen.check.classes import as_array, check_classes
from splitgen.check.judgement import Judgement, judge_by_verification, judge_predictions
from splitgen.check.thresholds import Thresholds, check_figures
from splitgen.errors import PredictionsError, SettingError
from splitgen.ids import AmbiguousIdError, find_doubled, find_positions
from splitgen.screen.console import clean
from splitgen.splits.split import Split


def assert_robust(
    split: Split,
    predictions: Any = None,
    *,
    model: Any = None,
    dataset: Any = None,
    control: Any = None,
    seeds: int = 3,
    **thresholds: float,
) -> Judgement:
    """Raise `AssertionError`, with all figures in its text, where a model misses a threshold on a split.

    predictions: classes for the test rows in the order of `split.indices("test")`, or for all N rows; by a model that
        was trained on `split.indices("train")`.
    control: the same for the fair drop: by models that were trained on random rows without the test rows judged.
    model, dataset: in place of predictions, what `find_model` and `open_dataset` gave: the model is trained, over so
        many seeds.
    thresholds: as of `Thresholds`: fail_under, fail_under_class, max_drop, max_gap.
    Returns the figures. Raises `SettingError` where it is not said what to judge, or by what.
    """
    try:
        bounds = Thresholds(**thresholds)
    except TypeError as error:
        raise SettingError(f"thresholds are {', '.join(Thresholds.__annotations__)}, got {list(thresholds)}") from error
    if not list(bounds.given()):
        raise SettingError(f"give a threshold: {', '.join(Thresholds.__annotations__)}")
    if (predictions is None) == (model is None) or (model is None) != (dataset is None):
        raise SettingError("give predictions, or a model together with its dataset")
    if model is not None:
        judgement = train_and_judge(split, model, dataset, seeds)
    else:
        by_row = None if control is None else place_predictions(split, control, "control")
        judgement = judge_predictions(split, place_predictions(split, predictions, "predictions"), "model", by_row)
    outcomes = check_figures(judgement.means, bounds, judgement.why_missing, judgement.unlearned)
    missed = [str(outcome) for outcome in outcomes if not outcome.passed]
    if missed:
        figures = ", ".join(f"{name} {mean:.3f}" for name, mean in judgement.means.items())
        lines = [f"{judgement.model} is not robust on this split ({judgement.n_test} test rows):", *missed]
        raise AssertionError("\n  ".join(lines) + f"\nworst class: {clean(judgement.worst_class)}; {figures}")
    return judgement


def place_predictions(split: Split, given: Any, name: str) -> np.ndarray:
    """Predictions by row, int64 [N], -1 where a row has none. Raises `PredictionsError` for another length,
    and as `check_classes`.

    A pandas Series with an index of ids, or of the very rows that are predicted, is joined by it.
    """
    test = split.indices("test")
    rows = join_series(split, given, name) if isinstance(given, pd.Series) else None
    classes = as_array(name, given)
    if rows is not None:
        by_row = np.full(split.n_points, -1, dtype=np.int64)
        by_row[rows] = check_classes(name, classes, split, missing=True)
        return by_row
    if classes.shape == (split.n_points,):
        return check_classes(name, classes, split, missing=True)
    if classes.ndim == 1 and len(classes) != len(test):
        problem = f"shape {classes.shape}, the split has {len(test)} test rows of {split.n_points}"
        raise PredictionsError(name, problem, "give one class for each test row, or for each row")
    by_row = np.full(split.n_points, -1, dtype=np.int64)
    by_row[test] = check_classes(name, classes, split)
    return by_row


def join_series(split: Split, given: pd.Series[Any], name: str) -> np.ndarray | None:
    """The rows that a Series is of by its index, int64 [n]: rows of the test part, or of all, or else ids; None where
    it only counts from 0.

    Raises `PredictionsError` for an index of anything else, or of an id twice.
    """
    keys = list(given.index)
    if pd.api.types.is_integer_dtype(given.index):
        for rows in (split.indices("test"), np.arange(split.n_points)):
            if np.array_equal(np.sort(given.index), rows):
                return given.index.to_numpy(np.int64)
        if counts_from_zero(given.index.to_numpy()):
            return None
    try:
        rows = find_positions(keys, split.ids)
    except AmbiguousIdError as error:
        raise PredictionsError(name, str(error), "write it as the split has it") from error
    if (rows < 0).any():
        unknown = keys[int(np.flatnonzero(rows < 0)[0])]
        raise PredictionsError(name, f"the split has no id '{unknown}'", f"its ids look like '{split.ids[0]}'")
    doubled = find_doubled(rows)
    if doubled is not None:
        problem = f"id '{split.ids[int(rows[doubled[0]])]}' stands twice"
        raise PredictionsError(name, problem, "give one prediction for each row")
    return rows


def counts_from_zero(numbers: np.ndarray) -> bool:
    """Whether numbers [n] count 0, 1, 2, ..., or begin again at 0, as those of batches do."""
    return bool(numbers[:1].sum() == 0 and ((np.diff(numbers) == 1) | (numbers[1:] == 0)).all())


def train_and_judge(split: Split, model: Any, dataset: Any, seeds: int) -> Judgement:
    """Figures by training."""
    from splitgen.models.bench import make_bench
    from splitgen.settings.stages import VerificationConfig
    from splitgen.splits.grouping import check_groups_known
    from splitgen.splits.split import check_belongs
    from splitgen.verification.verification import verify_split

    check_belongs(split, "split", dataset.fingerprint, dataset.labels, dataset.ids)
    check_groups_known(split.metadata, dataset.groups)
    return judge_by_verification(
        verify_split(make_bench(dataset, model), split, VerificationConfig(seeds)), dataset.class_names
    )
