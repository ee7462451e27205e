"""The rule and sizes by which rows are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import choice_faults, fault
from splitgen.settings.fields import described, setting

HALVES, EQUALITY = "halves", "equality"  # rules by which a class is parted


@described
@dataclass(frozen=True)
class SelectionConfig:
    """What the model is trained on, and the sizes, as fractions of all rows (docs/method.md, section 5)."""

    target: str = setting(
        "label", "`label`, or the classes of side 1, by number or name, as in `0,1,2` or `cat,dog`", option="--target"
    )
    test_fraction: float = setting(
        0.5,
        "of all rows, those on which the model is to fail; what the three fractions leave is train",
        option="--test-fraction",
    )
    reserve_fraction: float = setting(
        0.0,
        "the middle of each class, left out between train and test; nobody uses it",
        option="--reserve-fraction",
    )
    validation_fraction: float = setting(
        0.0,
        "drawn at random from the train side; by the rule `equality`, of that side's rows",
        option="--validation-fraction",
    )
    rule: str = setting(
        HALVES,
        "how a class is parted: `halves` at these sizes, exactly, or `equality`, as in the paper: train is where"
        " the task equals the class side, and the sizes are what comes of it",
        option="--rule",
    )

    def faults(self) -> Iterator[str]:
        if not self.target.strip(" ,"):
            yield fault("target", self.target, "'label', or classes by number or name such as '0,1,2' or 'cat,dog'")
        yield from choice_faults(self, "rule", (HALVES, EQUALITY))
        if self.rule == EQUALITY and (self.test_fraction, self.reserve_fraction) != (0.5, 0.0):
            problem = (
                "test_fraction and reserve_fraction must be left out with rule equality, whose sizes the task gives"
            )
            yield f"{problem}; give them with rule halves"
        if not 0 < self.test_fraction < 1:
            yield fault("test_fraction", self.test_fraction, "above 0 and below 1")
        for name in ("reserve_fraction", "validation_fraction"):
            if not 0 <= getattr(self, name) < 1:
                yield fault(name, getattr(self, name), "0 or more and below 1")
        if self.train_fraction <= 0:
            total = self.test_fraction + self.reserve_fraction + self.validation_fraction
            yield f"test, reserve and validation fractions must leave rows to train on, they sum to {total:g}"

    @property
    def train_fraction(self) -> float:
        """Of all rows; by the rule "equality", as may be expected."""
        side = 1 - self.test_fraction - self.reserve_fraction
        return side * (1 - self.validation_fraction) if self.rule == EQUALITY else side - self.validation_fraction
