"""Which attribute is the strongest: all of them scored at once by their ranks, over all datapoints and within class.

A discovered task is halved within each class, and a split is made within each class: what tells its sides there is the
shortcut. An attribute that goes with the class may tell the sides over all datapoints, and nothing within any class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from splitgen.explain.attributes import (
    CLASS,
    IMAGE,
    METADATA,
    Association,
    Attribute,
    associate,
    orient,
    score_oriented,
)
from splitgen.explain.evidence import Evidence

LEAST_TIE = 0.0005  # of two AUCs
SATURATED = (
    0.99  # an AUC from which on several attributes that part the sides nearly wholly are told apart by their gap
)
NEARLY = 0.9  # of the widest gap: an attribute that comes before has the name
MOST_GAP = 1e3  # spreads; of sides that do not vary
LIKE_CORRELATION = 0.9  # of two attributes' ranks
ORDER = (METADATA, IMAGE, CLASS)  # of tied attributes: what the user named first
MIN_CLASS_ROWS = 30  # of each side, for a reading within a class
MIN_WEIGHT = 15.0  # of all classes, for a figure within class: one class of 30 rows on each side has as much


@dataclass(frozen=True)
class Scores:
    """AUC of each attribute [A]. overall: 0.5..1, NaN for one that does not vary. within: the mean within class in the
    direction of `overall`, weighted by class size; NaN where it varies within no class that has both sides."""

    overall: np.ndarray
    within: np.ndarray

    @property
    def strengths(self) -> np.ndarray:
        """Within class, where there is a figure, else overall."""
        return np.where(np.isnan(self.within), self.overall, self.within)


def score_ranks(ranks: np.ndarray, above: np.ndarray) -> np.ndarray:
    """AUC [A] of columns by their ranks [n, A] for booleans [n] of which some are true and some false."""
    n_above, n_below = int(above.sum()), int((~above).sum())
    return np.asarray((ranks[above].sum(axis=0) - n_above * (n_above + 1) / 2) / (n_above * n_below))


def weigh_classes(evidence: Evidence, margins: np.ndarray) -> dict[int, float]:
    """The weight of each class that has datapoints on both sides: its size, where these are halves; less, where one
    side has few. Empty where all together weigh under `MIN_WEIGHT`."""
    above = margins > 0
    counts = {label: (int(above[rows].sum()), len(rows)) for label, rows in evidence.members.items()}
    weights = {label: n_above * (n - n_above) / n for label, (n_above, n) in counts.items() if 0 < n_above < n}
    return weights if sum(weights.values()) >= MIN_WEIGHT else {}


def score_attributes(evidence: Evidence, margins: np.ndarray) -> Scores:
    """The AUC of every attribute with margins [n], above 0 on side 1."""
    n, above = len(evidence.attributes), margins > 0
    overall, within = np.full(n, np.nan), np.full(n, np.nan)
    if not 0 < above.sum() < len(above):
        return Scores(overall, within)
    weights = weigh_classes(evidence, margins)
    found = score_ranks(evidence.ranks, above)
    overall[evidence.numbers] = np.where(np.ptp(evidence.ranks, axis=0) > 0, np.maximum(found, 1 - found), np.nan)
    inside = score_inside(evidence, above, weights)
    within[evidence.numbers] = np.where(found >= 0.5, inside, 1 - inside)
    for k in sorted({*range(n)} - {*evidence.numbers}):
        association = associate(evidence.attributes[k], margins)
        if association is not None:
            overall[k] = association.auc
            within[k] = score_other(evidence, evidence.attributes[k], margins, weights)
    return Scores(overall, within)


def score_inside(evidence: Evidence, above: np.ndarray, weights: dict[int, float]) -> np.ndarray:
    """The mean AUC [numbers] within class; NaN for what varies within none."""
    total, varies = np.zeros(len(evidence.numbers)), np.zeros(len(evidence.numbers), dtype=bool)
    for label, weight in weights.items():
        ranks = evidence.class_ranks[label]
        total += weight * score_ranks(ranks, above[evidence.members[label]])
        varies |= np.ptp(ranks, axis=0) > 0
    return np.where(varies, total / max(sum(weights.values()), 1e-12), np.nan)


def score_other(evidence: Evidence, attribute: Attribute, margins: np.ndarray, weights: dict[int, float]) -> float:
    """The same of one attribute of words, or with gaps; in a class where it does not vary it tells nothing."""
    oriented = orient(attribute, margins)
    found = {}
    for label in weights:
        rows = evidence.members[label]
        found[label] = score_oriented(attribute, oriented[rows], margins[rows])
    if all(auc is None for auc in found.values()):
        return np.nan
    told = sum(weights[label] * (0.5 if auc is None else auc) for label, auc in found.items())
    return float(told / sum(weights.values()))


def rank_attributes(
    attributes: Sequence[Attribute], strengths: np.ndarray, n_rows: int, leader: int | None = None
) -> list[int]:
    """Positions of the attributes that have a strength [A], strongest first. The first is, of those that tie with
    the strongest, `leader`, else the first in `ORDER`, and of the attributes given: the whole image comes before its
    parts. n_rows: the datapoints that the strengths are of; a difference under their standard
    error is noise."""
    origins = [ORDER.index(each.origin) for each in attributes]
    known = np.flatnonzero(~np.isnan(strengths)).tolist()
    if not known:
        return []
    ranked = sorted(known, key=lambda k: (-round(float(strengths[k]), 3), origins[k]))
    best = float(strengths[ranked[0]])
    tied = [k for k in ranked if strengths[k] >= best - measure_error(best, n_rows)]
    first = sorted(tied, key=lambda k: (k != leader, origins[k], k))[:1]
    return first + [k for k in ranked if k not in first]


def measure_error(auc: float, n_rows: int) -> float:
    """The most that the standard error of an AUC can be where half of the rows lie on each side, or `LEAST_TIE`."""
    return max(LEAST_TIE, math.sqrt(auc * (1 - auc) / max(1, n_rows / 2)))


def rank_scores(evidence: Evidence, scores: Scores, margins: np.ndarray) -> list[int]:
    """The same by the figures within class. What does not vary there, as the class itself, is first only where nothing
    tells the sides so well over all datapoints, and has its place behind the others' strongest else."""
    attributes, n_rows = evidence.attributes, len(evidence.rows)
    order = prefer_wide(evidence, scores, rank_attributes(attributes, scores.strengths, n_rows), margins)
    by_overall = rank_attributes(attributes, scores.overall, n_rows)
    if order and np.isnan(scores.within[by_overall[0]]):
        return [by_overall[0], *(k for k in order if k != by_overall[0])]
    first = [k for k in order if not np.isnan(scores.within[k])][:1]
    return first + [k for k in order if k not in first]


