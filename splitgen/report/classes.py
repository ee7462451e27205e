"""How the model does on each class: counts, accuracy, and which classes it takes for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitgen.report.charts import MAX_MATRIX, Chart, draw_matrix
from splitgen.splits.split import PARTS, Split

MAX_TABLE_CLASSES = 40
MAX_CONFUSIONS = 8
MIN_CONFUSION = 0.10  # share of a class's test rows


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column names the row."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def tabulate_classes(split: Split, names: Sequence[str], confusion: Mapping[str, Any] | None) -> Table:
    """Rows of each part by class, and the accuracy on test and under the random split."""
    shown = [part for part in PARTS if (split.parts == part).any()]
    accuracies = {part: score_classes(split, np.array(c)) for part, c in (confusion or {}).items()}
    headers = ["class", *shown, *(f"{part} accuracy" for part in accuracies)]
    order: Sequence[int] = range(len(names))
    if accuracies:
        order = np.argsort(accuracies["test"], kind="stable").tolist()
    rows = []
    for c in order[:MAX_TABLE_CLASSES]:
        counts = [str(int(((split.labels == c) & (split.parts == part)).sum())) for part in shown]
        rows.append([names[c], *counts, *(percent(scores[c]) for scores in accuracies.values())])
    total = [str(int((split.parts == part).sum())) for part in shown]
    rows.append([f"all {len(names)} classes", *total, *("" for _ in accuracies)])
    return Table(headers, rows)


def map_targets(split: Split) -> np.ndarray:
    """The target of each source class, int64 [C]."""
    targets = np.zeros(int(split.labels.max()) + 1, dtype=np.int64)
    targets[split.labels] = split.targets
    return targets


def score_classes(split: Split, confusion: np.ndarray) -> np.ndarray:
    """Accuracy of each class [C] from a confusion [C, n_outputs]; NaN for one without rows."""
    right = confusion[np.arange(len(confusion)), map_targets(split)]
    totals = confusion.sum(axis=1)
    return np.asarray(np.where(totals > 0, right / totals.clip(1), np.nan))


def name_outputs(split: Split, names: Sequence[str], n_outputs: int) -> list[str]:
    """What the target model's outputs stand for: the classes, or the two sides of a binary target."""
    if split.metadata.get("target", "label") == "label":
        return list(names)
    return ["the rest", f"classes {split.metadata['target']}"][:n_outputs]


def draw_confusions(split: Split, names: Sequence[str], confusion: Mapping[str, Any]) -> list[Chart]:
    """What test rows are predicted as, beside the same under a random split."""
    shown, drawn = choose_worst(split, np.array(confusion["test"])), []
    for part, title in (("test", "Predicted on adversarial test"), ("random", "Predicted under a random split")):
        counts = np.array(confusion[part], dtype=float)
        outputs = name_outputs(split, names, counts.shape[1])
        columns = shown if len(outputs) == len(names) else np.arange(len(outputs))
        accuracy = float(np.nanmean(score_classes(split, counts)))
        text = f"Matrix of predictions by class, in percent of the class's rows; {percent(accuracy)} right on average."
        if len(shown) < len(names):
            text += f" Of {len(names)} classes, the {len(shown)} with the lowest accuracy on test."
        shares = share_rows(counts)[np.ix_(shown, columns)]
        labels = [names[c] for c in shown], [outputs[c] for c in columns]
        drawn.append(draw_matrix(f"confusion-{part}", title, text, shares, *labels))
    return drawn


def choose_worst(split: Split, confusion: np.ndarray) -> np.ndarray:
    """The classes that a matrix shows: all, or of many those with the lowest accuracy; ascending."""
    order = np.argsort(score_classes(split, confusion), kind="stable")
    return np.sort(order[:MAX_MATRIX])


def share_rows(counts: Any) -> np.ndarray:
    """Counts [C, n_outputs] as shares of their row; 0 in a row without any."""
    table = np.array(counts, dtype=float)
    return np.asarray(table / table.sum(axis=1, keepdims=True).clip(1))


def say_confusions(split: Split, names: Sequence[str], confusion: Mapping[str, Any]) -> list[str]:
    """Which classes are taken for which on test, the most frequent first, beside the random split."""
    shares = {part: share_rows(counts) for part, counts in confusion.items()}
    outputs, targets = name_outputs(split, names, shares["test"].shape[1]), map_targets(split)
    wrong = shares["test"].copy()
    wrong[np.arange(len(wrong)), targets] = 0
    lines = []
    for place in np.argsort(-wrong, axis=None, kind="stable")[:MAX_CONFUSIONS]:
        c, output = np.unravel_index(place, wrong.shape)
        if wrong[c, output] >= MIN_CONFUSION:
            here, under = (percent(float(shares[part][c, output])) for part in ("test", "random"))
            lines.append(
                f"{names[c]} is taken for {outputs[output]}: {here} of its test rows ({under} under a random split)"
            )
    return lines
