"""What becomes of settings that are left open: plain tables by the size of images and data, the lowest layer of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")
FEW_POINTS = 10_000
MAX_IMAGE_SIZE = 8192  # pixels a side: one image of that size is 200 MB
MAX_TASK_VALUES = 100
SMALL_IMAGE = 16  # pixels a side: below this, an image counts as small
MIN_EPOCHS, MAX_EPOCHS = 5, 20  # by size; on a random half of the digits 20 epochs reach what 60 do (0.983)
TRIAL_STEPS = 1_000  # of trainings that rank candidates, or that are of a task
# What a training aims at where its epochs are left open, what it does to its images, and the peak of its schedule, by
# these: `COLOUR` ones are photographs, which a small net goes on learning about (tests/benchmarks/refinement.md).
PLAIN, COLOUR = "plain", "colour"
TRAINING_STEPS = {PLAIN: TRIAL_STEPS, COLOUR: 4_000}
AUGMENTATIONS = {PLAIN: "none", COLOUR: "crop"}
LEARNING_RATE = 4e-3
LEARNING_RATES = {("conv", COLOUR): 2e-2}  # by model, where another is known to serve

# What stays None in the settings of a stage becomes one of these, by the size of the images: below `SMALL_IMAGE`, else.
DISCOVERY_DEFAULTS = {
    "inner_steps": (25, 80),
    "batch_size": (128, 32),
    "crowding_weight": (0.0, 0.75),
    "meta_steps": (24, 40),
}
REFINEMENT_DEFAULTS = {
    "meta_steps": (40, 70),
    "inner_steps": (25, 80),
    "new_tasks": (1, 3),
    "first_round": (12, 35),
    "pool_size": (1024, 2048),
    "lifetime": (1, 10),
}
SHARPENING_ROUNDS = (0, 4)  # below `FEW_POINTS` datapoints, else
TANGENT_STARTS = (16, 0)  # the same


def name_kind(image_size: int, n_channels: int) -> str:
    """Whether images count as `COLOUR` or `PLAIN`."""
    return COLOUR if image_size >= SMALL_IMAGE and n_channels == 3 else PLAIN


def settled(value: Value | None) -> Value:
    """A setting that the defaults by size have filled in, by the time that a stage works with it."""
    if value is None:
        raise AssertionError("a setting is None where for_images or for_points should have filled it in")
    return value


def fill_defaults(
    stage: Any, defaults: Mapping[str, tuple[Any, Any]], image_size: int, is_timed: bool
) -> dict[str, Any]:
    """Values for the fields of a stage that are None, for images of that many pixels a side; of a stage that a budget
    of time stops, the meta-steps stay open."""
    which = 0 if image_size < SMALL_IMAGE else 1
    left_open = {"meta_steps"} if is_timed else set()
    return {
        name: pair[which] for name, pair in defaults.items() if getattr(stage, name) is None and name not in left_open
    }
