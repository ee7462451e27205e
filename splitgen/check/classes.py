"""Predicted classes, from wherever they come: each is a class that the split's target has."""

from __future__ import annotations

from typing import Any

import numpy as np

from splitgen.errors import PredictionsError
from splitgen.splits.split import Split
from splitgen.whole import NotWholeError, to_whole


def check_classes(name: str, given: Any, split: Split, missing: bool = False) -> np.ndarray:
    """Predicted classes [n] as int64 [n].

    given: whole numbers, floats that are whole among them; booleans where the target has two outputs.
    missing: -1 stands for a row without a prediction.
    Raises `PredictionsError` for scores by class, for text, fractions and NaN, and for classes that do not exist.
    """
    classes, n_outputs = as_array(name, given), count_outputs(split)
    if classes.ndim != 1:
        remedy = "give a 1-D array; of probabilities or logits by class, take argmax(axis=1)"
        raise PredictionsError(name, f"shape {classes.shape}, not one class for each row", remedy)
    try:
        return to_whole(classes, -1 if missing else 0, n_outputs, allow_booleans=n_outputs == 2)
    except NotWholeError as error:
        allowed = f"the target's are 0..{n_outputs - 1}"
        if error.is_whole:
            problem = f"prediction {error.shown} is no class (position {error.position})"
            raise PredictionsError(name, problem, allowed) from error
        problem = f"it has values that are no class numbers (first: {error.shown}, position {error.position})"
        raise PredictionsError(name, problem, f"{allowed}; of probabilities, take the argmax") from error


def as_array(name: str, given: Any) -> np.ndarray:
    """Predictions as an array; of a torch tensor, wherever it lies."""
    try:
        return np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
    except (TypeError, ValueError) as error:  # rows of several lengths
        raise PredictionsError(name, "it is no array of numbers", "give one class number for each row") from error


def count_outputs(split: Split) -> int:
    """Classes that the split's target has: those of the dataset, where it is the label; else two."""
    used = int(split.targets.max()) + 1
    target = split.metadata.get("target")
    if target not in (None, "label"):
        return max(2, used)
    return max(used, len(split.metadata.get("dataset", {}).get("class_names", []))) if target == "label" else used
