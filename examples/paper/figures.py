"""One figure for each part of the study, in the paper's form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

mpl.use("Agg")
CHANCE = 0.5


def draw_agreement(scores: pd.DataFrame, path: Path) -> None:
    """Every score as a dot, by kind of task, a panel for each model; hollow where the task was not fitted."""
    models, kinds = list(scores["model"].unique()), list(scores["kind"].unique())
    figure = Figure(figsize=(3.2 * len(models), 3.2), layout="constrained")
    for axes, model in zip(np.atleast_1d(figure.subplots(1, len(models), sharey=True)), models, strict=True):
        for at, kind in enumerate(kinds):
            of_kind = scores[(scores["model"] == model) & (scores["kind"] == kind)]
            spread = at + np.linspace(-0.25, 0.25, len(of_kind)) if len(of_kind) > 1 else [at] * len(of_kind)
            faces = [f"C{at}" if fitted else "none" for fitted in of_kind["fitted"]]
            axes.scatter(spread, of_kind["agreement_score"], s=24, facecolors=faces, edgecolors=f"C{at}")
        axes.axhline(CHANCE, color="grey", linewidth=0.8, linestyle=":")
        axes.set_xticks(range(len(kinds)), kinds, rotation=30, ha="right")
        axes.set_title(model)
        axes.set_ylabel("agreement score")
        axes.label_outer()
    figure.savefig(path, dpi=150)


def draw_similarity(similarity: pd.DataFrame, path: Path) -> None:
    """A matrix for each model and d: the tasks, and the human ones beside them."""
    groups = list(similarity.groupby(["model", "d"], sort=False))
    figure = Figure(figsize=(4 * len(groups), 3.4), layout="constrained")
    for axes, ((model, dim), part) in zip(np.atleast_1d(figure.subplots(1, len(groups))), groups, strict=True):
        table = part.pivot_table(index="task", columns="other", values="similarity", sort=False)
        image = axes.imshow(table.to_numpy(), vmin=CHANCE, vmax=1, cmap="viridis", aspect="auto")
        axes.set_title(f"{model}, d = {dim}")
        axes.set_ylabel("discovered task")
        axes.set_xticks(range(table.shape[1]), list(table.columns), rotation=90, fontsize=6)
        figure.colorbar(image, ax=axes, label="similarity")
    figure.savefig(path, dpi=150)


def draw_splits(splits: pd.DataFrame, path: Path) -> None:
    """Accuracy on the adversarial test rows of each target and task beside its controls."""
    figure = Figure(figsize=(1.5 + 1.3 * len(splits), 3.4), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(splits))
    for at, (name, label) in enumerate([("test", "test"), ("random", "random split"), ("recoverable", "recoverable")]):
        axes.bar(places + 0.27 * (at - 1), splits[f"{name}_accuracy"], 0.25, label=label)
    axes.axhline(CHANCE, color="grey", linewidth=0.8, linestyle=":")
    names = [f"{target}\ntask {number}" for target, number in zip(splits["target"], splits["number"], strict=True)]
    axes.set_xticks(places, names, fontsize=7)
    axes.set_ylabel("accuracy")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=150)


def draw_transfer(scores: pd.DataFrame, path: Path) -> None:
    """Mean agreement score of a model (column) on the tasks that were found for another (row)."""
    table = scores.pivot_table(index="found_for", columns="model", values="agreement_score", sort=False)
    figure = Figure(figsize=(4, 3.2), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(table.to_numpy(), vmin=CHANCE, vmax=1, cmap="viridis")
    axes.set_xticks(range(table.shape[1]), list(table.columns), rotation=30, ha="right")
    axes.set_yticks(range(table.shape[0]), list(table.index))
    for row, column in np.argwhere(table.notna().to_numpy()):
        axes.text(column, row, f"{table.iloc[row, column]:.2f}", ha="center", va="center", color="white")
    axes.set_xlabel("scored with")
    axes.set_ylabel("found for")
    figure.colorbar(image, ax=axes, label="agreement score")
    figure.savefig(path, dpi=150)


FIGURES: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "agreement": draw_agreement,
    "similarity": draw_similarity,
    "splits": draw_splits,
    "transfer": draw_transfer,
}
