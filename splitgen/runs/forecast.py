"""How long each stage of a run will take, by the pace that was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from splitgen.models.bench import Bench
from splitgen.models.linearization import MEASURED_ROWS
from splitgen.models.pace import Pace, measure_pace
from splitgen.runs.budget import CHOSEN
from splitgen.search.candidates import CutPlan, count_fits, plan_cuts
from splitgen.search.rounds import list_marks
from splitgen.search.sharpening import shorten_recipe
from splitgen.settings.presets import settled
from splitgen.settings.stages import (
    AgreementConfig,
    DiscoveryConfig,
    RunConfig,
    SearchConfig,
    SharpeningConfig,
    TangentConfig,
    TrainingConfig,
    VerificationConfig,
)
from splitgen.tasks.agreement import count_epochs_to_converge
from splitgen.tasks.trunks import measure_look
from splitgen.verification.verification import count_verification_fits

INNER = 0.87  # of a step of an inner training, or of its reverse pass, over one of a training
DESCENT = 1.8  # a step in the tangent space, over the ridge regression in it
PRODUCTS = 3.4e-7  # and of the features with a task's weights, for each of the features' numbers
LOOKS = {"discover": 1.1, "refine": 2.2}  # of a meta-step of a task, passes of the encoder with their gradients


@dataclass(frozen=True)
class Sizes:
    """Rows of the parts of a split, made or to be made, and of the source's own test set. keeps_mix: train has, or will
    have, the mix of classes of all used rows, and no groups bind these."""

    train: int
    validation: int
    test: int
    own_test: int = 0
    keeps_mix: bool = True

    @property
    def used(self) -> int:
        return self.train + self.validation + self.test


def measure_machine(bench: Bench, config: DiscoveryConfig) -> Pace:
    """The pace of the target model's trainings, and of the task encoder. Raises what `measure_pace` raises."""
    look_seconds = measure_look(bench.finder, config)
    return replace(measure_pace(bench), look_seconds=look_seconds)


def foretell_agreement(
    pace: Pace, n_points: int, n_tasks: int, config: AgreementConfig, recipe: TrainingConfig
) -> float:
    """Seconds to score so many tasks, and the target and a random task beside them, which may not be fitted at once."""
    first, *longer = foretell_task_fits(pace, n_points, config, recipe)
    return (n_tasks + 2) * first + 2 * sum(longer)


def foretell_chosen_agreement(pace: Pace, n_points: int, config: AgreementConfig, recipe: TrainingConfig) -> float:
    """Seconds to score the one task that was chosen, alone."""
    return foretell_task_fits(pace, n_points, config, recipe)[0]


def foretell_task_fits(pace: Pace, n_points: int, config: AgreementConfig, recipe: TrainingConfig) -> list[float]:
    """Seconds of all networks of one task, of as many epochs as they take at first, and of each longer try."""
    n_rows = min(config.max_rows, n_points)
    n_train = round(n_rows * config.train_fraction)
    recipes = (
        replace(recipe.for_tasks(), epochs=epochs) for epochs in count_epochs_to_converge(n_train, config, recipe)
    )
    return [pace.fits_seconds(config.networks, n_train, each, n_rows) for each in recipes]


