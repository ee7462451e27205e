"""The reading of a task: which attributes go with its sides, sorted, and what all of them tell together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from splitgen.explain.attributes import CLASS, IMAGE, METADATA, Association, orient, score_oriented
from splitgen.explain.evidence import Evidence
from splitgen.explain.features import measure_linear, say_linear
from splitgen.explain.ranking import (
    MIN_CLASS_ROWS,
    build_association,
    drop_likes,
    rank_attributes,
    rank_scores,
    score_attributes,
    score_class,
)
from splitgen.explain.together import Together, measure_together
from splitgen.explain.words import ClassReading, say

MAX_JOINT_ROWS = 4_000
N_STRONGEST, MAX_COLUMNS = 12, 40  # associations to show, and the user's columns beyond them
N_SAID = 4  # attributes that the sentences name, none of which says what another one says


@dataclass(frozen=True)
class Explanation:
    """The reading of one task.

    associations: strongest first; of the image statistics the strongest alone.
    within_classes: the strongest of each class with enough datapoints on both sides.
    joint_auc: of all image statistics together, or of a linear classifier of features, cross-validated; None where
        there are none.
    sentences: the reading in words.
    together: what a few attributes tell; None where there is no figure within class.
    """

    task: str
    n_rows: int
    associations: tuple[Association, ...]
    within_classes: tuple[ClassReading, ...]
    joint_auc: float | None
    sentences: tuple[str, ...]
    together: Together | None = None


def explain_task(evidence: Evidence, name: str, margins: np.ndarray) -> Explanation:
    """Read a task. margins: of all datapoints [N], above 0 on side +."""
    margins = margins[evidence.rows]
    scores = score_attributes(evidence, margins)
    order = rank_scores(evidence, scores, margins)
    shown = [k for place, k in enumerate(order) if place < N_STRONGEST or evidence.attributes[k].origin != IMAGE]
    said = drop_likes(evidence, order, N_SAID)
    built = {
        k: build_association(evidence.attributes[k], margins, scores.within[k]) for k in dict.fromkeys([*shown, *said])
    }
    within = read_classes(evidence, margins, order[0]) if order else []
    together = measure_together(evidence, margins, order[0]) if order else None
    joint_auc, of_features = measure_joint(evidence, (margins > 0).astype(np.int64)), None
    if evidence.features is not None:
        of_features = measure_linear(evidence.features, margins)
    of_class = next((built[k] for k in shown if built[k].origin == CLASS), None)
    sentences = [*say(name, [built[k] for k in said], of_class, within, together, joint_auc), *say_linear(of_features)]
    associations = tuple(built[k] for k in shown)
    joint_auc = joint_auc if of_features is None else of_features
    return Explanation(name, len(margins), associations, tuple(within), joint_auc, tuple(sentences), together)


def read_classes(evidence: Evidence, margins: np.ndarray, leader: int) -> list[ClassReading]:
    """Each class with enough datapoints on both sides, in the order of the classes. leader: the attribute that is the
    strongest over all of them."""
    readings = []
    leading = evidence.attributes[leader]
    oriented = orient(leading, margins)
    for label, rows in evidence.members.items():
        mine = margins[rows]
        if min((mine > 0).sum(), (mine <= 0).sum()) < MIN_CLASS_ROWS:
            continue
        ranked = rank_attributes(evidence.attributes, score_class(evidence, margins, label), len(rows), leader)
        if ranked:
            strongest = evidence.attributes[ranked[0]]
            association = build_association(replace(strongest, values=strongest.values[rows]), mine)
            follows = None if leading.origin == CLASS else score_oriented(leading, oriented[rows], mine)
            readings.append(ClassReading(label, evidence.class_names[label], association, follows))
    return readings


def measure_joint(evidence: Evidence, sides: np.ndarray) -> float | None:
    """AUC of boosted trees on all numeric image statistics, each datapoint judged by trees that never saw it."""
    columns = [each.values for each in evidence.attributes if each.origin == IMAGE and not each.is_categorical]
    sides = sides[:MAX_JOINT_ROWS]
    if not columns or np.bincount(sides, minlength=2).min() < MIN_CLASS_ROWS:
        return None
    table = np.stack(columns, axis=1)[:MAX_JOINT_ROWS]
    trees = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15, early_stopping=False, random_state=0)
    folds = StratifiedKFold(3)
    probs = cross_val_predict(trees, table, sides, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(sides, probs))


def list_notable(explanation: Explanation) -> list[Association]:
    """The strongest associations, and those of the user's own columns however weak: that, too, is an answer."""
    strongest, rest = explanation.associations[:N_STRONGEST], explanation.associations[N_STRONGEST:]
    return [*strongest, *[a for a in rest if a.origin == METADATA][:MAX_COLUMNS]]


def describe_explanations(explanations: Sequence[Explanation]) -> list[Mapping[str, object]]:
    """As the JSON of a run has them, with the notable associations alone."""
    return [
        {
            "task": each.task,
            "n_rows": each.n_rows,
            "sentences": list(each.sentences),
            "joint_auc": each.joint_auc,
            "together": None if each.together is None else vars(each.together),
            "associations": [vars(a) for a in list_notable(each)],
            "within_classes": [
                {"class_name": r.class_name, "follows": r.follows, **vars(r.association)} for r in each.within_classes
            ],
        }
        for each in explanations
    ]
