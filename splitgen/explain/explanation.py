"""The reading of a task in words: which attributes go with its sides, sorted, and what all of them tell together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from splitgen.data.dataset import ImageDataset
from splitgen.data.images import CHUNK
from splitgen.data.statistics import STATISTICS, measure_chunks
from splitgen.explain.attributes import (
    CLASS,
    CLASS_NAME,
    IMAGE,
    METADATA,
    Association,
    Attribute,
    associate,
    list_metadata,
    orient,
    score_oriented,
)
from splitgen.explain.features import measure_linear, say_linear, take_features
from splitgen.random import stream_seed

MAX_ROWS = 10_000  # drawn of a larger dataset: an AUC's standard error is then at most 0.006
MAX_JOINT_ROWS = 4_000
CLEAR_AUC, WEAK_AUC = 0.75, 0.60  # from the first on an attribute explains a task, from the second on it leans that way
TIE_AUC = 0.005
LIKE_CORRELATION = 0.9  # of two attributes' ranks
ORDER = (METADATA, IMAGE, CLASS)  # of tied attributes: what the user named first
MAX_WITHIN = 3  # attributes that a sentence about the classes names
N_STRONGEST, MAX_COLUMNS = 12, 40  # associations to show, and the user's columns beyond them
MIN_CLASS_ROWS = 30  # of each side, for a reading within a class


@dataclass(frozen=True)
class Evidence:
    """What is known of the datapoints that explanations look at.

    rows: int64 [n], positions in the dataset, in random order. labels: int64 [n]. class_names: C.
    attributes: each with its values for the same rows.
    features: float32 [up to n, D] of the first rows, where these are features and no images.
    """

    rows: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    features: np.ndarray | None = None


@dataclass(frozen=True)
class ClassReading:
    """What parts the two sides within one class: its strongest association.

    follows: AUC within the class of the task's strongest attribute, in the direction that it has over all classes:
        below 0.5 the class goes the other way. None where that attribute does not vary, or is the class itself.
    """

    label: int
    class_name: str
    association: Association
    follows: float | None


@dataclass(frozen=True)
class Explanation:
    """The reading of one task.

    associations: strongest first. within_classes: the strongest of each class with enough datapoints on both sides.
    joint_auc: of all image statistics together, or of a linear classifier of features, cross-validated; None where
        there are none.
    sentences: the reading in words.
    """

    task: str
    n_rows: int
    associations: tuple[Association, ...]
    within_classes: tuple[ClassReading, ...]
    joint_auc: float | None
    sentences: tuple[str, ...]


def gather_evidence(dataset: ImageDataset, seed: int = 0) -> Evidence:
    """Class, image statistics and the columns of the user's table, of at most `MAX_ROWS` datapoints."""
    rows = np.random.default_rng(stream_seed(seed, "explain")).permutation(dataset.n_points)[:MAX_ROWS]
    labels = dataset.labels[rows]
    names = np.array(dataset.class_names, dtype=object)
    attributes = [] if dataset.metadata is None else list_metadata(dataset.metadata.iloc[rows])
    images = dataset.images

    def take_chunks(size: int) -> Iterator[torch.Tensor]:
        return (images.take(part) for part in torch.split(torch.from_numpy(rows), min(size, CHUNK)))

    for name, values in measure_chunks(take_chunks, images.shape).items():
        words = STATISTICS.get(name)
        low, high = (words.low, words.high) if words else ("", "")
        attributes.append(Attribute(name, IMAGE, values if words else values.astype(object), low, high))
    attributes.append(Attribute(CLASS_NAME, CLASS, names[labels]))
    return Evidence(rows, labels, dataset.class_names, tuple(attributes), take_features(dataset, rows))


def explain_task(evidence: Evidence, name: str, margins: np.ndarray) -> Explanation:
    """Read a task. margins: of all datapoints [N], above 0 on side +."""
    margins = margins[evidence.rows]
    associations = rank_associations(evidence.attributes, margins)
    within = read_classes(evidence, margins, associations[0].name) if associations else []
    distinct = drop_likes(associations, evidence.attributes)
    if evidence.features is not None:
        joint_auc = measure_linear(evidence.features, margins)
        sentences = (*say(name, distinct, within, None), *([] if joint_auc is None else [say_linear(joint_auc)]))
    else:
        joint_auc = measure_joint(evidence, (margins > 0).astype(np.int64))
        sentences = tuple(say(name, distinct, within, joint_auc))
    return Explanation(name, len(margins), tuple(associations), tuple(within), joint_auc, sentences)


def rank_associations(
    attributes: Sequence[Attribute], margins: np.ndarray, leader: str | None = None
) -> list[Association]:
    """The associations with margins [n], strongest first. The first is, of those within `TIE_AUC` of the strongest,
    the one named `leader`, else the first in `ORDER`: a difference so small is noise."""
    found = [associate(attribute, margins) for attribute in attributes]
    ranked = sorted((a for a in found if a is not None), key=lambda a: (-round(a.auc, 3), ORDER.index(a.origin)))
    tied = [a for a in ranked if a.auc >= ranked[0].auc - TIE_AUC]
    first = sorted(tied, key=lambda a: (a.name != leader, ORDER.index(a.origin)))[:1]
    return first + [a for a in ranked if a not in first]


