"""What labels and classes a dataset may have, checked before anything of their size is made. Worker processes load this
module: without torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from splitgen.errors import SourceError
from splitgen.whole import NotWholeError, to_whole

MIN_ROWS_PER_CLASS = 10


def check_label_shape(source: str, shape: tuple[int, ...], n_images: int) -> None:
    """Raise `SourceError` unless the labels are [N]."""
    if shape != (n_images,):
        raise SourceError(source, f"{n_images} images but labels of shape {shape}", "give one label for each image")


def check_labels(source: str, labels: np.ndarray, n_images: int, below: int = 2**63) -> np.ndarray:
    """Labels as int64 [N], or a `SourceError`. below: number of classes, where it is known already."""
    check_label_shape(source, labels.shape, n_images)
    if n_images == 0:
        raise SourceError(source, "it has no rows", "give a dataset with at least two classes")
    try:
        return to_whole(labels, 0, below)
    except NotWholeError as error:
        if error.is_whole and error.value > 0 and below == 2**63:  # beyond int64, so beyond any number of classes
            raise tell_gap(source, labels) from error
        if error.is_whole and error.value > 0:
            problem = f"it has the label {error.shown}, the train part's classes are 0..{below - 1}"
        elif error.is_whole:
            problem = f"labels must be 0 or more, got {error.shown}"
        else:
            problem = f"labels must be integers, got {labels.dtype} such as {error.value!r}"
        raise SourceError(source, problem, "encode the classes as 0, 1, 2, ...") from error


def tell_gap(source: str, labels: np.ndarray) -> SourceError:
    """The error of labels [N] that reach N or beyond: some class below has no rows."""
    present = np.unique(labels)
    gaps = np.flatnonzero(present != np.arange(len(present)))
    first, highest = (int(gaps[0]) if len(gaps) else len(present)), int(labels.max())
    shown = f"class '{first}' has 0 rows, though labels go up to {highest}"
    return SourceError(source, shown, f"every class needs at least {MIN_ROWS_PER_CLASS}: encode them as 0, 1, 2, ...")


def check_classes(source: str, labels: np.ndarray, class_names: Sequence[str]) -> None:
    """At least two classes, each with enough rows, or a `SourceError`."""
    counts = np.bincount(labels, minlength=len(class_names))
    if len(counts) > len(class_names):
        raise SourceError(source, f"label {len(counts) - 1} has no class name", "name every class")
    if (counts > 0).sum() < 2:
        raise SourceError(
            source, f"it has one class only ('{class_names[int(labels[0])]}')", "give two or more classes"
        )
    few = int(counts.argmin())
    if counts[few] < MIN_ROWS_PER_CLASS:
        raise SourceError(
            source,
            f"class '{class_names[few]}' has {int(counts[few])} rows",
            f"every class needs at least {MIN_ROWS_PER_CLASS}",
        )
