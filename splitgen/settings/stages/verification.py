"""The verification of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import fault, least_faults
from splitgen.settings.fields import described, setting


@described
@dataclass(frozen=True)
class VerificationConfig:
    """Honest verification (docs/method.md, section 7)."""

    seeds: int = setting(3, "how many seeds the verification has; at least 2, for an interval", option="--seeds")
    holdout_fraction: float = setting(
        0.1, "share of the train rows that is held out where the split has no validation part"
    )
    max_rows: int | None = setting(
        None,
        "of train, validation and test together, rows that take part at most, drawn at random by part and class, which"
        " the verdict says",
        "all",
    )

    def faults(self) -> Iterator[str]:
        yield from least_faults(self, 20, "max_rows", prefix="verification ")
        if self.seeds < 2:
            yield fault("seeds", self.seeds, "2 or more (an interval needs them)")
        if not 0 < self.holdout_fraction < 1:
            yield fault("holdout_fraction", self.holdout_fraction, "between 0 and 1")
