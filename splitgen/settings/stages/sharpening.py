"""Rounds of sharpening."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import fault, least_faults, positive_faults
from splitgen.settings.fields import by_size, described, setting
from splitgen.settings.presets import FEW_POINTS, SHARPENING_ROUNDS


@described
@dataclass(frozen=True)
class SharpeningConfig:
    """Rounds in which the best tasks become what networks make of them (docs/method.md, section 6).

    What is None, `for_points` fills in.
    """

    rounds: int | None = setting(None, "0 leaves sharpening out", by_size(SHARPENING_ROUNDS, FEW_POINTS, "datapoints"))
    folds: int = setting(2, "a row's new margin comes from networks that were trained on the other folds")
    networks: int = setting(3, "how many of them for each fold; their logits are added up")
    first_epochs: float = setting(0.4, "of their training in the first round, as a share of the recipe's epochs")
    more_epochs: float = setting(0.2, "the same of each round after it, in which they are trained on")
    candidates: int = setting(
        2,
        "how many of the strongest are sharpened, of a task and its sides the best state as found and the best as"
        " refined; after the first round the best goes on alone",
    )
    finalists: int = setting(
        3, "of the candidates before, the best that are judged once more to tell the strongest, as in `[search]`"
    )

    def faults(self) -> Iterator[str]:
        yield from positive_faults(self, "networks", "first_epochs", "more_epochs")
        if self.rounds is not None and self.rounds < 0:
            yield fault("sharpening rounds", self.rounds, "0 or more")
        if self.folds < 2:
            yield fault("sharpening folds", self.folds, "2 or more")
        yield from least_faults(self, 0, "finalists", prefix="sharpening ")
        if self.candidates < 1:
            yield fault("sharpening candidates", self.candidates, "1 or more; give rounds 0 to leave it out")

    def for_points(self, n_points: int) -> SharpeningConfig:
        """The same settings with the rounds filled in for a dataset of that many datapoints: below `FEW_POINTS`
        networks that see a part of them know a task less well than its encoder does."""
        few, many = SHARPENING_ROUNDS
        rounds = (few if n_points < FEW_POINTS else many) if self.rounds is None else self.rounds
        return dataclasses.replace(self, rounds=rounds)
