"""The agreement score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import fault
from splitgen.settings.fields import described, setting
from splitgen.settings.stages.training import EPOCHS_BY_ROWS


@described
@dataclass(frozen=True)
class AgreementConfig:
    """The agreement score (docs/method.md, section 2)."""

    networks: int = setting(
        2, "how many networks are trained on a task; every pair is compared", option="--agreement-networks"
    )
    max_rows: int = setting(12_000, "rows of the dataset that take part at most, drawn at random")
    train_fraction: float = setting(0.75, "share of them that the networks are trained on")
    min_train_accuracy: float = setting(
        0.95, "a task that the networks do not reach this accuracy on is flagged as not fitted"
    )
    epochs: int | None = setting(
        None,
        "of the training, to convergence; left open, as in `[training]`, and up to 60 for a task that is not fitted by"
        " then: one that says nothing about the images takes longer than the target",
        EPOCHS_BY_ROWS,
    )

    def faults(self) -> Iterator[str]:
        if self.networks < 2:
            yield fault("agreement networks", self.networks, "2 or more")
        if self.max_rows < 20:
            yield fault("agreement max_rows", self.max_rows, "20 or more")
        if not 0 < self.train_fraction < 1:
            yield fault("agreement train_fraction", self.train_fraction, "between 0 and 1")
        if self.epochs is not None and self.epochs < 1:
            yield fault("agreement epochs", self.epochs, "1 or more")
