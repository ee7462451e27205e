"""When a stage that takes meta-steps ends."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Stop:
    """After so many meta-steps or so many seconds, whichever comes first; None: not by that one."""

    meta_steps: int | None = None
    seconds: float | None = None

    def after(self, elapsed_seconds: float) -> Stop:
        """The same stop for a stage that has been at work for so long."""
        return self if self.seconds is None else replace(self, seconds=self.seconds - elapsed_seconds)

    def is_timed_out(self, elapsed_seconds: float) -> bool:
        return self.seconds is not None and elapsed_seconds >= self.seconds

    def foretell(self, step: int, elapsed_seconds: float) -> float:
        """Seconds left after so many meta-steps, which took so long."""
        left = [] if self.meta_steps is None else [(self.meta_steps - step) * elapsed_seconds / step]
        if self.seconds is not None:
            left.append(max(0.0, self.seconds - elapsed_seconds))
        return min(left)

    def progress(self, step: int, elapsed_seconds: float) -> float:
        """How far it has come, of `total`: seconds where they are limited, else meta-steps."""
        return step if self.seconds is None else elapsed_seconds

    @property
    def total(self) -> float | None:
        return self.meta_steps if self.seconds is None else self.seconds
