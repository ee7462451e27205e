"""Thresholds, and what a figure says beside them: always compared unrounded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from splitgen.errors import SettingError
from splitgen.settings.faults import fault


@dataclass(frozen=True)
class Thresholds:
    """Bounds, each None where it is not asked for; accuracies and differences of them, as fractions.

    fail_under: lowest test accuracy that passes.
    fail_under_class: the same for the class with the lowest test accuracy.
    max_drop: highest fair drop that passes: recoverable accuracy less test accuracy.
    max_gap: highest gap that passes: accuracy on held-out rows of the train side less test accuracy.
    """

    fail_under: float | None = None
    fail_under_class: float | None = None
    max_drop: float | None = None
    max_gap: float | None = None

    def __post_init__(self) -> None:
        """Raises `SettingError` for bounds that are no fraction."""
        faults = [
            fault(name, bound, "a fraction from 0 to 1")
            for name, bound in self.given()
            if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not 0 <= bound <= 1
        ]
        if faults:
            raise SettingError(*faults)

    def given(self) -> Iterator[tuple[str, float]]:
        """Names and bounds of those that are asked for."""
        for name, bound in dataclasses.asdict(self).items():
            if bound is not None:
                yield name, bound


FIGURE_OF = {
    "fail_under": "test_accuracy",
    "fail_under_class": "worst_class_accuracy",
    "max_drop": "fair_drop",
    "max_gap": "gap",
}
RELATIVE = ("max_drop", "max_gap")  # a model that learned nothing would pass these


@dataclass(frozen=True)
class Outcome:
    """One check of one figure. figure: its name. value: None where it could not be measured; problem says why."""

    check: str
    figure: str
    bound: float
    value: float | None
    passed: bool
    problem: str | None = None

    @property
    def sign(self) -> str:
        """How the value must lie beside the bound."""
        return "<=" if self.check.startswith("max") else ">="

    @property
    def status(self) -> str:
        return "error" if self.value is None else "passed" if self.passed else "FAILED"

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.figure}: {self.problem}"
        value, bound = write_apart(self.value, self.bound)
        return f"{self.figure} {value}, must be {self.sign} {bound}"


def check_figures(
    figures: Mapping[str, float],
    thresholds: Thresholds,
    why_missing: Mapping[str, str],
    unlearned: str | None = None,
) -> list[Outcome]:
    """An outcome for each threshold.

    figures: means by name. why_missing: by name, why it is not there. unlearned: why the model has not learned, so that
        what compares it with itself cannot be judged.
    """
    outcomes = []
    for name, bound in thresholds.given():
        figure = FIGURE_OF[name]
        value = figures.get(figure)
        if value is None or math.isnan(value):
            outcomes.append(Outcome(name, figure, bound, None, False, why_missing.get(figure, "it was not measured")))
        elif name in RELATIVE and unlearned is not None:
            outcomes.append(Outcome(name, figure, bound, None, False, unlearned))
        else:
            passed = value <= bound if name.startswith("max") else value >= bound
            outcomes.append(Outcome(name, figure, bound, value, passed))
    return outcomes


def write_apart(value: float, bound: float) -> tuple[str, str]:
    """Both numbers with as many digits as tell them apart, at least three."""
    digits = 3
    while value != bound and f"{value:.{digits}f}" == f"{bound:.{digits}f}" and digits < 17:
        digits += 1
    return f"{value:.{digits}f}", f"{bound:.{digits}f}"
