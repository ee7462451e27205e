"""How a budget of time is shared among the stages, and what fits into the share of each.

A stage that is one training after the other is made smaller before it begins, by the pace that was measured: fewer
rows, networks or rounds. What was chosen stands in the settings of the run, so that the same bytes can be had again
without a budget.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from splitgen.models.pace import Pace
from splitgen.search.candidates import MAX_SEARCH_TEST_ROWS, count_fits
from splitgen.search.rounds import list_marks
from splitgen.search.sides import MAX_CONFUSION_ROWS
from splitgen.settings.presets import settled
from splitgen.settings.stages import (
    AgreementConfig,
    RunConfig,
    SearchConfig,
    SharpeningConfig,
    TrainingConfig,
    VerificationConfig,
)
from splitgen.tasks.agreement import count_epochs_to_converge
from splitgen.verification.verification import count_verification_fits

META = 0.55  # of a budget, what discovery and refinement share by `RefinementConfig.budget_share`
SHARES = {"agreement": 0.08, "search": 0.10, "sharpen": 0.23, "agreement of the chosen": 0.04}
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


@dataclass(frozen=True)
class Sizes:
    """Rows of the parts of a split, made or to be made, and of the source's own test set."""

    train: int
    validation: int
    test: int
    own_test: int = 0

    @property
    def used(self) -> int:
        return self.train + self.validation + self.test


def foretell_agreement(
    pace: Pace, n_points: int, n_tasks: int, config: AgreementConfig, recipe: TrainingConfig
) -> float:
    """Seconds to score so many tasks, and the target and a random task beside them, which may not be fitted at once;
    n_tasks -1: of the one task that was chosen, alone."""
    n_rows = min(config.max_rows, n_points)
    n_train = round(n_rows * config.train_fraction)
    first, *longer = (replace(recipe, epochs=epochs) for epochs in count_epochs_to_converge(n_train, config, recipe))
    seconds = (n_tasks + 2) * pace.fits_seconds(config.networks, n_train, first, n_rows)
    if n_tasks < 0:
        return seconds
    return seconds + 2 * sum(pace.fits_seconds(config.networks, n_train, each, n_rows) for each in longer)


def fit_agreement(
    seconds: float | None, pace: Pace, n_points: int, n_tasks: int, config: AgreementConfig, recipe: TrainingConfig
) -> AgreementConfig:
    """Agreement scores of so many tasks within the time: of fewer rows."""
    if seconds is None:
        return config
    while config.max_rows > FEWEST_ROWS and foretell_agreement(pace, n_points, n_tasks, config, recipe) > seconds:
        config = replace(config, max_rows=max(FEWEST_ROWS, int(min(config.max_rows, n_points) * SMALLER)))
    return config


