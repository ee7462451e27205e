"""What the target model is trained on: the label itself, or a binary grouping of the classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from splitgen.data.class_names import MOST, are_numbers, find_classes
from splitgen.data.dataset import ImageDataset
from splitgen.errors import SettingError

LABEL = "label"


@dataclass(frozen=True)
class Target:
    """What the target model is trained on.

    spec: "label", or the numbers of the classes of side 1 as in "0,1,2,3,4".
    values: int64 [N], the label itself, or 1 for the classes of side 1 and 0 for the rest.
    n_outputs: classes that the model tells apart.
    positive_classes: the classes of side 1; None where the target is the label.
    """

    spec: str
    values: np.ndarray
    n_outputs: int
    positive_classes: tuple[int, ...] | None


def make_target(dataset: ImageDataset, spec: str = LABEL) -> Target:
    """The target of a spec: "label", or the classes of side 1 by number or name, as in "0,1" or "cat,dog".

    Raises `SettingError` for classes that the dataset does not have, or that may be two.
    """
    if spec == LABEL:
        return Target(spec, dataset.labels, dataset.n_classes, None)
    positive = tuple(find_classes(spec, dataset.class_names))
    if len(positive) == dataset.n_classes:
        raise SettingError(f"target lists all {len(positive)} classes; leave at least one out")
    values = np.isin(dataset.labels, positive).astype(np.int64)
    return Target(",".join(map(str, positive)), values, 2, positive)


def tell_target(target: Target, class_names: Sequence[str]) -> Iterator[str]:
    """A line on which classes a binary target puts together, where they have names."""
    if target.positive_classes is not None and not are_numbers(class_names):
        shown = [f"'{class_names[c]}' (class {c})" for c in target.positive_classes[:MOST]]
        more = len(target.positive_classes) - len(shown)
        rest = f" and {more} more" if more else ""
        others = len(class_names) - len(target.positive_classes)
        yield f"target: side 1 is {', '.join(shown)}{rest}; side 0 the other {others} of {len(class_names)} classes"
