"""Tables of results for the terminal; starts without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from splitgen.console import Screen

if TYPE_CHECKING:
    from splitgen.tasks.agreement import AgreementScore


def print_agreement(screen: Screen, scores: Sequence[AgreementScore]) -> None:
    rows = []
    for score in scores:
        balance = (
            f"{score.class_balance[1]:.2f}" if len(score.class_balance) == 2 else f"{len(score.class_balance)}-way"
        )
        rows.append(
            [
                score.task,
                f"{score.agreement_score:.3f}",
                f"{score.kappa:.3f}",
                f"{score.train_accuracy:.3f}",
                balance,
                "yes" if score.fitted else "NO",
            ]
        )
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
        for name, figure in described["figures"].items()
    ]
    title = f"Accuracy of {described['model']}, train {described['n_train']}, test {described['n_test']}"
    screen.table(title, ["figure", "mean", "95 % interval", "each seed"], rows)
    screen.say(
        f"worst class in test: {class_names[described['worst_class']]}; class imbalance {described['imbalance']:.4f}"
    )
    screen.say(f"verdict: {described['verdict']}")
