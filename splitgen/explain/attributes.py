"""How closely an attribute of the datapoints goes with the two sides of a task: AUC and adjusted mutual information.

AUC is the chance that of two datapoints, one from each side, the attribute tells which is which; 0.5 is chance.
Of a categorical attribute it is taken the other way: the categories that lean to side 1 are one group, and the AUC is
that of the task margin for telling the groups apart. A discovered task is halved within each class, so that even one
which reads a category off the image puts a few datapoints on the wrong side; that must not count against it. Where
there are many categories, the groups are made on other datapoints than those they are used for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_mutual_info_score, roc_auc_score

CLASS, IMAGE, METADATA = "class", "image", "metadata"  # where an attribute is from
CLASS_NAME = "class"
MISSING = "(none)"
MAX_CATEGORIES_OF_NUMBERS = 12  # numbers with no more values than this are categories
N_BINS = 10  # of numbers, for mutual information
FOLDS = 4
ROWS_PER_CATEGORY = 100  # from so many on, counting a category on its own rows flatters it by less than noise


@dataclass(frozen=True)
class Attribute:
    """Something known of every datapoint.

    values: [n], numbers or words. low, high: words for small and large numbers; empty where words say it.
    """

    name: str
    origin: str
    values: np.ndarray
    low: str = ""
    high: str = ""

    @property
    def is_categorical(self) -> bool:
        return self.values.dtype == object


@dataclass(frozen=True)
class Association:
    """How an attribute goes with the sides of a task.

    auc: 0.5..1. ami: adjusted mutual information, 0 (none) to 1. side_0, side_1: what each side is more of, in words.
    within: the mean AUC within class, in the direction that holds over all of them: below 0.5 where most classes go
        the other way; None where the attribute does not vary within class.
    """

    name: str
    origin: str
    auc: float
    ami: float
    side_0: str
    side_1: str
    within: float | None = None

    @property
    def strength(self) -> float:
        """What attributes are ranked by: the AUC within class, where there is one."""
        return self.auc if self.within is None else self.within


def list_metadata(frame: pd.DataFrame) -> list[Attribute]:
    """The columns of a user's table as attributes: numbers as numbers, all else as categories.

    A column with one value alone says nothing, and is left out.
    """
    return [read_column(str(name), frame[name]) for name in frame.columns if frame[name].nunique(dropna=False) > 1]


def read_column(name: str, column: pd.Series[Any]) -> Attribute:
    """One column as an attribute; dates count as numbers, and few different numbers as categories."""
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column.map(lambda value: value.timestamp(), na_action="ignore").astype(float)  # NaT becomes NaN
    is_number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if is_number and column.nunique() > MAX_CATEGORIES_OF_NUMBERS:
        return Attribute(name, METADATA, column.to_numpy(float), f"low {name}", f"high {name}")
    words = column.astype(object).where(column.notna(), MISSING).map(str)
    return Attribute(name, METADATA, words.to_numpy(object))


def associate(attribute: Attribute, margins: np.ndarray) -> Association | None:
    """How the attribute goes with a task's margins [n], above 0 on side 1; None where it does not vary, or one side
    is empty. Datapoints without a number are left out.
    """
    values, known = attribute.values, np.ones(len(margins), dtype=bool)
    if not attribute.is_categorical:
        known = np.isfinite(values)
    values, margins = values[known], margins[known]
    sides = (margins > 0).astype(np.int64)
    if len(np.unique(sides)) < 2 or len(pd.unique(values)) < 2:
        return None
    if attribute.is_categorical:
        return associate_categories(attribute, values, margins)
    auc = float(roc_auc_score(sides, values))
    words = (attribute.low, attribute.high) if auc >= 0.5 else (attribute.high, attribute.low)
    ami = measure_ami(sides, bin_numbers(values))
    return Association(attribute.name, attribute.origin, max(auc, 1 - auc), ami, *words)


def orient(attribute: Attribute, margins: np.ndarray) -> np.ndarray:
    """The attribute as numbers [n] that are higher on side 1 of a task's margins [n]: of words, 1 for the categories
    that lean to side 1 and 0 for the others, as other datapoints tell where there are many; NaN where a number is
    missing."""
    if attribute.is_categorical:
        codes, categories = pd.factorize(attribute.values, sort=True)
        return group_rows(codes, margins, len(categories)).astype(float)
    known = np.isfinite(attribute.values)
    sides = margins > 0
    is_higher = len(np.unique(sides[known])) < 2 or roc_auc_score(sides[known], attribute.values[known]) >= 0.5
    return np.asarray(attribute.values if is_higher else -attribute.values, dtype=float)


def score_oriented(attribute: Attribute, oriented: np.ndarray, margins: np.ndarray) -> float | None:
    """The association's AUC over some of the datapoints [m], in the direction that `orient` found over all of them:
    below 0.5 where these go the other way. None where one side is empty or the attribute does not vary."""
    known = np.isfinite(oriented)
    oriented, margins = oriented[known], margins[known]
    if len(np.unique(margins > 0)) < 2 or len(np.unique(oriented)) < 2:
        return None
    if attribute.is_categorical:
        return score_group(oriented > 0, margins)
    return float(roc_auc_score(margins > 0, oriented))


def associate_categories(attribute: Attribute, values: np.ndarray, margins: np.ndarray) -> Association:
    """The same for words."""
    codes, categories = pd.factorize(values, sort=True)
    sides = (margins > 0).astype(np.int64)
    auc = max(0.5, score_categories(codes, len(categories), margins))
    counts = np.bincount(codes, minlength=len(categories))
    rates = rate_categories(codes, sides, len(categories))
    words = [name_categories(attribute.name, categories, counts, rate) for rate in (1 - rates, rates)]
    ami = measure_ami(sides, codes)
    return Association(attribute.name, attribute.origin, auc, ami, side_0=words[0], side_1=words[1])


def name_categories(name: str, categories: np.ndarray, counts: np.ndarray, rates: np.ndarray) -> str:
    """The categories that lie on a side by more than chance, the surest first: "site a, b"."""
    lean = (rates - np.average(rates, weights=counts)) * np.sqrt(counts)
    chosen = [str(categories[k]) for k in np.argsort(-lean, kind="stable")[:3] if lean[k] > 0.5 * lean.max() > 0]
    return f"{name} {', '.join(chosen)}"


def score_categories(codes: np.ndarray, n_categories: int, margins: np.ndarray) -> float:
    """AUC of the margins [n] for the categories that lean to side 1; where these are many, found on other folds."""
    if len(codes) >= ROWS_PER_CATEGORY * n_categories:
        return score_group(group_categories(codes, margins, n_categories)[codes], margins)
    folds, aucs = np.arange(len(codes)) % FOLDS, []
    for fold in range(FOLDS):
        rest, here = folds != fold, folds == fold
        groups = group_categories(codes[rest], margins[rest], n_categories)
        aucs.append(score_group(groups[codes[here]], margins[here]))
    return float(np.mean(aucs))


def group_rows(codes: np.ndarray, margins: np.ndarray, n_categories: int) -> np.ndarray:
    """Whether each datapoint's category [n] leans to side 1; where there are many, found on other folds."""
    if len(codes) >= ROWS_PER_CATEGORY * n_categories:
        return np.asarray(group_categories(codes, margins, n_categories)[codes])
    folds, leans = np.arange(len(codes)) % FOLDS, np.zeros(len(codes), dtype=bool)
    for fold in range(FOLDS):
        rest, here = folds != fold, folds == fold
        leans[here] = group_categories(codes[rest], margins[rest], n_categories)[codes[here]]
    return leans


def score_group(group: np.ndarray, margins: np.ndarray) -> float:
    """AUC of the margins [n] for a group [n] of booleans; 0.5 where all or none are in it."""
    return 0.5 if group.all() or not group.any() else float(roc_auc_score(group, margins))


def group_categories(codes: np.ndarray, margins: np.ndarray, n_categories: int) -> np.ndarray:
    """Whether each category [n_categories] has more of side 1 than all datapoints together."""
    sides = (margins > 0).astype(np.int64)
    return np.asarray(rate_categories(codes, sides, n_categories) > sides.mean())


def rate_categories(codes: np.ndarray, sides: np.ndarray, n_categories: int) -> np.ndarray:
    """The share of side 1 in each category, drawn a little to that of all."""
    counts = np.bincount(codes, minlength=n_categories)
    ones = np.bincount(codes, weights=sides, minlength=n_categories)
    return np.asarray((ones + sides.mean()) / (counts + 1))


def bin_numbers(values: np.ndarray) -> np.ndarray:
    """Numbers [n] as the number of their tenth."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right")


def measure_ami(sides: np.ndarray, codes: np.ndarray) -> float:
    return max(0.0, float(adjusted_mutual_info_score(sides, codes)))
