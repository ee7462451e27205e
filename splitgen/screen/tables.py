"""Tables of results for the terminal; starts without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from splitgen.screen.console import Screen
from splitgen.verification.figures import FIGURES


def tell_balance(class_balance: Sequence[float]) -> str:
    """The share of side 1 of a binary task, or how many classes there are."""
    return f"{class_balance[1]:.2f}" if len(class_balance) == 2 else f"{len(class_balance)}-way"


def print_agreement(screen: Screen, scores: Sequence[Mapping[str, Any]]) -> None:
    """One row a task; scores: agreement scores as run.json has them."""
    rows = [
        [
            score["task"],
            *(f"{score[name]:.3f}" for name in ("agreement_score", "kappa", "train_accuracy")),
            tell_balance(score["class_balance"]),
            "yes" if score["fitted"] else "NO",
        ]
        for score in scores
    ]
    screen.table("Agreement score", ["task", "agreement", "kappa", "train acc", "balance", "fitted"], rows)


def print_verification(screen: Screen, described: dict[str, Any], class_names: tuple[str, ...] | list[str]) -> None:
    """The figures as a table, and the verdict."""
    rows = [
        [
            name.removesuffix("_accuracy").replace("_", " "),
            f"{figure['mean']:.3f}",
            f"{figure['low']:.3f} to {figure['high']:.3f}",
            " ".join(f"{value:.3f}" for value in figure["values"]),
        ]
        for name, figure in sorted(described["figures"].items(), key=lambda item: FIGURES.index(item[0]))
    ]
    title = f"Accuracy of {described['model']}, train {described['n_train']}, test {described['n_test']}"
    screen.table(title, ["figure", "mean", "95 % interval", "each seed"], rows)
    screen.say(
        f"worst class in test: {class_names[described['worst_class']]}; class imbalance {described['imbalance']:.4f}"
    )
    screen.say(f"verdict: {described['verdict']}")


SUMMARY = ("train_holdout_accuracy", "random_accuracy", "recoverable_accuracy", "test_accuracy", "fair_drop")


def summarize_figures(figures: dict[str, Any]) -> list[str]:
    """Means of the figures of `SUMMARY` as cells."""
    return [f"{figures[name]['mean']:.3f}" for name in SUMMARY]


def print_transfer(screen: Screen, judged: Sequence[dict[str, Any]]) -> None:
    """One row a model that judged the same split."""
    cells = [
        [each["model"], *summarize_figures(each["figures"]), "yes" if each["is_adversarial"] else "NO"]
        for each in judged
    ]
    headers = ["model", "train", "random", "recov.", "test", "drop", "adversarial"]
    screen.table("One split, judged by each model from scratch", headers, cells)


def print_several(screen: Screen, splits: Sequence[dict[str, Any]]) -> None:
    """One row a split of a target, and of a task."""
    cells = [
        [
            each["name"],
            each["task"],
            *(f"{each['figures'][name]:.3f}" for name in SUMMARY[1:]),
            "yes" if each["is_adversarial"] else "NO",
        ]
        for each in splits
    ]
    headers = ["split", "task", "random", "recov.", "test", "drop", "adversarial"]
    screen.table("Splits of several targets", headers, cells)


def print_comparison(screen: Screen, rows: Sequence[dict[str, Any]]) -> None:
    """One row a splitter, the strongest split first."""
    cells = [
        [
            row["splitter"],
            *summarize_figures(row["figures"]),
            f"{row['imbalance']:.3f}",
            f"{row['cpu_seconds']:.0f}",
        ]
        for row in rows
    ]
    headers = ["splitter", "train", "random", "recov.", "test", "drop", "imbal.", "CPU s"]
    screen.table("Comparison at equal sizes, strongest first", headers, cells)
