"""How much time a whole run still takes: the stages that are planned, corrected by those that have been."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

TELLING_SECONDS = 5.0  # stages that took less in all say nothing of the others


@dataclass
class Outlook:
    """planned: seconds of each stage, in order. until: when the stages `bounded` have to be done, by the clock of
    `time.monotonic`; they share what is left of it. start: of the run, by the same clock.
    """

    planned: Mapping[str, float]
    bounded: frozenset[str] = frozenset()
    until: float | None = None
    taken: dict[str, float] = field(default_factory=dict)
    stage: str | None = None
    began: float = 0.0
    start: float = field(default_factory=time.monotonic)

    def begin(self, stage: str) -> None:
        self.stage, self.began = stage, time.monotonic()

    def end(self) -> None:
        """Of the stage that has begun."""
        if self.stage is not None:
            self.taken[self.stage] = self.taken.get(self.stage, 0.0) + time.monotonic() - self.began
            self.stage = None

    def left(self, share: float | None = None) -> float:
        """Seconds. share: how much of the present stage is done, where that is known."""
        later = [stage for stage in self.planned if stage != self.stage and stage not in self.taken]
        seconds = self.correction() * sum(self.planned[stage] for stage in later if stage not in self.bounded)
        if self.until is not None and any(stage in self.bounded for stage in (*later, self.stage)):
            seconds += max(0.0, self.until - time.monotonic())
        if self.stage in self.planned and self.stage not in self.bounded:
            seconds += self.left_of_stage(share)
        return seconds

    def left_of_stage(self, share: float | None) -> float:
        """Seconds of the present stage: by its own pace once a tenth is done, as planned before."""
        elapsed = time.monotonic() - self.began
        if share is not None and share >= 0.1:
            return elapsed * (1 - min(1.0, share)) / share
        return max(0.0, self.correction() * self.planned[str(self.stage)] - elapsed)

    def correction(self) -> float:
        """By how much stages that no budget bounds took longer than planned."""
        done = [stage for stage in self.taken if stage in self.planned and stage not in self.bounded]
        taken, planned = sum(self.taken[stage] for stage in done), sum(self.planned[stage] for stage in done)
        return taken / planned if taken >= TELLING_SECONDS and planned > 0 else 1.0


def tell_seconds(seconds: float) -> str:
    """A time as people say it: "40 s", "3 min", "2 h 5 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