def foretell_search(
    pace: Pace, sizes: Sizes, n_tasks: int, cuts: CutPlan, config: SearchConfig, recipe: TrainingConfig
) -> float:
    """Seconds of the confusion, which given or drawn class sides do without, and of the rounds of the search."""
    n_half, recipe = min(sizes.used // 2, config.confusion_rows), recipe.for_trials()
    seconds = pace.fits_seconds(1, n_half, recipe, n_half) if cuts.by_confusion else 0.0
    n_test = min(sizes.test, config.test_rows)
    for n_rows, n_fits in zip(config.rows, count_fits(cuts.count_candidates(n_tasks), config), strict=True):
        seconds += pace.fits_seconds(n_fits, min(n_rows, sizes.train), recipe, n_test)
    return seconds


def foretell_judging(
    pace: Pace, sizes: Sizes, n_candidates: int, config: SearchConfig, recipe: TrainingConfig
) -> float:
    """Seconds to judge so many candidates as the last round of a search does."""
    n_test = min(sizes.test, config.test_rows)
    return pace.fits_seconds(n_candidates, min(config.rows[-1], sizes.train), recipe.for_trials(), n_test)


def foretell_final(pace: Pace, sizes: Sizes, config: SearchConfig, recipe: TrainingConfig) -> float:
    """Seconds to judge all finalists once more."""
    n_fits = config.finalists * config.final_fits
    return foretell_judging(pace, sizes, n_fits, config, recipe) if config.finalists > 1 else 0.0


def foretell_tangent(
    pace: Pace, sizes: Sizes, n_points: int, config: TangentConfig, search: SearchConfig, recipe: TrainingConfig
) -> float:
    """Seconds of the networks, of their gradients, of the descents of all rounds, and of judging the last tasks."""
    if not settled(config.starts):
        return 0.0
    finder, n_running = pace.finder, config.count_running()
    seconds = finder.fits_seconds(config.networks, n_points // 2, config.shorten(recipe))
    seconds += config.networks * n_points * finder.gradient_seconds
    for n_tasks, n_steps, n_rows in zip(n_running, config.steps, config.rows, strict=True):
        in_fits = DESCENT * min(n_rows, n_points) / MEASURED_ROWS + PRODUCTS * n_points * config.dim
        seconds += math.ceil(n_tasks / pace.workers) * n_steps * in_fits * finder.ridge_seconds
    return seconds + foretell_judging(pace, sizes, n_running[-1], search, recipe)


def foretell_sharpening(
    pace: Pace, sizes: Sizes, n_points: int, config: SharpeningConfig, search: SearchConfig, recipe: TrainingConfig
) -> float:
    """Seconds of judging the finalists, and of all rounds: each of several candidates in the first, and of the best
    alone after it."""
    n_train = n_points - n_points // config.folds

    def foretell_round(n_candidates: int, share: float) -> float:
        fits = pace.finder.fits_seconds(
            config.folds * config.networks, n_train, shorten_recipe(recipe, n_train, share), n_points // config.folds
        )
        return n_candidates * fits + foretell_judging(pace, sizes, n_candidates, search, recipe)

    rounds = settled(config.rounds)
    if rounds == 0:
        return 0.0
    seconds = foretell_final(pace, sizes, replace(search, finalists=config.finalists), recipe)
    seconds += foretell_round(config.candidates, config.first_epochs)
    return seconds + (rounds - 1) * foretell_round(1, config.more_epochs)


@dataclass(frozen=True)
class MetaSizes:
    """Of a meta-step: networks that are trained side by side and reversed, T, B, and the rows that its encoders see
    one after the other, times their passes over them."""

    networks: int
    inner_steps: int
    batch_size: int
    encoded_rows: float


def foretell_meta_steps(pace: Pace, n_steps: int, sizes: MetaSizes) -> float:
    """Seconds of so many meta-steps."""
    inner = 2 * sizes.inner_steps * INNER * pace.finder.step_on(sizes.batch_size)
    return n_steps * (math.ceil(sizes.networks / pace.workers) * inner + sizes.encoded_rows * pace.look_seconds)


def find_meta_steps(config: RunConfig) -> dict[str, int | None]:
    """The meta-steps of each stage that takes some; None where they are left open."""
    return {"discover": config.discovery.meta_steps, "refine": config.refinement.meta_steps}


def foretell_discovery(pace: Pace, n_points: int, config: RunConfig, n_steps: int) -> float:
    """Seconds of so many meta-steps."""
    discovery = config.discovery
    encoded = LOOKS["discover"] * min(n_points, discovery.pool_size + discovery.held_out_size)
    return foretell_meta_steps(
        pace, n_steps, MetaSizes(2, settled(discovery.inner_steps), settled(discovery.batch_size), encoded)
    )


def foretell_refinement(pace: Pace, sizes: Sizes, n_points: int, config: RunConfig, n_steps: int) -> float:
    """Seconds of so many meta-steps and of the judging after each round."""
    refinement = config.refinement
    encoded = LOOKS["refine"] * min(n_points, settled(refinement.pool_size) + config.discovery.held_out_size)
    seconds, before, n_runners = 0.0, 0, refinement.candidates + settled(refinement.new_tasks)
    for mark in list_marks(settled(refinement.first_round), n_steps):
        meta = MetaSizes(n_runners, settled(refinement.inner_steps), refinement.batch_size, n_runners * encoded)
        seconds += foretell_meta_steps(pace, mark - before, meta)
        seconds += foretell_judging(pace, sizes, n_runners, config.search, config.training)
        before, n_runners = mark, min(n_runners, refinement.keep)
    return seconds


def foretell_stages(
    pace: Pace, sizes: Sizes, n_points: int, config: RunConfig, stages: Sequence[str], n_tasks: int
) -> dict[str, float]:
    """Seconds of each of the stages, as large as they are asked for, in their order; not of those whose
    meta-steps are left open."""
    recipe, cuts = config.training, plan_cuts(config.search, config.selection.target)
    steps = find_meta_steps(config)
    foretell = {
        "discover": lambda: foretell_discovery(pace, n_points, config, settled(steps["discover"])),
        "agreement": lambda: foretell_agreement(pace, n_points, n_tasks, config.agreement, recipe),
        "search": lambda: foretell_search(pace, sizes, n_tasks, cuts, config.search, recipe),
        "tangent": lambda: foretell_tangent(pace, sizes, n_points, config.tangent, config.search, recipe),
        "refine": lambda: foretell_refinement(pace, sizes, n_points, config, settled(steps["refine"])),
        "sharpen": lambda: foretell_sharpening(pace, sizes, n_points, config.sharpening, config.search, recipe),
        "final": lambda: foretell_final(pace, sizes, config.search, recipe),
        CHOSEN: lambda: foretell_chosen_agreement(pace, n_points, config.agreement, recipe),
    }
    return {stage: foretell[stage]() for stage in stages if steps.get(stage, 0) is not None}


def foretell_verification(pace: Pace, sizes: Sizes, config: VerificationConfig, recipe: TrainingConfig) -> float:
    """Seconds of all seeds."""
    share = 1.0 if config.max_rows is None else min(1.0, config.max_rows / sizes.used)
    n_held = sizes.validation or sizes.train * config.holdout_fraction
    n_fitted = sizes.train if sizes.validation else sizes.train - n_held
    n_fits = count_verification_fits(sizes.used, sizes.test, config, sizes.keeps_mix)
    fits = pace.fits_seconds(n_fits, max(1, round(share * n_fitted)), recipe)
    n_predicted = share * (n_held + 3 * sizes.test) + 2 * sizes.own_test
    return fits + config.seeds * n_predicted * pace.row_seconds / pace.workers
