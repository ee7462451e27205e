"""What a few attributes tell together that none of them tells alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from splitgen.explain.attributes import CLASS, orient
from splitgen.explain.evidence import Evidence
from splitgen.explain.ranking import score_ranks, weigh_classes

MOST_TOGETHER = 3
# A few tell much more than one where they add so much to its AUC, and so much of what it lacks to 1.
MUCH_MORE, MUCH_OF_THE_REST = 0.03, 1 / 3
LEAST_GAIN = 0.01  # of AUC on the half that they are chosen on, for one more of them
LEAST_NEW = 0.05  # of an attribute's variance that those before it do not tell already
EPSILON = 1e-9


@dataclass(frozen=True)
class Together:
    """A few attributes that tell the sides together.

    names: in the order that they were chosen in, the task's strongest first. auc, alone: the mean AUC within class of
    all of them and of the first, over datapoints that they were not chosen on.
    """

    names: tuple[str, ...]
    auc: float
    alone: float

    @property
    def is_much_more(self) -> bool:
        return len(self.names) > 1 and self.auc - self.alone >= max(MUCH_MORE, MUCH_OF_THE_REST * (1 - self.alone))


def measure_together(evidence: Evidence, margins: np.ndarray, leader: int) -> Together | None:
    """The strongest attribute of a task, and up to two more that add the most to it: a logistic regression of values
    standardised within class, chosen on one half of the datapoints and judged on the other. None where the strongest is
    the class, or no class has both sides."""
    weights = weigh_classes(evidence, margins)
    if not weights or evidence.attributes[leader].origin == CLASS:
        return None
    values = standardise_table(evidence, margins, leader)
    above, is_fit = margins > 0, np.arange(len(margins)) % 2 == 0
    fit, rest = (keep_two_sided(evidence, above, is_fit == half) for half in (True, False))
    if not fit or not rest:
        return None
    chosen, told = choose_forward(values, above, fit)
    alone = score_within(values[:, 0], above, rest)
    names = [evidence.attributes[leader].name, *(evidence.attributes[evidence.numbers[k - 1]].name for k in chosen[1:])]
    return Together(tuple(names), score_within(told, above, rest), max(alone, 1 - alone))


def keep_two_sided(evidence: Evidence, above: np.ndarray, half: np.ndarray) -> dict[int, np.ndarray]:
    """Positions of the datapoints in a half [n] of each class that has both sides there."""
    members = {label: rows[half[rows]] for label, rows in evidence.members.items()}
    return {label: rows for label, rows in members.items() if 0 < above[rows].sum() < len(rows)}


def standardise_table(evidence: Evidence, margins: np.ndarray, leader: int) -> np.ndarray:
    """The strongest attribute, higher on side 1, and then all `numbers`, each with mean 0 and variance 1 within each
    class: [n, 1 + numbers]. What is not known, or does not vary in a class, is 0 there."""
    first = orient(evidence.attributes[leader], margins)
    values = np.concatenate([first[:, None], evidence.table], axis=1)
    for rows in evidence.members.values():
        mine = values[rows]
        known = np.isfinite(mine)
        counts = known.sum(axis=0).clip(1)
        mean = np.where(known, mine, 0).sum(axis=0) / counts
        centred = np.where(known, mine - mean, 0.0)
        spread = np.sqrt(np.square(centred).sum(axis=0) / counts)
        values[rows] = np.where(spread > EPSILON, centred / np.maximum(spread, EPSILON), 0.0)
    return values


def choose_forward(
    values: np.ndarray, above: np.ndarray, members: dict[int, np.ndarray]
) -> tuple[list[int], np.ndarray]:
    """Columns of values [n, A], the first and then each time the one that adds the most by the score test of a logistic
    regression; and what this says of all datapoints [n]. members: those of each class that it is fitted on."""
    rows = np.concatenate(list(members.values()))
    chosen, told = [0], values[:, 0]
    reached = score_within(told, above, members)
    while len(chosen) < MOST_TOGETHER:
        model = LogisticRegression().fit(values[rows][:, chosen], above[rows])
        chances = model.predict_proba(values[rows][:, chosen])[:, 1]
        gains = measure_gains(values[rows], above[rows] - chances, chances * (1 - chances), chosen)
        if gains.max() <= 0:  # none is left that says anything new
            break
        longer = [*chosen, int(np.argmax(gains))]
        model.fit(values[rows][:, longer], above[rows])
        found = model.decision_function(values[:, longer])
        if score_within(found, above, members) < reached + LEAST_GAIN:
            break
        chosen, told, reached = longer, found, score_within(found, above, members)
    return chosen, told


def measure_gains(values: np.ndarray, residuals: np.ndarray, weights: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Rao's score statistic [A] of each column of values [m, A], beside an intercept and the chosen ones; 0 for
    what says nearly the same as these.

    residuals, weights: of the regression on these, [m].
    """
    base = np.concatenate([np.ones((len(values), 1)), values[:, chosen]], axis=1)
    weighted = base * weights[:, None]
    shared = weighted.T @ values
    explained = np.linalg.lstsq(weighted.T @ base, shared, rcond=None)[0]
    total = weights @ np.square(values)
    information = total - (shared * explained).sum(axis=0)
    gains = np.square(residuals @ values) / np.maximum(information, EPSILON)
    return np.where(information > LEAST_NEW * total, gains, 0.0)


def score_within(told: np.ndarray, above: np.ndarray, members: dict[int, np.ndarray]) -> float:
    """The mean AUC within class of numbers [n], over the datapoints of each class that are given."""
    found = [(score_ranks(rankdata(told[rows])[:, None], above[rows])[0], len(rows)) for rows in members.values()]
    return float(np.average([auc for auc, _ in found], weights=[n for _, n in found]))
