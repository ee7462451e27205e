"""How much of what a linear classifier of the pixels tells does the attribute tell that the report names first?

    splitgen make npz:FILE --out RUN ...
    python tests/benchmarks/named_attribute.py npz:FILE RUN [npz:FILE RUN ...]

Prints a Markdown row a run: the attribute, its AUC within class; that of a logistic regression of all pixels on one
half of the datapoints, centred within class, judged within class on the other half, with the best of four penalties
(which flatters the classifier, and never the attribute); and how far the attribute goes from 0.5 to it.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from splitgen import DataConfig, ImageDataset, gather_evidence, open_dataset, read_split
from splitgen.explain.explanation import explain_task
from splitgen.explain.templates import centre_classes, judge_within

MAX_ROWS = 10_000
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)  # of the weights, as scikit-learn's C


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="+", help="a source and the folder of a run on it")
    given = parser.parse_args().pairs
    print(
        "| run | named first | within class | linear classifier | way from 0.5 | together |\n|---|---|---|---|---|---|"
    )
    for source, run in zip(given[::2], given[1::2], strict=True):
        dataset, split = open_dataset(DataConfig(source)), read_split(run)
        reading = explain_task(gather_evidence(dataset), "the task", split.margins)
        first, linear = reading.associations[0], judge_linear(dataset, split.margins)
        way = (first.strength - 0.5) / (linear - 0.5)
        together = "-" if reading.together is None else f"{reading.together.auc:.3f}"
        print(f"| {run} | {first.name} | {first.strength:.3f} | {linear:.3f} | {way:.3f} | {together} |", flush=True)


def judge_linear(dataset: ImageDataset, margins: np.ndarray) -> float:
    """AUC within class of a linear classifier of the pixels, on rows that it never saw."""
    rows = np.random.default_rng(0).permutation(dataset.n_points)[:MAX_ROWS]
    pixels = dataset.images.take(torch.from_numpy(rows)).flatten(1).float().numpy()
    values, labels, above = centre_classes(pixels, dataset.labels[rows]), dataset.labels[rows], margins[rows] > 0
    values /= values.std(axis=0).clip(1e-6)
    fit, rest = slice(0, len(rows) // 2), slice(len(rows) // 2, None)
    models = [LogisticRegression(C=penalty, max_iter=300).fit(values[fit], above[fit]) for penalty in PENALTIES]
    return max(judge_within(model.decision_function(values[rest]), above[rest], labels[rest]) for model in models)


if __name__ == "__main__":
    main()
