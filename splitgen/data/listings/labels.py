"""From a column of labels to class numbers and class names. Labels are never changed: names become numbers, numbers
stay."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitgen.data.class_checks import check_labels, tell_gap
from splitgen.errors import SourceError

NONE_LABEL = -1  # of a ClassLabel: no label, as in the hub's test parts


@dataclass(frozen=True)
class LabelColumn:
    """Labels of N rows as a source has them.

    values: [N], numbers, or text in an array of objects; what stands where none is present counts for nothing.
    present: bool [N]. names: of the classes, where the source says what its numbers mean.
    """

    values: np.ndarray
    present: np.ndarray
    names: tuple[str, ...] | None = None

    @property
    def is_text(self) -> bool:
        return self.values.dtype.kind == "O"

    def take(self, rows: np.ndarray) -> LabelColumn:
        return LabelColumn(self.values[rows], self.present[rows], self.names)

    def lacks_class(self) -> np.ndarray:
        """Rows whose number says that they have no label, bool [N]."""
        if self.names is None or self.is_text:
            return np.zeros(len(self.values), dtype=bool)
        return np.asarray(self.present & (self.values == NONE_LABEL))


def text_column(texts: Sequence[str | None]) -> LabelColumn:
    """A column of text; None where there is none."""
    values = np.empty(len(texts), dtype=object)
    values[:] = texts
    return LabelColumn(values, np.array([text is not None for text in texts], dtype=bool))


def number_column(source: str, numbers: Sequence[int | None]) -> LabelColumn:
    """A column of whole numbers; None where there is none. Raises `SourceError` for one beyond int64."""
    beyond = next((number for number in numbers if number is not None and abs(number) >= 2**63), None)
    if beyond is not None:
        raise SourceError(source, f"it has the label {beyond}", "encode the classes as 0, 1, 2, ...")
    values = np.array([0 if number is None else number for number in numbers], dtype=np.int64)
    return LabelColumn(values, np.array([number is not None for number in numbers], dtype=bool))


def to_texts(source: str, column: str, values: Sequence[Any], tell_row: Callable[[int], str]) -> list[str | None]:
    """JSON's values as text: whole numbers in their usual form, None for what is empty.

    Raises `SourceError` for other values, and for a mixture: whether 7 and "7" are one is not ours to say.
    """
    texts = [to_text(source, column, value, tell_row, row) for row, value in enumerate(values)]
    kinds = {isinstance(value, str): row for row, value in enumerate(values) if texts[row] is not None}
    if len(kinds) > 1:
        problem = f"'{column}' is text in {tell_row(kinds[True])}, but not in {tell_row(kinds[False])}"
        raise SourceError(source, problem, "write all of its values in one way")
    return texts


def to_text(source: str, column: str, value: Any, tell_row: Callable[[int], str], row: int) -> str | None:
    if value is None or isinstance(value, str):
        return value if value and value.strip() else None
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int):
        shown = json.dumps(value)
        problem = f"{tell_row(row)} has {shown if len(shown) < 40 else f'{shown[:40]}...'} as '{column}'"
        raise SourceError(source, problem, "give text or whole numbers")
    return str(value)


def code_labels(source: str, column: LabelColumn) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class numbers int64 [N], and C class names, of rows that all have a label. Raises `SourceError`.

    Text is a class by its name: 007, 07 and 7 are three. Classes are in plain sorted order; where the names are the
    whole numbers 0..C-1, each is its own number.
    """
    if column.is_text:
        return code_text(column)
    labels = check_labels(source, column.values, len(column.values))
    if column.names is not None:
        check_range(source, labels, column.names)
        return labels, column.names
    if labels.max() >= len(labels):  # before anything is made that has one entry for each class
        raise tell_gap(source, labels)
    return labels, tuple(str(number) for number in range(int(labels.max()) + 1))


def code_text(column: LabelColumn) -> tuple[np.ndarray, tuple[str, ...]]:
    names = sorted(set(column.values.tolist()))
    numbers = [str(number) for number in range(len(names))]
    classes = tuple(numbers if set(numbers) == set(names) else names)
    return look_up(column.values, classes), classes


def code_own_test(source: str, column: LabelColumn, classes: tuple[str, ...], *, by_name: bool) -> np.ndarray:
    """Class numbers int64 [N] of an own test set, by the classes of the train part.

    by_name: the train part's labels are text, whose classes have numbers by their order alone: then a bare number is
    the name of its class. Else numbers without names are the train part's numbers; whatever has a name goes by it.
    Raises `SourceError` for a class that the train part lacks.
    """
    if column.is_text:
        return look_up_all(source, column.values, classes)
    if column.names is None and by_name:
        labels = check_labels(source, column.values, len(column.values))
        return look_up_all(source, labels.astype(str).astype(object), classes)
    if column.names is None:
        return check_labels(source, column.values, len(column.values), len(classes))
    labels = check_labels(source, column.values, len(column.values))
    check_range(source, labels, column.names)
    return look_up_all(source, np.array(column.names, dtype=object)[labels], classes)


def check_range(source: str, labels: np.ndarray, names: Sequence[str]) -> None:
    if labels.max() >= len(names):
        problem = f"it has the label {labels.max()}, but names of {len(names)} classes"
        raise SourceError(source, problem, f"labels are 0..{len(names) - 1}, or name every class")


def look_up_all(source: str, values: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    unknown = sorted(set(values.tolist()) - set(classes))
    if unknown:
        shown = ", ".join(repr(name) for name in unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        problem = f"it has {'the class' if len(unknown) == 1 else f'{len(unknown)} classes'} {shown}"
        raise SourceError(source, f"{problem}, which the train part lacks", "give both parts the same classes")
    return look_up(values, classes)


def look_up(values: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    numbers = {name: number for number, name in enumerate(classes)}
    return np.fromiter((numbers[name] for name in values.tolist()), dtype=np.int64, count=len(values))