def foretell_search(pace: Pace, sizes: Sizes, n_candidates: int, config: SearchConfig, recipe: TrainingConfig) -> float:
    """Seconds of the confusion, and of the rounds of the search."""
    n_half = min(sizes.used // 2, MAX_CONFUSION_ROWS)
    seconds = pace.fits_seconds(1, n_half, recipe, n_half)
    n_test = min(sizes.test, MAX_SEARCH_TEST_ROWS)
    for n_rows, n_fits in zip(config.rows, count_fits(n_candidates, config), strict=True):
        seconds += pace.fits_seconds(n_fits, min(n_rows, sizes.train), recipe, n_test)
    return seconds


def fit_search(
    seconds: float | None, pace: Pace, sizes: Sizes, n_candidates: int, config: SearchConfig, recipe: TrainingConfig
) -> SearchConfig:
    """A search within the time: on fewer rows."""
    if seconds is None:
        return config
    while max(config.rows) > FEWEST_ROWS and foretell_search(pace, sizes, n_candidates, config, recipe) > seconds:
        rows = (max(FEWEST_ROWS, int(min(n_rows, sizes.train) * SMALLER)) for n_rows in config.rows)
        config = replace(config, rows=tuple(rows))
    return config


def foretell_judging(
    pace: Pace, sizes: Sizes, n_candidates: int, config: SearchConfig, recipe: TrainingConfig
) -> float:
    """Seconds to judge so many candidates as the last round of a search does."""
    n_test = min(sizes.test, MAX_SEARCH_TEST_ROWS)
    return pace.fits_seconds(n_candidates, min(config.rows[-1], sizes.train), recipe, n_test)


def foretell_sharpening(
    pace: Pace, sizes: Sizes, n_points: int, config: SharpeningConfig, search: SearchConfig, recipe: TrainingConfig
) -> float:
    """Seconds of all rounds: each of several candidates in the first, and of the best alone after it."""
    n_fits, n_train = config.folds * config.networks, n_points - n_points // config.folds
    one = pace.fits_seconds(n_fits, n_train, recipe, n_points // config.folds)
    first = config.candidates * one + foretell_judging(pace, sizes, config.candidates, search, recipe)
    others = one + foretell_judging(pace, sizes, 1, search, recipe)
    rounds = settled(config.rounds)
    return first + (rounds - 1) * others if rounds else 0.0


def list_sharpenings(config: SharpeningConfig) -> Iterator[SharpeningConfig]:
    """Smaller and smaller: rounds after the second gain least, then come candidates, networks and the second round."""
    rounds = settled(config.rounds)
    yield from (replace(config, rounds=n) for n in range(rounds, 2, -1))
    for networks in range(config.networks, 0, -1):
        for candidates in range(config.candidates, 0, -1):
            yield replace(config, rounds=min(2, rounds), networks=networks, candidates=candidates)
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


def foretell_meta_steps(pace: Pace, n_steps: int, n_networks: int, inner_steps: int, batch_size: int) -> float:
    """Seconds of meta-steps in which so many networks are trained side by side and reversed, at about the price of
    their training."""
    step_seconds = pace.step_seconds * batch_size / pace.batch_size
    return n_steps * math.ceil(n_networks / pace.workers) * 2 * inner_steps * step_seconds


def foretell_refinement(pace: Pace, sizes: Sizes, config: RunConfig) -> float:
    """Seconds of all meta-steps and of the judging after each round."""
    refinement, last = config.refinement, settled(config.refinement.meta_steps)
    seconds, before, n_runners = 0.0, 0, refinement.candidates + settled(refinement.new_tasks)
    for mark in list_marks(settled(refinement.first_round), last):
        seconds += foretell_meta_steps(
            pace, mark - before, n_runners, refinement.inner_steps, refinement.batch_size
        ) + foretell_judging(pace, sizes, n_runners, config.search, config.training)
        before, n_runners = mark, min(n_runners, refinement.keep)
    return seconds


def foretell_stages(
    pace: Pace, sizes: Sizes, n_points: int, config: RunConfig, stages: Sequence[str], n_tasks: int
) -> dict[str, float]:
    """Seconds of each of the stages that take part, as large as they are asked for, in their order; not of those whose
    meta-steps are left open."""
    discovery, recipe = config.discovery, config.training
    foretell = {
        "discover": lambda: foretell_meta_steps(
            pace, settled(discovery.meta_steps), 2, discovery.inner_steps, settled(discovery.batch_size)
        ),
        "agreement": lambda: foretell_agreement(pace, n_points, n_tasks, config.agreement, recipe),
        "search": lambda: foretell_search(pace, sizes, 2 * config.search.n_cuts * n_tasks, config.search, recipe),
        "refine": lambda: foretell_refinement(pace, sizes, config),
        "sharpen": lambda: foretell_sharpening(pace, sizes, n_points, config.sharpening, config.search, recipe),
        "agreement of the chosen": lambda: foretell_agreement(pace, n_points, -1, config.agreement, recipe),
    }
    steps = {"discover": discovery.meta_steps, "refine": config.refinement.meta_steps}
    return {stage: foretell[stage]() for stage in share_out(config, stages) if steps.get(stage, 0) is not None}


def foretell_verification(pace: Pace, sizes: Sizes, config: VerificationConfig, recipe: TrainingConfig) -> float:
    """Seconds of all seeds."""
    share = 1.0 if config.max_rows is None else min(1.0, config.max_rows / sizes.used)
    n_held = sizes.validation or sizes.train * config.holdout_fraction
    n_fitted = sizes.train if sizes.validation else sizes.train - n_held
    n_fits = count_verification_fits(sizes.used, sizes.test, config)
    fits = pace.fits_seconds(n_fits, max(1, round(share * n_fitted)), recipe)
    n_predicted = share * (n_held + 3 * sizes.test) + 2 * sizes.own_test
    return fits + config.seeds * n_predicted * pace.row_seconds / pace.workers


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