def read_classes(evidence: Evidence, margins: np.ndarray, leader: str) -> list[ClassReading]:
    """Each class with enough datapoints on both sides, in the order of the classes. leader: the attribute that is the
    strongest over all of them."""
    readings = []
    leading = next(each for each in evidence.attributes if each.name == leader)
    oriented = orient(leading, margins)
    above, n_classes = margins > 0, len(evidence.class_names)
    sizes = [np.bincount(evidence.labels[side], minlength=n_classes) for side in (above, ~above)]
    for label in np.flatnonzero(np.minimum(*sizes) >= MIN_CLASS_ROWS).tolist():
        mask, class_name = evidence.labels == label, evidence.class_names[label]
        inside = [replace(each, values=each.values[mask]) for each in evidence.attributes if each.origin != CLASS]
        ranked = rank_associations(inside, margins[mask], leader)
        if ranked:
            follows = None if leading.origin == CLASS else score_oriented(leading, oriented[mask], margins[mask])
            readings.append(ClassReading(label, class_name, ranked[0], follows))
    return readings


def drop_likes(associations: Sequence[Association], attributes: Sequence[Attribute]) -> list[Association]:
    """The associations without those of the strongest whose attribute says nearly the same as a stronger one's: numbers
    whose ranks correlate by `LIKE_CORRELATION` or more. Of brightness and ink on a black ground, one is enough."""
    numbers = {each.name: each.values for each in attributes if not each.is_categorical}
    kept: list[Association] = []
    for association in associations[:N_STRONGEST]:
        values = numbers.get(association.name)
        others = [numbers[each.name] for each in kept if each.name in numbers]
        if values is None or not any(correlate_ranks(values, other) >= LIKE_CORRELATION for other in others):
            kept.append(association)
    return [*kept, *associations[N_STRONGEST:]]


def correlate_ranks(one: np.ndarray, other: np.ndarray) -> float:
    """Size of Spearman's correlation of two attributes [n], over the datapoints where both are known; 0 where one of
    them does not vary over these."""
    known = np.isfinite(one) & np.isfinite(other)
    if len(np.unique(one[known])) < 2 or len(np.unique(other[known])) < 2:
        return 0.0
    return abs(float(spearmanr(one[known], other[known]).statistic))


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


def say(
    name: str, associations: Sequence[Association], within: Sequence[ClassReading], joint_auc: float | None
) -> list[str]:
    """The reading of a task in sentences."""
    if not associations:
        return [f"Nothing is known of the datapoints that could explain {name}."]
    best = associations[0]
    figures, subject = f"{best.name}, AUC {best.auc:.2f} (0.5 is chance, 1 perfect)", name[:1].upper() + name[1:]
    if best.auc >= CLEAR_AUC:
        lines = [f"{subject} separates {best.side_1} (side +) from {best.side_0} (side -): {figures}."]
    elif best.auc >= WEAK_AUC:
        lines = [f"{subject} leans to {best.side_1} on side + and {best.side_0} on side -, weakly: {figures}."]
    else:
        lines = [f"No single attribute explains {name}; the nearest is {figures}."]
    lines += [*say_following(associations), *say_within(within), *say_class(associations)]
    if joint_auc is not None:
        told = f"All image statistics together tell the side of unseen datapoints with an AUC of {joint_auc:.2f}"
        lines.append(f"{told}: {judge_joint(joint_auc)}.")
    return lines


def say_following(associations: Sequence[Association]) -> list[str]:
    """The next attributes that go the same way."""
    following = [each for each in associations[1:4] if each.auc >= WEAK_AUC and each.origin != CLASS]
    listed = ", ".join(f"{each.side_1} (AUC {each.auc:.2f})" for each in following)
    return [f"Side + goes with {listed}, too."] if following else []


def say_within(within: Sequence[ClassReading]) -> list[str]:
    """The attributes that part the sides within classes: in how many each is the strongest, and how strong."""
    clear = [each.association for each in within if each.association.auc >= CLEAR_AUC]
    if not clear:
        return []
    counts = Counter(each.name for each in clear).most_common()
    parts = [f"{name} ({n} of {len(within)})" for name, n in counts[:MAX_WITHIN]]
    if len(counts) > MAX_WITHIN:
        parts.append(f"others ({sum(n for _, n in counts[MAX_WITHIN:])})")
    if len(clear) < len(within):
        parts.append(f"nothing clear ({len(within) - len(clear)})")
    low, high = (f"{bound(each.auc for each in clear):.2f}" for bound in (min, max))
    span, where = low if low == high else f"{low} to {high}", " where clear" if len(clear) < len(within) else ""
    return [f"Within a class the strongest is {', '.join(parts)}; AUC {span}{where}."]


def say_class(associations: Sequence[Association]) -> list[str]:
    """Whether the sides follow the class."""
    of_class = next((each for each in associations if each.origin == CLASS), None)
    if of_class is None or of_class is associations[0]:
        return []
    auc = f"AUC {of_class.auc:.2f}"
    if of_class.auc < WEAK_AUC:
        return [f"It is not the class: about as many datapoints of each class lie on side + as on side - ({auc})."]
    return [f"The sides also follow the class: {of_class.side_1} on side +, {of_class.side_0} on side - ({auc})."]


def judge_joint(auc: float) -> str:
    if auc >= 0.9:
        return "they predict it well"
    return "they predict part of it" if auc >= CLEAR_AUC else "it is mostly something that they do not measure"


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
            "associations": [vars(a) for a in list_notable(each)],
            "within_classes": [
                {"class_name": r.class_name, "follows": r.follows, **vars(r.association)} for r in each.within_classes
            ],
        }
        for each in explanations
    ]