def prefer_wide(evidence: Evidence, scores: Scores, order: list[int], margins: np.ndarray) -> list[int]:
    """Positions of attributes in order: of the image statistics that tie with the first, and part the sides nearly
    wholly, the one whose sides lie the farthest apart. Of a yellow corner red has the same AUC as yellow, for it is in
    it; but yellow differs more."""
    if not order or evidence.attributes[order[0]].origin != IMAGE or scores.strengths[order[0]] < SATURATED:
        return order
    best = float(np.nanmax(scores.strengths))
    tied = [
        k
        for k in evidence.numbers
        if evidence.attributes[k].origin == IMAGE and scores.strengths[k] >= best - measure_error(best, len(margins))
    ]
    if not tied:
        return order
    gaps = {k: measure_gap(evidence, k, margins) for k in tied}
    first = next(k for k in tied if gaps[k] >= NEARLY * max(gaps.values()))
    return [first, *(k for k in order if k != first)]


def measure_gap(evidence: Evidence, k: int, margins: np.ndarray) -> float:
    """How far the two sides lie apart within class, in standard deviations of an attribute within side and class."""
    values, gap, variance = evidence.attributes[k].values.astype(np.float64), 0.0, 0.0
    for label, weight in weigh_classes(evidence, margins).items():
        rows = evidence.members[label]
        sides = values[rows[margins[rows] > 0]], values[rows[margins[rows] <= 0]]
        gap += weight * float(sides[0].mean() - sides[1].mean())
        variance += weight * float(np.average([each.var() for each in sides], weights=[len(each) for each in sides]))
    total = max(sum(weigh_classes(evidence, margins).values()), 1e-12)
    gap, spread = abs(gap) / total, math.sqrt(variance / total)
    return gap / max(spread, gap / MOST_GAP) if gap > 0 else 0.0


def build_association(attribute: Attribute, margins: np.ndarray, within: float = np.nan) -> Association:
    """The association of an attribute that has a score. within: NaN for none."""
    association = associate(attribute, margins)
    assert association is not None
    return replace(association, within=None if np.isnan(within) else float(within))


def score_class(evidence: Evidence, margins: np.ndarray, label: int) -> np.ndarray:
    """The AUC of every attribute [A] over the datapoints of one class that has both sides, in its own direction; NaN
    for the class, and for what does not vary."""
    rows, ranks = evidence.members[label], evidence.class_ranks[label]
    scores = np.full(len(evidence.attributes), np.nan)
    found = score_ranks(ranks, margins[rows] > 0)
    scores[evidence.numbers] = np.where(np.ptp(ranks, axis=0) > 0, np.maximum(found, 1 - found), np.nan)
    for k in sorted({*range(len(scores))} - {*evidence.numbers}):
        each = evidence.attributes[k]
        association = (
            None if each.origin == CLASS else associate(replace(each, values=each.values[rows]), margins[rows])
        )
        scores[k] = np.nan if association is None else association.auc
    return scores


def drop_likes(evidence: Evidence, order: Sequence[int], most: int) -> list[int]:
    """The first `most` of some attributes, without those that say nearly the same as one before: numbers whose ranks
    correlate by `LIKE_CORRELATION` or more. Of brightness and ink on a black ground, one is enough."""
    kept: list[int] = []
    for k in order:
        if len(kept) == most:
            break
        if not any(correlate_ranks(evidence, k, other) >= LIKE_CORRELATION for other in kept):
            kept.append(k)
    return kept


def correlate_ranks(evidence: Evidence, one: int, other: int) -> float:
    """Size of Spearman's correlation of two attributes, over the datapoints where both are known; 0 where one of them
    does not vary over these, or is words."""
    places = {k: place for place, k in enumerate(evidence.numbers)}
    if one in places and other in places:
        values = evidence.ranks[:, places[one]], evidence.ranks[:, places[other]]
        if min(np.ptp(each) for each in values) == 0:
            return 0.0
        return abs(float(np.corrcoef(*values)[0, 1]))
    attributes = evidence.attributes[one], evidence.attributes[other]
    if any(each.is_categorical for each in attributes):
        return 0.0
    known = np.isfinite(attributes[0].values) & np.isfinite(attributes[1].values)
    values = attributes[0].values[known], attributes[1].values[known]
    if min(len(np.unique(each)) for each in values) < 2:
        return 0.0
    return abs(float(spearmanr(*values).statistic))
