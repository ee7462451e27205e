"""Stages that fit into a time: what each of them is made of where it would take longer.

A stage that is one training after the other is made smaller before it begins, by the pace that was measured: fewer
rows, networks or rounds. What was chosen stands in the settings of the run, so that the same bytes can be had again
without a budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from splitgen.models.pace import Pace
from splitgen.runs.budget import CHOSEN, share_out, share_seconds
from splitgen.runs.forecast import (
    Sizes,
    foretell_agreement,
    foretell_chosen_agreement,
    foretell_discovery,
    foretell_final,
    foretell_judging,
    foretell_refinement,
    foretell_search,
    foretell_sharpening,
    foretell_stages,
    foretell_tangent,
    foretell_verification,
)
from splitgen.search.candidates import CutPlan, plan_cuts
from splitgen.settings.presets import settled
from splitgen.settings.stages import (
    AgreementConfig,
    RefinementConfig,
    RunConfig,
    SearchConfig,
    SharpeningConfig,
    TangentConfig,
    TrainingConfig,
    VerificationConfig,
)

STEPS = (4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 56)  # of meta-steps, those that are chosen where there is less time
TANGENT_STARTS = (0, 4, 8, 12, 16, 24, 32, 48, 64)  # the same of tasks in the tangent space
FEWEST_ROWS = 500
FEWEST_TEST_ROWS = 1_000  # an accuracy on so many is known to 1.6 points; trainings on few rows differ by more
MOST_JUDGED = 0.5  # of the time of a refinement, what the first of its judgings may take
SMALLER = 0.8  # of the rows, in one step of making a stage smaller
# Of the seeds and rows asked for, what a verification may be made of, the most telling first.
VERIFICATION_SIZES = ((3, 1.0), (2, 1.0), (3, 0.5), (2, 0.5), (3, 0.25), (2, 0.25), (2, 0.12), (2, 0.06))


def fit_agreement(
    seconds: float | None, n_points: int, config: AgreementConfig, foretell: Callable[[AgreementConfig], float]
) -> AgreementConfig:
    """Agreement scores within the time: of fewer rows."""
    if seconds is None:
        return config
    while config.max_rows > FEWEST_ROWS and foretell(config) > seconds:
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
    """A search within the time, and the confusion before it, too; the shortest where there is less."""
    if seconds is None:
        return config

    def foretell(smaller: SearchConfig) -> float:
        return foretell_search(pace, sizes, n_tasks, cuts, smaller, recipe)

    tried = list_searches(config, sizes)
    return next((each for each in tried if foretell(each) <= seconds), None) or min(tried, key=foretell)


def list_searches(config: SearchConfig, sizes: Sizes) -> list[SearchConfig]:
    """Smaller and smaller: of fewer rows; before that, of the last round alone. A training takes little less for fewer
    rows, and tells less: by all later stages, too, which judge as the last round does."""

    def shrink(n_rows: int, most: int, fewest: int = FEWEST_ROWS) -> int:
        return max(min(fewest, n_rows), int(min(n_rows, most) * SMALLER))

    def shrink_all(before: SearchConfig) -> SearchConfig:
        return replace(
            before,
            rows=tuple(shrink(n_rows, sizes.train) for n_rows in before.rows),
            confusion_rows=shrink(before.confusion_rows, sizes.used // 2),
            test_rows=shrink(before.test_rows, sizes.test, FEWEST_TEST_ROWS),
        )

    found = [config]
    while (smaller := shrink_all(found[-1])) != found[-1]:
        found.append(smaller)
    return list(dict.fromkeys(each for size in found for each in (size, replace(size, rows=size.rows[-1:], keep=()))))


def fit_tangent(
    seconds: float | None,
    pace: Pace,
    sizes: Sizes,
    n_points: int,
    config: TangentConfig,
    search: SearchConfig,
    recipe: TrainingConfig,
) -> TangentConfig:
    """The most tasks of `TANGENT_STARTS`, and at most as many as given, that fit into the time; none where none do."""
    starts = settled(config.starts)
    tried = [replace(config, starts=fewer) for fewer in sorted({*TANGENT_STARTS, starts}) if fewer <= starts]
    fitting = (
        each
        for each in reversed(tried)
        if seconds is None or foretell_tangent(pace, sizes, n_points, each, search, recipe) <= seconds
    )
    return next(fitting, tried[0])


def fit_new_tasks(
    seconds: float | None,
    pace: Pace,
    sizes: Sizes,
    config: RefinementConfig,
    search: SearchConfig,
    recipe: TrainingConfig,
) -> RefinementConfig:
    """A refinement of which the judging leaves time to refine anything: of fewer new tasks."""
    n_tasks = settled(config.new_tasks)
    while seconds is not None and n_tasks > 0 and config.candidates + n_tasks > 1:
        if foretell_judging(pace, sizes, config.candidates + n_tasks, search, recipe) <= MOST_JUDGED * seconds:
            break
        n_tasks -= 1
    return replace(config, new_tasks=n_tasks)


def list_sharpenings(config: SharpeningConfig) -> Iterator[SharpeningConfig]:
    """Smaller and smaller: rounds after the second gain least, then come candidates, networks, finalists and the second
    round."""
    rounds = settled(config.rounds)
    yield from (replace(config, rounds=n) for n in range(rounds, 2, -1))
    second = replace(config, rounds=min(2, rounds))
    yield from (replace(second, candidates=candidates) for candidates in range(config.candidates, 0, -1))
    yield from (replace(second, candidates=1, networks=networks) for networks in range(config.networks - 1, 0, -1))
    alone = replace(second, candidates=1, networks=1)
    yield from (replace(alone, finalists=finalists) for finalists in (*range(config.finalists - 1, 1, -1), 0))
    yield replace(alone, finalists=0, rounds=min(1, rounds))
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


def fit_final(
    seconds: float | None, pace: Pace, sizes: Sizes, config: SearchConfig, recipe: TrainingConfig
) -> SearchConfig:
    """A last judging within the time; none where there is too little."""
    if seconds is None or config.finalists == 0:
        return config
    fewer = (replace(config, finalists=finalists) for finalists in range(config.finalists, 1, -1))
    fitting = (each for each in fewer if foretell_final(pace, sizes, each, recipe) <= seconds)
    return next(fitting, replace(config, finalists=0))


def choose_sizes(
    seconds: float, pace: Pace, sizes: Sizes, n_points: int, config: RunConfig, stages: Sequence[str], n_tasks: int
) -> dict[str, Any]:
    """Smaller settings of the stages that take part, by their names in `RunConfig`, so that they are foretold to take
    so long in all, or as long as the smallest take. What a stage leaves of its share, as sizes come in steps, is for
    those after it; all of a share that is too short for any of its stage is for all others."""
    shares = share_out(config, stages)

    def foretell(of: RunConfig) -> dict[str, float]:
        return foretell_stages(pace, sizes, n_points, of, list(shares), n_tasks)

    most, least = foretell(config), foretell_least(pace, sizes, n_points, config, list(shares), n_tasks)

    def fit(settled_stages: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, float]]:
        given = share_seconds(seconds, shares, {**most, **settled_stages}, {**least, **settled_stages})
        chosen = fit_stages(given, pace, sizes, n_points, config, n_tasks)
        return chosen, foretell(replace(config, **chosen))

    chosen, taken = fit({})
    while left_out := [stage for stage in shares if taken[stage] == 0 < most[stage]]:
        most[max(left_out, key=shares.__getitem__)] = 0.0  # that of the largest alone: it may be enough for the others
        chosen, taken = fit({})
    done: dict[str, float] = {}
    for stage in shares:
        done[stage] = taken[stage]
        chosen, taken = fit(done)
    return chosen


def foretell_least(
    pace: Pace, sizes: Sizes, n_points: int, config: RunConfig, stages: Sequence[str], n_tasks: int
) -> dict[str, float]:
    """Seconds of each of the stages, as small as a budget makes them."""
    nothing = dict.fromkeys(stages, 0.0)
    smallest = replace(config, **fit_stages(nothing, pace, sizes, n_points, config, n_tasks))
    return foretell_stages(pace, sizes, n_points, smallest, stages, n_tasks)


def fit_stages(
    seconds: Mapping[str, float], pace: Pace, sizes: Sizes, n_points: int, config: RunConfig, n_tasks: int
) -> dict[str, Any]:
    """Settings of the stages, by their names in `RunConfig`, that fit into the seconds of each, or the smallest."""
    search, recipe = config.search, config.training
    found: dict[str, Any] = {}
    if "discover" in seconds:
        steps = fit_steps(
            seconds["discover"], config.discovery.meta_steps, partial(foretell_discovery, pace, n_points, config)
        )
        found["discovery"] = replace(config.discovery, meta_steps=steps)
    if "agreement" in seconds:
        foretell_scores = partial(foretell_agreement, pace, n_points, n_tasks, recipe=recipe)
        found["agreement"] = fit_agreement(seconds["agreement"], n_points, config.agreement, foretell_scores)
    elif CHOSEN in seconds:
        foretell_score = partial(foretell_chosen_agreement, pace, n_points, recipe=recipe)
        found["agreement"] = fit_agreement(seconds[CHOSEN], n_points, config.agreement, foretell_score)
    if "search" in seconds:
        cuts = plan_cuts(search, config.selection.target)
        search = found["search"] = fit_search(seconds["search"], pace, sizes, n_tasks, cuts, search, recipe)
    if "tangent" in seconds:
        found["tangent"] = fit_tangent(seconds["tangent"], pace, sizes, n_points, config.tangent, search, recipe)
    if "refine" in seconds:
        refinement = fit_new_tasks(seconds["refine"], pace, sizes, config.refinement, search, recipe)
        within = replace(config, search=search, refinement=refinement)
        foretell = partial(foretell_refinement, pace, sizes, n_points, within)
        found["refinement"] = replace(
            refinement, meta_steps=fit_steps(seconds["refine"], refinement.meta_steps, foretell)
        )
    if "sharpen" in seconds:
        found["sharpening"] = fit_sharpening(
            seconds["sharpen"], pace, sizes, n_points, config.sharpening, search, recipe
        )
    if "final" in seconds:
        found["search"] = fit_final(seconds["final"], pace, sizes, search, recipe)
    return found


def fit_steps(seconds: float, most: int | None, foretell: Callable[[int], float]) -> int:
    """The most meta-steps of `STEPS`, and at most as many as given, that are foretold to take no longer; the fewest
    where none does."""
    most = STEPS[-1] if most is None else most
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
