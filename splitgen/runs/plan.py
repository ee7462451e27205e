"""How a budget of time is shared among the stages, and what fits into the share of each.

A stage that is one training after the other is made smaller before it begins, by the pace that was measured: fewer
rows, networks or rounds. What was chosen stands in the settings of the run, so that the same bytes can be had again
without a budget.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from splitgen.models.pace import Pace
from splitgen.runs.forecast import (
    Sizes,
    foretell_agreement,
    foretell_discovery,
    foretell_refinement,
    foretell_search,
    foretell_sharpening,
    foretell_stages,
    foretell_verification,
)
from splitgen.search.candidates import CutPlan, plan_cuts
from splitgen.settings.presets import settled
from splitgen.settings.stages import (
    AgreementConfig,
    RunConfig,
    SearchConfig,
    SharpeningConfig,
    TrainingConfig,
    VerificationConfig,
)

META = 0.55  # of a budget, what discovery and refinement share by `RefinementConfig.budget_share`
SHARES = {"agreement": 0.08, "search": 0.10, "sharpen": 0.23, "agreement of the chosen": 0.04}
# Pixels of all images, and the seconds that a run takes by default: digits, a thousand small pictures, fifty thousand.
DEFAULT_SECONDS = ((1.2e5, 60.0), (1e6, 180.0), (5e7, 600.0))
FIXED_SECONDS = 10.0  # of these, for what is no stage: loading libraries, explanation, report
PATIENCE = 1.25  # times as long, stages are left as large as they are: else noise would decide what a run makes
STEPS = (4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 56)  # of meta-steps, those that are chosen where there is less time
FEWEST_ROWS = 500
SLACK = 1.2  # of what a stage is foretold, the most that it is given
SMALLER = 0.8  # of the rows, in one step of making a stage smaller
# Of the seeds and rows asked for, what a verification may be made of, the most telling first.
VERIFICATION_SIZES = ((3, 1.0), (2, 1.0), (3, 0.5), (2, 0.5), (3, 0.25), (2, 0.25), (2, 0.12), (2, 0.06))


def share_out(config: RunConfig, stages: Sequence[str]) -> dict[str, float]:
    """Shares of a budget by stage, of those that take part, in their order."""
    refinement = config.refinement
    meta = {"discover": META * (1 - refinement.budget_share), "refine": META * refinement.budget_share}
    shares = {**SHARES, **meta}
    left_out = set()
    if refinement.meta_steps == 0:
        left_out.add("refine")
    if config.sharpening.rounds == 0:
        left_out.add("sharpen")
    return {stage: shares[stage] for stage in stages if stage not in left_out}


def share_seconds(seconds: float, shares: Mapping[str, float], most: Mapping[str, float]) -> dict[str, float]:
    """The seconds of a budget by stage: in proportion to the shares, but to none more than the most that it can use;
    what that saves is the others'."""
    found: dict[str, float] = {}
    while free := {stage: share for stage, share in shares.items() if stage not in found}:
        unit = max(0.0, seconds - sum(found.values())) / sum(free.values())
        full = {stage: most[stage] for stage, share in free.items() if stage in most and unit * share > most[stage]}
        found.update(full or {stage: unit * share for stage, share in free.items()})
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


def fit_agreement(
    seconds: float | None, pace: Pace, n_points: int, n_tasks: int, config: AgreementConfig, recipe: TrainingConfig
) -> AgreementConfig:
    """Agreement scores of so many tasks within the time: of fewer rows."""
    if seconds is None:
        return config
    while config.max_rows > FEWEST_ROWS and foretell_agreement(pace, n_points, n_tasks, config, recipe) > seconds:
        config = replace(config, max_rows=max(FEWEST_ROWS, int(min(config.max_rows, n_points) * SMALLER)))
    return config


