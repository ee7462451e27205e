"""The settings of a run: one frozen dataclass a stage.

Every class has `faults()`, which lists all that is out of range; `check` raises them in
one `SettingError`. The maths never checks settings again. A new setting is one `setting(...)` here: with its
`option`, all commands that take its table have it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from splitgen.settings.faults import choice_faults, colour_faults, fault, least_faults, positive_faults
from splitgen.settings.fields import ARGUMENT, by_size, described, setting
from splitgen.settings.presets import (
    AUGMENTATIONS,
    COLOUR,
    DISCOVERY_DEFAULTS,
    FEW_POINTS,
    LEARNING_RATE,
    LEARNING_RATES,
    MAX_EPOCHS,
    MAX_IMAGE_SIZE,
    MAX_TASK_VALUES,
    MIN_EPOCHS,
    PLAIN,
    REFINEMENT_DEFAULTS,
    SHARPENING_ROUNDS,
    SMALL_IMAGE,
    TRAINING_STEPS,
    TRIAL_STEPS,
    fill_defaults,
    name_kind,
    settled,
)

HALVES, EQUALITY = "halves", "equality"  # rules by which a class is parted
SEARCHED, RANDOM = "searched", "random"  # ways to come by class sides
EPOCHS_BY_ROWS = f"{MIN_EPOCHS} to {MAX_EPOCHS}, by the rows trained on"


# Settings of the data that decide its rows and pixels; the others say where it lies, or what is allowed.
OPENING = (
    *("part", "image_column", "label_column", "target_column"),
    *("image_size", "resize", "background", "skip_unreadable", "duplicates"),
)


@described
@dataclass(frozen=True)
class DataConfig:
    """Which dataset, and how it is opened."""

    dataset: str = setting(
        "digits",
        "`digits`, `folder:PATH`, `parquet:PATH`, `hf:PATH_OR_NAME`, `csv:FILE`, `jsonl:FILE`, `webdataset:SHARDS`,"
        " `torchvision:NAME`, `idx:FOLDER`, `npz:FILE`, `features:FILE`, `tinyimagenet:PATH` or"
        " `package.module:callable`",
        option=ARGUMENT,
    )
    root: str = setting("data", "folder of torchvision datasets", option="--root")
    download: bool = setting(
        False, "fetch a dataset of torchvision or of the hub that is not there", option="--download"
    )
    part: str | None = setting(
        None,
        "of a source that has several (train, val, test, ...), the one to open",
        "train, where there are several",
        option="--part",
    )
    image_column: str | None = setting(
        None,
        "of a table, the column of the images: bytes or paths; of features, that of the vectors",
        "found",
        option="--image-column",
    )
    label_column: str | None = setting(None, "of a table, the column of the classes", "found", option="--label-column")
    target_column: str | None = setting(
        None,
        "of a torchvision dataset, the attribute (`Blond_Hair`) or kind of target (`genus`) that is the class",
        "the dataset's own",
        option="--target-column",
    )
    image_size: int | None = setting(
        None,
        "pixels a side that images are resized to",
        "32, of smaller images their own, as of those that come as arrays",
        option="--image-size",
    )
    resize: str = setting(
        "crop",
        "`crop` keeps the middle of an image, `pad` fills it up to a square, `squash` changes its aspect ratio",
        option="--resize",
    )
    background: str = setting(
        "white", "colour that shines through where an image is transparent", option="--background"
    )
    skip_unreadable: bool = setting(False, "leave out images that cannot be read", option="--skip-unreadable")
    duplicates: str = setting(
        "group",
        "`group` keeps byte-identical images of files and tables in one part of a split, `ignore` does not look for"
        " them; images that come as arrays (digits, IDX, npz, tensors) are not looked at",
        option="--duplicates",
    )
    cache: str | None = setting(
        None, "folder that decoded images are kept in", "the user's cache folder", option="--cache"
    )
    follow_links: bool = setting(
        False, "read what a folder's links point to outside of it, too", option="--follow-links"
    )
    metadata: str | None = setting(
        None, "Parquet or CSV table about the datapoints, joined by its column `id`", "none", option="--metadata"
    )
    group_column: str | None = setting(
        None, "of the metadata; rows of one group never straddle train and test", "none", option="--group-column"
    )

    def describe_opening(self) -> dict[str, Any]:
        """How the rows and pixels of a dataset come about, wherever it lies: what a file tells of it for others."""
        return {name: getattr(self, name) for name in OPENING}

    def faults(self) -> Iterator[str]:
        yield from least_faults(self, 1, "image_size")
        if self.image_size is not None and self.image_size > MAX_IMAGE_SIZE:
            yield fault("image_size", self.image_size, f"at most {MAX_IMAGE_SIZE}")
        yield from choice_faults(self, "resize", ("crop", "pad", "squash"))
        yield from colour_faults(self, "background")
        yield from choice_faults(self, "duplicates", ("group", "ignore"))
        if self.group_column is not None and self.metadata is None:
            yield fault("group_column", self.group_column, "given together with metadata, the table that has it")


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


@described
@dataclass(frozen=True)
class DiscoveryConfig:
    """Task discovery (docs/method.md, section 3); the defaults are few strong tasks, which serve a split.

    What is None, `for_images` fills in.
    """

    dim: int | None = setting(
        None,
        "d of the embedding; with d = 1 the uniformity is empty and the class balance keeps a task balanced",
        "as many as tasks, of more than two values twice as many",
        option="--dim",
    )
    n_tasks: int = setting(1, "K, the tasks to discover, at most dim", option="--tasks")
    task_values: int = setting(
        2,
        "V, the values that a task has; of more than two, tasks take two dimensions each, and are found and scored by"
        " `discover` and `agreement`, and make no split",
        option="--task-values",
    )
    meta_steps: int | None = setting(
        None,
        "the stop of discovery; left open, a slow machine has fewer, and a budget of time is the only stop",
        by_size(DISCOVERY_DEFAULTS["meta_steps"]),
        option="--meta-steps",
    )
    inner_steps: int | None = setting(
        None, "T, the steps of plain SGD of the two networks", by_size(DISCOVERY_DEFAULTS["inner_steps"])
    )
    batch_size: int | None = setting(None, "B, the rows of such a step", by_size(DISCOVERY_DEFAULTS["batch_size"]))
    inner_learning_rate: float = setting(0.1, "eta of these steps")
    temperature: float = setting(5.0, "of the soft task labels")
    pool_size: int = setting(
        1024, "datapoints that the encoder sees in a meta-step; the T batches are drawn out of them"
    )
    held_out_size: int = setting(512, "datapoints on which the two networks are compared")
    encoder_width: int = setting(
        24, "channels of the task encoder's first layer; the next two have 2 and 4 times as many"
    )
    trunk: str | None = setting(
        None,
        "a model that the task encoder looks with, as it is, all but its head, of which a projection is trained: named"
        " as the target model is",
        "a small network that is trained",
        option="--trunk",
    )
    trunk_weights: str | None = setting(
        None, "file of tensors of the trunk, as in `weights`", "untrained", option="--trunk-weights"
    )
    trunk_seed: int | None = setting(None, "of an untrained trunk", "the run's; of saved tasks that of their run")
    avoid_columns: str | None = setting(
        None,
        "of the metadata, with commas between: labellings by people that discovered tasks are to be dissimilar to, two"
        " values or numbers each; weighted by `uniformity_weight`",
        "none",
        option="--avoid-columns",
    )
    encoder_learning_rate: float = setting(2e-3, "of the task encoder's Adam")
    centring: str = setting(
        "class", "`class` subtracts the mean of each source class from the projection, `none` the overall mean"
    )
    uniformity_weight: float = setting(1.0, "c, the weight of the uniformity in the objective")
    imbalance_weight: float = setting(10.0, "b, the weight of the class imbalance in the objective")
    crowding_weight: float | None = setting(
        None,
        "g, the weight of the boundary crowding in the objective",
        by_size(DISCOVERY_DEFAULTS["crowding_weight"]),
    )
    crowding_width: float = setting(0.5, "the margin within which a datapoint counts as near the boundary")
    meta_gradient: str = setting(
        "one-sided", "how discovery differentiates: `one-sided`, `central` or `exact`", option="--meta-gradient"
    )
    epsilon: float = setting(0.005, "length of the finite difference's shift as a fraction of |w|")

    def faults(self) -> Iterator[str]:
        yield from positive_faults(
            self,
            *("inner_learning_rate", "temperature", "held_out_size"),
            *("encoder_width", "encoder_learning_rate", "crowding_width", "epsilon"),
        )
        yield from choice_faults(self, "centring", ("class", "none"))
        yield from choice_faults(self, "meta_gradient", ("one-sided", "central", "exact"))
        yield from least_faults(self, 1, "dim", "n_tasks", "meta_steps", "inner_steps")
        yield from least_faults(self, 2, "pool_size", "batch_size")
        yield from least_faults(self, 0, "crowding_weight")
        for name in ("trunk_weights", "trunk_seed"):
            if self.trunk is None and getattr(self, name) is not None:
                yield fault(name, getattr(self, name), "given together with trunk, the model that it is of")
        yield from least_faults(self, 0, "trunk_seed")
        if not 2 <= self.task_values <= MAX_TASK_VALUES:
            yield fault("task_values", self.task_values, f"2 to {MAX_TASK_VALUES}")
        if self.dim is not None and self.dim < self.least_dim:
            allowed = f"at most dim ({self.dim}), as task directions are orthonormal"
            if self.task_values > 2:
                allowed = f"at most half of dim ({self.dim}), as a task of more than two values has a plane of its own"
            yield fault("n_tasks", self.n_tasks, allowed)

    @property
    def least_dim(self) -> int:
        """What the tasks take: a direction each, or, of more than two values, a plane."""
        return self.n_tasks if self.task_values == 2 else 2 * self.n_tasks

    def for_images(self, image_size: int, *, is_timed: bool = False) -> DiscoveryConfig:
        """The same settings with d, T, B, g and the stop filled in for images of that many pixels a side.

        Below `SMALL_IMAGE` pixels a training is cheap: batches of 128 make the inner networks fit
        better, in fewer steps. Above, keeping datapoints away from the boundary pays (on digits it costs 5 points).
        Small images are for a first look, which is to take a minute: fewer meta-steps (tests/benchmarks/refinement.md).

        is_timed: a budget of time is the stop; meta-steps that are open stay so.
        """
        found = fill_defaults(self, DISCOVERY_DEFAULTS, image_size, is_timed)
        return dataclasses.replace(self, **{**found, "dim": self.least_dim if self.dim is None else self.dim})


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


@described
@dataclass(frozen=True)
class AgreementConfig:
    """The agreement score (docs/method.md, section 2)."""

    networks: int = setting(
        2, "how many networks are trained on a task; every pair is compared", option="--agreement-networks"
    )
    max_rows: int = setting(12_000, "rows of the dataset that take part at most, drawn at random")
    train_fraction: float = setting(0.75, "share of them that the networks are trained on")
    min_train_accuracy: float = setting(
        0.95, "a task that the networks do not reach this accuracy on is flagged as not fitted"
    )
    epochs: int | None = setting(
        None,
        "of the training, to convergence; left open, as in `[training]`, and up to 60 for a task that is not fitted by"
        " then: one that says nothing about the images takes longer than the target",
        EPOCHS_BY_ROWS,
    )

    def faults(self) -> Iterator[str]:
        if self.networks < 2:
            yield fault("agreement networks", self.networks, "2 or more")
        if self.max_rows < 20:
            yield fault("agreement max_rows", self.max_rows, "20 or more")
        if not 0 < self.train_fraction < 1:
            yield fault("agreement train_fraction", self.train_fraction, "between 0 and 1")
        if self.epochs is not None and self.epochs < 1:
            yield fault("agreement epochs", self.epochs, "1 or more")


@described
@dataclass(frozen=True)
class SelectionConfig:
    """What the model is trained on, and the sizes, as fractions of all rows (docs/method.md, section 5)."""

    target: str = setting(
        "label", "`label`, or the classes of side 1, by number or name, as in `0,1,2` or `cat,dog`", option="--target"
    )
    test_fraction: float = setting(
        0.5,
        "of all rows, those on which the model is to fail; what the three fractions leave is train",
        option="--test-fraction",
    )
    reserve_fraction: float = setting(
        0.0,
        "the middle of each class, left out between train and test; nobody uses it",
        option="--reserve-fraction",
    )
    validation_fraction: float = setting(
        0.0,
        "drawn at random from the train side; by the rule `equality`, of that side's rows",
        option="--validation-fraction",
    )
    rule: str = setting(
        HALVES,
        "how a class is parted: `halves` at these sizes, exactly, or `equality`, as in the paper: train is where"
        " the task equals the class side, and the sizes are what comes of it",
        option="--rule",
    )

    def faults(self) -> Iterator[str]:
        if not self.target.strip(" ,"):
            yield fault("target", self.target, "'label', or classes by number or name such as '0,1,2' or 'cat,dog'")
        yield from choice_faults(self, "rule", (HALVES, EQUALITY))
        if self.rule == EQUALITY and (self.test_fraction, self.reserve_fraction) != (0.5, 0.0):
            problem = (
                "test_fraction and reserve_fraction must be left out with rule equality, whose sizes the task gives"
            )
            yield f"{problem}; give them with rule halves"
        if not 0 < self.test_fraction < 1:
            yield fault("test_fraction", self.test_fraction, "above 0 and below 1")
        for name in ("reserve_fraction", "validation_fraction"):
            if not 0 <= getattr(self, name) < 1:
                yield fault(name, getattr(self, name), "0 or more and below 1")
        if self.train_fraction <= 0:
            total = self.test_fraction + self.reserve_fraction + self.validation_fraction
            yield f"test, reserve and validation fractions must leave rows to train on, they sum to {total:g}"

    @property
    def train_fraction(self) -> float:
        """Of all rows; by the rule "equality", as may be expected."""
        side = 1 - self.test_fraction - self.reserve_fraction
        return side * (1 - self.validation_fraction) if self.rule == EQUALITY else side - self.validation_fraction


@described
@dataclass(frozen=True)
class SearchConfig:
    """How the candidates (task, class sides) are compared (docs/method.md, section 6)."""

    class_sides: str = setting(
        SEARCHED,
        "which half of the classes is on which side, where the target is the label: `searched`, the best cuts of the"
        " classes that the target model confuses, or `random`, drawn, as in the paper",
        option="--class-sides",
    )
    task: int | None = setting(
        None,
        "the one task that the split is made of, by its number; refinement begins no new ones then",
        "whichever makes the strongest split",
        option="--task",
    )
    confusion_rows: int = setting(
        10_000,
        "rows that the target model is trained on, and as many others that it judges, to see which classes it confuses",
    )
    n_cuts: int = setting(2, "how many of the best class cuts are tried for each task, each with both signs")
    max_trained: int = setting(16, "candidates in the first round; where there are more, a cheap predictor chooses")
    rows: tuple[int, ...] = setting(
        (4_000, 12_000), "train rows of the target model in each round of successive halving"
    )
    keep: tuple[int, ...] = setting((3,), "candidates that go on to each next round")

    def faults(self) -> Iterator[str]:
        yield from choice_faults(self, "class_sides", (SEARCHED, RANDOM))
        yield from positive_faults(self, "confusion_rows", "n_cuts", "max_trained")
        yield from least_faults(self, 0, "task")
        if not self.rows or min(self.rows) < 1:
            yield fault("search rows", list(self.rows), "one or more counts above 0")
        if len(self.keep) != len(self.rows) - 1 or any(n < 1 for n in self.keep):
            yield fault("search keep", list(self.keep), "one count above 0 for each round after the first")


@described
@dataclass(frozen=True)
class SharpeningConfig:
    """Rounds in which the best tasks become what networks make of them (docs/method.md, section 6).

    What is None, `for_points` fills in.
    """

    rounds: int | None = setting(None, "0 leaves sharpening out", by_size(SHARPENING_ROUNDS, FEW_POINTS, "datapoints"))
    folds: int = setting(2, "a row's new margin comes from networks that were trained on the other folds")
    networks: int = setting(3, "how many of them for each fold; their logits are added up")
    first_epochs: float = setting(0.4, "of their training in the first round, as a share of the recipe's epochs")
    more_epochs: float = setting(0.2, "the same of each round after it, in which they are trained on")
    candidates: int = setting(
        1, "how many of the strongest are sharpened; after the first round the best goes on alone"
    )

    def faults(self) -> Iterator[str]:
        yield from positive_faults(self, "networks", "first_epochs", "more_epochs")
        if self.rounds is not None and self.rounds < 0:
            yield fault("sharpening rounds", self.rounds, "0 or more")
        if self.folds < 2:
            yield fault("sharpening folds", self.folds, "2 or more")
        if self.candidates < 1:
            yield fault("sharpening candidates", self.candidates, "1 or more; give rounds 0 to leave it out")

    def for_points(self, n_points: int) -> SharpeningConfig:
        """The same settings with the rounds filled in for a dataset of that many datapoints: below `FEW_POINTS`
        networks that see a part of them know a task less well than its encoder does."""
        few, many = SHARPENING_ROUNDS
        rounds = (few if n_points < FEW_POINTS else many) if self.rounds is None else self.rounds
        return dataclasses.replace(self, rounds=rounds)


@described
@dataclass(frozen=True)
class VerificationConfig:
    """Honest verification (docs/method.md, section 7)."""

    seeds: int = setting(3, "how many seeds the verification has; at least 2, for an interval", option="--seeds")
    holdout_fraction: float = setting(
        0.1, "share of the train rows that is held out where the split has no validation part"
    )
    max_rows: int | None = setting(
        None,
        "of train, validation and test together, rows that take part at most, drawn at random by part and class, which"
        " the verdict says",
        "all",
    )

    def faults(self) -> Iterator[str]:
        yield from least_faults(self, 20, "max_rows", prefix="verification ")
        if self.seeds < 2:
            yield fault("seeds", self.seeds, "2 or more (an interval needs them)")
        if not 0 < self.holdout_fraction < 1:
            yield fault("holdout_fraction", self.holdout_fraction, "between 0 and 1")


@described
@dataclass(frozen=True)
class RunConfig:
    """All settings of a run; those below are of no stage."""

    model: str = setting(
        "conv",
        "the target model: `conv`, `mlp`, `linear`, `resnet18`, `resnet18-small`, `resnet18x0.5` (of any width),"
        " `resnet50`, `vit`, `vit-small`, `torchvision:NAME`, `timm:NAME` or `package.module:callable`",
        option="--model",
    )
    discovery_model: str | None = setting(
        None,
        "a smaller model that finds, refines and sharpens the tasks, which the target model judges: named as that is",
        "the target model",
        option="--discovery-model",
    )
    weights: str | None = setting(
        None,
        "file of tensors (safetensors, or torch's with nothing else in it) that the target model starts from; its head"
        " starts afresh",
        "a random initialisation",
        option="--weights",
    )
    freeze: bool = setting(False, "train the head of the target model alone, on top of its weights", option="--freeze")
    seed: int = setting(0, "of everything random", option="--seed")
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)
    refinement: RefinementConfig = field(default_factory=RefinementConfig)
    agreement: AgreementConfig = field(default_factory=AgreementConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    sharpening: SharpeningConfig = field(default_factory=SharpeningConfig)
    verification: VerificationConfig = field(default_factory=VerificationConfig)

    def faults(self) -> Iterator[str]:
        if self.freeze and self.weights is None:
            yield fault("freeze", self.freeze, "given together with weights, which it keeps")
        if self.seed < 0:
            yield fault("seed", self.seed, "0 or more")
        for stage in dataclasses.fields(self):
            value = getattr(self, stage.name)
            if dataclasses.is_dataclass(value):
                yield from value.faults()  # type: ignore[union-attr]
