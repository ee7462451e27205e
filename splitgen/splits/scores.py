"""Targets, and datapoint scores from task margins and class sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from splitgen.data.dataset import ImageDataset
from splitgen.errors import SettingError


@dataclass(frozen=True)
class Target:
    """What the target model is trained on.

    spec: "label", or the classes of side 1 as in "0,1,2,3,4".
    values: int64 [N], the label itself, or 1 for the classes of side 1 and 0 for the rest.
    n_outputs: classes that the model tells apart.
    positive_classes: the classes of side 1; None where the target is the label.
    """

    spec: str
    values: np.ndarray
    n_outputs: int
    positive_classes: tuple[int, ...] | None


def make_target(dataset: ImageDataset, spec: str = "label") -> Target:
    """The target of a spec. Raises `SettingError` for classes that the dataset does not have."""
    if spec == "label":
        return Target(spec, dataset.labels, dataset.n_classes, None)
    try:
        positive = tuple(sorted({int(part) for part in spec.split(",")}))
    except ValueError as error:
        raise SettingError(f"target must be 'label' or class numbers such as '0,1,2,3,4', got {spec!r}") from error
    unknown = [c for c in positive if not 0 <= c < dataset.n_classes]
    if unknown:
        raise SettingError(f"target names class {unknown[0]}, the dataset has the classes 0..{dataset.n_classes - 1}")
    if len(positive) == dataset.n_classes:
        raise SettingError(f"target lists all {len(positive)} classes; leave at least one out")
    values = np.isin(dataset.labels, positive).astype(np.int64)
    return Target(",".join(map(str, positive)), values, 2, positive)


def score_datapoints(margins: np.ndarray, labels: np.ndarray, class_sides: np.ndarray) -> np.ndarray:
    """Datapoint scores s_{y_i} * m_i, float32 [N] (docs/method.md, section 1): larger is more train-like.

    margins: [N], of one task. labels: int [N]. class_sides: [C] of -1 and +1.
    """
    scores: np.ndarray = (class_sides[labels] * margins).astype(np.float32)
    return scores