def fit_search(
    seconds: float | None,
    pace: Pace,
    sizes: Sizes,
    n_tasks: int,
    cuts: CutPlan,
    config: SearchConfig,
    recipe: TrainingConfig,
) -> SearchConfig:
    """A search within the time: on fewer rows, and the confusion before it, too."""
    if seconds is None:
        return config

    def shrink(n_rows: int, most: int) -> int:
        return max(min(FEWEST_ROWS, n_rows), int(min(n_rows, most) * SMALLER))

    while foretell_search(pace, sizes, n_tasks, cuts, config, recipe) > seconds:
        rows = tuple(shrink(n_rows, sizes.train) for n_rows in config.rows)
        smaller = replace(config, rows=rows, confusion_rows=shrink(config.confusion_rows, sizes.used // 2))
        if smaller == config:
            break
        config = smaller
    return config


def list_sharpenings(config: SharpeningConfig) -> Iterator[SharpeningConfig]:
    """Smaller and smaller: rounds after the second gain least, then come candidates, networks and the second round."""
    rounds = settled(config.rounds)
    yield from (replace(config, rounds=n) for n in range(rounds, 2, -1))
    second = replace(config, rounds=min(2, rounds))
    yield from (replace(second, candidates=candidates) for candidates in range(config.candidates, 0, -1))
    yield from (replace(second, candidates=1, networks=networks) for networks in range(config.networks - 1, 0, -1))
    yield replace(config, rounds=min(1, rounds), networks=1, candidates=1)
    yield replace(config, rounds=0)


def fit_sharpening(
    seconds: float | None,
    pace: Pace,
    sizes: Sizes,
    n_points: int,
    config: SharpeningConfig,
    search: SearchConfig,
    recipe: TrainingConfig,
) -> SharpeningConfig:
    """A sharpening within the time; one of no rounds where there is too little."""
    if seconds is None or config.rounds == 0:
        return config
    for smaller in list_sharpenings(config):
        if foretell_sharpening(pace, sizes, n_points, smaller, search, recipe) <= seconds:
            return smaller
    return replace(config, rounds=0)


def default_seconds(n_pixels: int) -> float:
    """Seconds of all stages, verification included, where nobody gives a budget or steps, by the pixels of all
    images: between those of `DEFAULT_SECONDS` in proportion, by logarithms."""
    pixels, seconds = np.log(np.array(DEFAULT_SECONDS)).T
    return float(np.exp(np.interp(np.log(n_pixels), pixels, seconds))) - FIXED_SECONDS


def choose_sizes(
    seconds: float, pace: Pace, sizes: Sizes, n_points: int, config: RunConfig, stages: Sequence[str], n_tasks: int
) -> dict[str, Any]:
    """Smaller settings of the stages that take part, by their names in `RunConfig`, so that they are foretold to take
    so long in all, or as long as the fewest meta-steps of `STEPS` take."""
    shares = share_out(config, stages)
    shares = share_seconds(seconds, shares, foretell_stages(pace, sizes, n_points, config, list(shares), n_tasks))
    search, recipe = config.search, config.training
    smaller: dict[str, Any] = {}
    if "discover" in shares:
        steps = fit_steps(
            shares["discover"],
            settled(config.discovery.meta_steps),
            partial(foretell_discovery, pace, n_points, config),
        )
        smaller["discovery"] = replace(config.discovery, meta_steps=steps)
    if "agreement" in shares:
        smaller["agreement"] = fit_agreement(shares["agreement"], pace, n_points, n_tasks, config.agreement, recipe)
    if "search" in shares:
        cuts = plan_cuts(search, config.selection.target)
        search = smaller["search"] = fit_search(shares["search"], pace, sizes, n_tasks, cuts, search, recipe)
    if "refine" in shares:
        steps = fit_steps(
            shares["refine"],
            settled(config.refinement.meta_steps),
            partial(foretell_refinement, pace, sizes, n_points, replace(config, search=search)),
        )
        smaller["refinement"] = replace(config.refinement, meta_steps=steps)
    if "sharpen" in shares:
        smaller["sharpening"] = fit_sharpening(
            shares["sharpen"], pace, sizes, n_points, config.sharpening, search, recipe
        )
    return smaller


def fit_steps(seconds: float, most: int, foretell: Callable[[int], float]) -> int:
    """The most meta-steps of `STEPS`, and at most as many as given, that are foretold to take no longer; the fewest
    where none does."""
    fitting = [steps for steps in (*STEPS, most) if steps <= most and foretell(steps) <= seconds]
    return max(fitting, default=min(STEPS[0], most))


def fit_verification(
    seconds: float | None, pace: Pace, sizes: Sizes, config: VerificationConfig, recipe: TrainingConfig
) -> VerificationConfig:
    """A verification within the time: of fewer seeds or rows, of the fewest where that is not enough."""
    if seconds is None or foretell_verification(pace, sizes, config, recipe) <= seconds:
        return config
    smaller = config
    for seeds, share in VERIFICATION_SIZES:
        most = sizes.used if config.max_rows is None else min(config.max_rows, sizes.used)
        max_rows = config.max_rows if share == 1 else max(FEWEST_ROWS, int(share * most))
        smaller = replace(config, seeds=min(seeds, config.seeds), max_rows=max_rows)
        if foretell_verification(pace, sizes, smaller, recipe) <= seconds:
            break
    return smaller
