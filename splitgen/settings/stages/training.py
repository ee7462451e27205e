"""The recipe by which the target model is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import choice_faults, fault, least_faults, positive_faults
from splitgen.settings.fields import described, setting
from splitgen.settings.presets import (
    AUGMENTATIONS,
    COLOUR,
    LEARNING_RATE,
    LEARNING_RATES,
    MAX_EPOCHS,
    MIN_EPOCHS,
    PLAIN,
    SMALL_IMAGE,
    TRAINING_STEPS,
    TRIAL_STEPS,
    name_kind,
    settled,
)

EPOCHS_BY_ROWS = f"{MIN_EPOCHS} to {MAX_EPOCHS}, by the rows trained on"


@described
@dataclass(frozen=True)
class TrainingConfig:
    """The recipe of the target model: optimiser under a one-cycle schedule.

    Steps and augmentation that are None `for_images` fills in, the learning rate `for_model`, for each model its own.
    """

    optimizer: str = setting("adamw", "`adamw`, `adam` or `sgd` (with Nesterov momentum 0.9)", option="--optimizer")
    learning_rate: float | None = setting(
        None,
        "the peak of the schedule",
        f"{LEARNING_RATE:g}, of conv on colour images of {SMALL_IMAGE} pixels and more"
        f" {LEARNING_RATES['conv', COLOUR]:g}",
        option="--learning-rate",
    )
    weight_decay: float = setting(1e-4, "of the optimiser")
    epochs: int | None = setting(
        None,
        "of the target model; left open, they give about `steps` steps",
        EPOCHS_BY_ROWS,
        option="--epochs",
    )
    steps: int | None = setting(
        None,
        f"what the epochs aim at where they are left open; trainings that rank candidates, or that are of a task, take"
        f" {TRIAL_STEPS:_} at most",
        f"{TRAINING_STEPS[PLAIN]:_}, on colour images of {SMALL_IMAGE} pixels and more {TRAINING_STEPS[COLOUR]:_}",
    )
    converged_loss: float | None = setting(
        None, "a training stops after an epoch whose mean loss is below this, as converged", "all epochs"
    )
    batch_size: int = setting(128, "rows in a step of the target model's training", option="--batch-size")
    augment: str | None = setting(
        None,
        "`none`, `flip` (left and right), `crop` (that, and shifts) or `randaugment`, of the target model's training; a"
        " task's labels are of the images as they are, and it is trained on without",
        f"{AUGMENTATIONS[PLAIN]}, of colour images of {SMALL_IMAGE} pixels and more {AUGMENTATIONS[COLOUR]}",
        option="--augment",
    )
    precision: str = setting(
        "float32",
        "`float32`, or `bfloat16` for mixed precision in trainings; meta-steps and predictions are in `float32` always",
        option="--precision",
    )

    def faults(self) -> Iterator[str]:
        yield from choice_faults(self, "optimizer", ("adamw", "adam", "sgd"))
        if self.augment is not None:
            yield from choice_faults(self, "augment", ("none", "flip", "crop", "randaugment"))
        yield from choice_faults(self, "precision", ("float32", "bfloat16"))
        yield from positive_faults(self, "learning_rate", "converged_loss", "batch_size")
        yield from least_faults(self, 1, "steps", prefix="training ")
        if self.weight_decay < 0:
            yield fault("weight_decay", self.weight_decay, "0 or more")
        if self.epochs is not None and self.epochs < 1:
            yield fault("epochs", self.epochs, "1 or more")

    def for_model(self, model: str, image_size: int, n_channels: int) -> TrainingConfig:
        """`for_images`, and the learning rate for a model's name."""
        recipe, kind = self.for_images(image_size, n_channels), name_kind(image_size, n_channels)
        if recipe.learning_rate is not None:
            return recipe
        return dataclasses.replace(recipe, learning_rate=LEARNING_RATES.get((model, kind), LEARNING_RATE))

    def for_images(self, image_size: int, n_channels: int) -> TrainingConfig:
        """The same recipe with steps and augmentation filled in, for images of that many pixels a side and
        channels."""
        kind = name_kind(image_size, n_channels)
        return dataclasses.replace(
            self,
            steps=TRAINING_STEPS[kind] if self.steps is None else self.steps,
            augment=AUGMENTATIONS[kind] if self.augment is None else self.augment,
        )

    def for_trials(self) -> TrainingConfig:
        """The recipe of a training that ranks candidates: no longer than it takes to tell them apart."""
        return dataclasses.replace(self, steps=min(settled(self.steps), TRIAL_STEPS))

    def for_tasks(self) -> TrainingConfig:
        """The recipe of a training on a task, whose labels are of the images as they are."""
        return dataclasses.replace(self.for_trials(), augment="none")
