"""How the model does on each class: counts, accuracy, and which classes it takes for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from splitgen.data.class_names import list_names, list_target
from splitgen.report.charts import MAX_MATRIX, Chart, draw_matrix
from splitgen.splits.rows import PARTS
from splitgen.splits.split import Split
from splitgen.verification.confusion import Confusion, map_targets

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


def tabulate_classes(split: Split, names: Sequence[str], confusions: Mapping[str, Confusion]) -> Table:
    """Rows of each part by class, and the accuracy on test and under the random split."""
    shown = [part for part in PARTS if (split.parts == part).any()]
    targets, n_classes = map_targets(split), len(names)
    accuracies = {part: confusion.score_classes(targets) for part, confusion in confusions.items()}
    counts = [np.bincount(split.labels[split.parts == part], minlength=n_classes) for part in shown]
    headers = ["class", *shown, *(f"{part} accuracy" for part in accuracies)]
    order: Sequence[int] = range(n_classes)
    if accuracies:
        order = np.argsort(accuracies["test"], kind="stable").tolist()
    rows = [
        [names[c], *(str(n[c]) for n in counts), *(percent(scores[c]) for scores in accuracies.values())]
        for c in order[:MAX_TABLE_CLASSES]
    ]
    rows.append([f"all {n_classes} classes", *(str(n.sum()) for n in counts), *("" for _ in accuracies)])
    return Table(headers, rows)


def name_outputs(split: Split, names: Sequence[str], n_outputs: int) -> list[str]:
    """What the target model's outputs stand for: the classes, or the two sides of a binary target."""
    spec = split.metadata.get("target", "label")
    if spec == "label":
        return list(names)
    return ["the rest", f"classes {list_names(list_target(spec, names))}"][:n_outputs]


def draw_confusions(split: Split, names: Sequence[str], confusions: Mapping[str, Confusion]) -> list[Chart]:
    """What test rows are predicted as, beside the same under a random split."""
    targets, drawn = map_targets(split), []
    shown = choose_worst(confusions["test"].score_classes(targets))
    for part, title in (("test", "Predicted on adversarial test"), ("random", "Predicted under a random split")):
        confusion = confusions[part]
        outputs = name_outputs(split, names, confusion.counts.shape[1])
        columns = shown if len(outputs) == len(names) else np.arange(len(outputs))
        accuracy = float(np.nanmean(confusion.score_classes(targets)))
        text = f"Matrix of predictions by class, in percent of the class's rows; {percent(accuracy)} right on average."
        if len(shown) < len(names):
            text += f" Of {len(names)} classes, the {len(shown)} with the lowest accuracy on test."
        shares = confusion.share_rows(shown, columns)
        labels = [names[c] for c in shown], [outputs[c] for c in columns]
        drawn.append(draw_matrix(f"confusion-{part}", title, text, shares, *labels))
    return drawn


def choose_worst(accuracies: np.ndarray) -> np.ndarray:
    """The classes that a matrix shows: all, or of many those with the lowest accuracy; ascending. accuracies: [C]."""
    order = np.argsort(accuracies, kind="stable")
    return np.sort(order[:MAX_MATRIX])


def say_confusions(split: Split, names: Sequence[str], confusions: Mapping[str, Confusion]) -> list[str]:
    """Which classes are taken for which on test, the most frequent first, beside the random split."""
    test, random = confusions["test"], confusions["random"]
    outputs = name_outputs(split, names, test.counts.shape[1])
    return [
        f"{names[c]} is taken for {outputs[output]}: {percent(share)} of its test rows "
        f"({percent(float(random.share_rows(np.array([c]), np.array([output]))[0, 0]))} under a random split)"
        for c, output, share in zip(
            *(each[:MAX_CONFUSIONS] for each in test.rank_wrong(map_targets(split))), strict=True
        )
        if share >= MIN_CONFUSION
    ]
