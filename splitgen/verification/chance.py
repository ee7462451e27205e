"""Has a model learned? The floor against chance below which no figure tells how a model fails.

A model that learned nothing is right as often on adversarial test rows as on any others: its drop is small and its
gap is small, and neither says that it is robust.
"""

from __future__ import annotations

import numpy as np

LEARNED_SHARE = 0.3  # of what a guess gets wrong
LEARNED_MULTIPLE = 20  # of what a guess gets right: of many classes, that is the lower


def measure_chance(*parts: np.ndarray) -> float:
    """The accuracy of the best constant guess, the largest over some parts. parts: targets, int [n] each."""
    return max(float(np.bincount(targets).max() / len(targets)) for targets in parts if len(targets))


def find_floor(chance_accuracy: float) -> float:
    """The accuracy from which on a model has learned: it is right on 0.3 of what the best constant guess gets wrong, or
    20 times as often as this guess (2 classes: 0.65, 10 classes: 0.37, 100 classes: 0.20, 1,000 classes: 0.02)."""
    return min(chance_accuracy + LEARNED_SHARE * (1 - chance_accuracy), LEARNED_MULTIPLE * chance_accuracy)


def tell_unlearned(model: str, accuracies: dict[str, float], chance_accuracy: float) -> str | None:
    """Which of the accuracies, by what they are of, lies below the floor, in words; None where all reach it."""
    floor = find_floor(chance_accuracy)
    for rows, accuracy in accuracies.items():
        if not accuracy >= floor:
            return (
                f"{model} has not learned: accuracy {accuracy:.3f} on {rows}, where a constant guess has "
                f"{chance_accuracy:.3f} and {floor:.3f} is the least"
            )
    return None
