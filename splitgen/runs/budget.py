"""How a budget of time is shared among the stages of a run, and how long a run takes where nobody gives one."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from splitgen.settings.stages import RunConfig

META = 0.38  # of a budget, what discovery and refinement share by `RefinementConfig.budget_share`
CHOSEN = "agreement of the chosen"  # a stage; where no other scores agreement, as large as its share allows
SHARES = {"agreement": 0.08, "search": 0.12, "tangent": 0.60, "sharpen": 0.32, "final": 0.08, CHOSEN: 0.02}
# Numbers in all images, and the seconds that a run takes by default: digits, a thousand small pictures, sixty thousand
# grey ones, and fifty thousand in colour, of which a training takes longest.
DEFAULT_SECONDS = ((1.2e5, 60.0), (1.2e7, 180.0), (4.7e7, 580.0), (1.5e8, 700.0))
FIXED_SECONDS = 10.0  # of these, for what is no stage: loading libraries, explanation, report
SLACK = 1.2  # of what a stage is foretold, the most that it is given


def share_out(config: RunConfig, stages: Sequence[str]) -> dict[str, float]:
    """Shares of a budget by stage, of those that take part, in their order."""
    refinement = config.refinement
    meta = {"discover": META * (1 - refinement.budget_share), "refine": META * refinement.budget_share}
    shares = {**SHARES, **meta}
    left_out = set()
    if config.tangent.starts == 0:
        left_out.add("tangent")
    if refinement.meta_steps == 0:
        left_out.add("refine")
    if config.sharpening.rounds == 0:
        left_out.add("sharpen")
    if config.search.finalists < 2:
        left_out.add("final")
    return {stage: shares[stage] for stage in stages if stage not in left_out}


def share_seconds(
    seconds: float, shares: Mapping[str, float], most: Mapping[str, float], least: Mapping[str, float]
) -> dict[str, float]:
    """The seconds of a budget by stage: in proportion to the shares, but to none more than the most that it can use,
    nor less than the least that it takes; what that saves is the others', and what it costs is theirs to pay."""
    found: dict[str, float] = {}
    while free := {stage: share for stage, share in shares.items() if stage not in found}:
        unit = max(0.0, seconds - sum(found.values())) / sum(free.values())
        wanted = {stage: unit * share for stage, share in free.items()}
        bounded = {
            stage: max(least.get(stage, 0.0), min(most.get(stage, math.inf), each)) for stage, each in wanted.items()
        }
        gain = sum(bounded.values()) - seconds + sum(found.values())
        ends = {stage: each for stage, each in bounded.items() if (each - wanted[stage]) * gain > 0}
        found.update(ends or bounded)  # first the bounds on the side that there is more of: those may free the others
    return {stage: found[stage] for stage in shares}


@dataclass
class Clock:
    """A budget of seconds that runs since `start`, for stages with shares of it, in order. None: no bound."""

    seconds: float | None
    shares: dict[str, float] = field(default_factory=dict)
    start: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float | None:
        return None if self.seconds is None else max(0.0, self.seconds - (time.monotonic() - self.start))

    def allot(self, stage: str) -> float | None:
        """Seconds for a stage that begins now: its part of what is left for it and for those after it, so that what
        one stage saves or overruns is shared by the rest. None: no bound, as of a stage without a share."""
        if self.left is None or stage not in self.shares:
            return None
        names = list(self.shares)
        rest = sum(self.shares[name] for name in names[names.index(stage) :])
        return self.left * self.shares[stage] / rest if rest else 0.0


def default_seconds(n_values: int) -> float:
    """Seconds of all stages, verification included, where nobody gives a budget or steps, by the numbers that all
    images hold: between those of `DEFAULT_SECONDS` in proportion, by logarithms."""
    values, seconds = np.log(np.array(DEFAULT_SECONDS)).T
    return float(np.exp(np.interp(np.log(n_values), values, seconds))) - FIXED_SECONDS
