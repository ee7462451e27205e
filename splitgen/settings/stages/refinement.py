"""Refinement by the failure of the target model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import fault, least_faults, positive_faults
from splitgen.settings.fields import by_size, described, setting
from splitgen.settings.presets import REFINEMENT_DEFAULTS, fill_defaults


@described
@dataclass(frozen=True)
class RefinementConfig:
    """Refinement by the failure itself, of the search's best and of new tasks (docs/method.md, section 4);
    tests/benchmarks/refinement.md has what each setting gained, and what lost.

    What is None, `for_images` fills in.
    """

    meta_steps: int | None = setting(
        None,
        "the stop of refinement, for each task that stays to the end; 0 leaves refinement out; left open, a slow"
        " machine has fewer, and a budget of time is the only stop",
        by_size(REFINEMENT_DEFAULTS["meta_steps"]),
        option="--refine-steps",
    )
    candidates: int = setting(1, "how many of the search's best are refined")
    new_tasks: int | None = setting(
        None, "how many start from untrained encoders beside them", by_size(REFINEMENT_DEFAULTS["new_tasks"])
    )
    first_round: int | None = setting(
        None,
        "meta-steps to the first round of real trainings; the next rounds come at 2, 4, 8, ... times as many",
        by_size(REFINEMENT_DEFAULTS["first_round"]),
    )
    keep: int = setting(2, "tasks that go on after a round")
    learning_rate: float = setting(2e-3, "of the task encoder")
    batch_size: int = setting(128, "of the inner training, as in `[discovery]`")
    inner_steps: int | None = setting(
        None, "of the inner training, as in `[discovery]`", by_size(REFINEMENT_DEFAULTS["inner_steps"])
    )
    pool_size: int | None = setting(
        None, "of the inner training, as in `[discovery]`", by_size(REFINEMENT_DEFAULTS["pool_size"])
    )
    lifetime: int | None = setting(
        None,
        "meta-steps for which one network is trained on before a fresh one",
        by_size(REFINEMENT_DEFAULTS["lifetime"]),
    )
    budget_share: float = setting(0.7, "of what a budget of time gives to discovery and refinement")

    def faults(self) -> Iterator[str]:
        yield from positive_faults(self, "learning_rate", "keep")
        yield from least_faults(self, 0, "candidates", "new_tasks", "meta_steps", prefix="refinement ")
        yield from least_faults(self, 1, "first_round", "lifetime", "inner_steps", prefix="refinement ")
        yield from least_faults(self, 2, "batch_size", "pool_size", prefix="refinement ")
        if self.candidates == 0 and self.new_tasks == 0 and self.meta_steps != 0:
            yield "refinement needs candidates or new_tasks above 0; give meta_steps 0 to leave it out"
        if not 0 < self.budget_share < 1:
            yield fault("refinement budget_share", self.budget_share, "between 0 and 1")

    def for_images(self, image_size: int, *, is_timed: bool = False) -> RefinementConfig:
        """The same settings with what is left open filled in for images of that many pixels a side: below
        `SMALL_IMAGE` a model has learned the target after T steps, above it takes longer. is_timed: a budget of time
        is the stop; meta-steps that are open stay so."""
        return dataclasses.replace(self, **fill_defaults(self, REFINEMENT_DEFAULTS, image_size, is_timed))
