"""The settings of a run: one frozen dataclass a stage.

Every class has `faults()`, which lists all that is out of range; `check` raises them in
one `SettingError`. The maths never checks settings again.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from splitgen.settings.faults import choice_faults, colour_faults, fault, least_faults, positive_faults
from splitgen.settings.presets import DISCOVERY_DEFAULTS, FEW_POINTS, REFINEMENT_DEFAULTS, fill_defaults


@dataclass(frozen=True)
class DataConfig:
    """Which dataset, and how it is opened.

    dataset: `digits`, `idx:FOLDER`, `torchvision:NAME`, `folder:PATH` or `npz:FILE`.
    root: folder of torchvision datasets.
    download: fetch a torchvision dataset that is not there.
    part: of a source that has several (train, val, test, ...), the one to open.
    image_column: of a table, the images: bytes or paths; None finds it.
    label_column: of a table, the classes; None finds it.
    image_size: pixels a side that images are resized to; None goes by what is there.
    resize: `crop` keeps the middle of an image, `pad` fills it up to a square, `squash` changes its aspect ratio.
    background: colour that shines through where an image is transparent.
    skip_unreadable: leave out images that cannot be read.
    duplicates: `group` keeps byte-identical images in one part of a split, `ignore` does not look for them.
    cache: folder that decoded images are kept in; None takes the user's cache folder.
    follow_links: read what a folder's links point to outside of it, too.
    metadata: Parquet or CSV table about the datapoints, joined by its column `id`.
    group_column: of the metadata; rows of one group never straddle train and test.
    """

    dataset: str = "digits"
    root: str = "data"
    download: bool = False
    part: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    image_size: int | None = None
    resize: str = "crop"
    background: str = "white"
    skip_unreadable: bool = False
    duplicates: str = "group"
    cache: str | None = None
    follow_links: bool = False
    metadata: str | None = None
    group_column: str | None = None

    def faults(self) -> Iterator[str]:
        yield from least_faults(self, 1, "image_size")
        yield from choice_faults(self, "resize", ("crop", "pad", "squash"))
        yield from colour_faults(self, "background")
        yield from choice_faults(self, "duplicates", ("group", "ignore"))
        if self.group_column is not None and self.metadata is None:
            yield fault("group_column", self.group_column, "given together with metadata, the table that has it")


@dataclass(frozen=True)
class TrainingConfig:
    """The recipe of the target model: optimiser under a one-cycle schedule, no augmentation.

    optimizer: `adamw`, `adam` or `sgd` (with Nesterov momentum 0.9).
    learning_rate: the peak of the schedule.
    weight_decay: of the optimiser.
    epochs: None takes as many as give about `TRAINING_STEPS` steps, at least `MIN_EPOCHS` and at most `MAX_EPOCHS`.
    batch_size: rows in a step.
    """

    optimizer: str = "adamw"
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4
    epochs: int | None = None
    batch_size: int = 128

    def faults(self) -> Iterator[str]:
        yield from choice_faults(self, "optimizer", ("adamw", "adam", "sgd"))
        yield from positive_faults(self, "learning_rate", "batch_size")
        if self.weight_decay < 0:
            yield fault("weight_decay", self.weight_decay, "0 or more")
        if self.epochs is not None and self.epochs < 1:
            yield fault("epochs", self.epochs, "1 or more")


@dataclass(frozen=True)
class DiscoveryConfig:
    """Task discovery (docs/method.md, section 3); the defaults are few strong tasks, which serve a split.

    What is None, `for_images` fills in.

    dim: d of the embedding; with d = 1 the uniformity is empty and the class balance keeps a task balanced.
    n_tasks: K, at most dim.
    meta_steps: the stop; where a budget of time is given without steps, `NO_STOP`.
    inner_steps: T, the steps of plain SGD of the two networks.
    batch_size: B, the rows of such a step.
    inner_learning_rate: eta of these steps.
    temperature: of the soft task labels.
    pool_size: datapoints that the encoder sees in a meta-step; the T batches are drawn out of them.
    held_out_size: datapoints on which the two networks are compared.
    encoder_width: channels of the task encoder's first layer; the next two have 2 and 4 times as many.
    encoder_learning_rate: of the task encoder's Adam.
    centring: "class" subtracts the mean of each source class from the projection, "none" the overall mean.
    uniformity_weight: c, the weight of the uniformity in the objective.
    imbalance_weight: b, the weight of the class imbalance in the objective.
    crowding_weight: g, the weight of the boundary crowding in the objective.
    crowding_width: the margin within which a datapoint counts as near the boundary.
    meta_gradient: "one-sided", "central" or "exact".
    epsilon: length of the finite difference's shift as a fraction of |w|.
    """

    dim: int | None = None
    n_tasks: int | None = None
    meta_steps: int | None = None
    inner_steps: int = 80
    batch_size: int | None = None
    inner_learning_rate: float = 0.1
    temperature: float = 5.0
    pool_size: int = 1024
    held_out_size: int = 512
    encoder_width: int = 24
    encoder_learning_rate: float = 2e-3
    centring: str = "class"
    uniformity_weight: float = 1.0
    imbalance_weight: float = 10.0
    crowding_weight: float | None = None
    crowding_width: float = 0.5
    meta_gradient: str = "one-sided"
    epsilon: float = 0.005

    def faults(self) -> Iterator[str]:
        yield from positive_faults(
            self,
            *("inner_steps", "inner_learning_rate", "temperature", "held_out_size"),
            *("encoder_width", "encoder_learning_rate", "crowding_width", "epsilon"),
        )
        yield from choice_faults(self, "centring", ("class", "none"))
        yield from choice_faults(self, "meta_gradient", ("one-sided", "central", "exact"))
        yield from least_faults(self, 1, "dim", "n_tasks", "meta_steps")
        yield from least_faults(self, 2, "pool_size", "batch_size")
        yield from least_faults(self, 0, "crowding_weight")
        if self.dim is not None and self.n_tasks is not None and self.dim < self.n_tasks:
            yield fault("n_tasks", self.n_tasks, f"at most dim ({self.dim}), as task directions are orthonormal")

    def for_images(self, image_size: int) -> DiscoveryConfig:
        """The same settings with K, d, B, g and the stop filled in for images of that many pixels a side.

        Below `SMALL_IMAGE` pixels a training is cheap: batches of 128 make the inner networks fit
        better, and a second task gives the search more candidates. Above, all the time goes to one task,
        and keeping datapoints away from the boundary pays (on digits it costs 5 points). Small images are for a
        first look, which is to take a minute or two: fewer meta-steps (tests/benchmarks/refinement.md).
        """
        found = fill_defaults(self, DISCOVERY_DEFAULTS, image_size)
        n_tasks = self.n_tasks
        if n_tasks is None:
            n_tasks = found["n_tasks"] if self.dim is None else min(self.dim, found["n_tasks"])
        dim = n_tasks if self.dim is None else self.dim
        return dataclasses.replace(self, **{**found, "n_tasks": n_tasks, "dim": dim})


@dataclass(frozen=True)
class RefinementConfig:
    """Refinement by the failure itself, of the search's best and of new tasks (docs/method.md, section 4);
    tests/benchmarks/refinement.md has what each setting gained, and what lost.

    What is None, `for_images` fills in.

    meta_steps: of each task that stays to the end; 0 leaves refinement out; where a budget of time is given without
        steps, `NO_STOP`.
    candidates: how many of the search's best are refined.
    new_tasks: how many start from untrained encoders beside them.
    first_round: meta-steps to the first round of real trainings; the next rounds come at 2, 4, 8, ... times as many.
    keep: tasks that go on after a round.
    learning_rate: of the task encoder.
    batch_size, inner_steps, pool_size: of the inner training, as in `DiscoveryConfig`.
    lifetime: meta-steps for which one network is trained on before a fresh one.
    budget_share: of a budget of time, the rest being discovery's.
    """

    meta_steps: int | None = None
    candidates: int = 1
    new_tasks: int | None = None
    first_round: int | None = None
    keep: int = 2
    learning_rate: float = 2e-3
    batch_size: int = 128
    inner_steps: int = 80
    pool_size: int | None = None
    lifetime: int | None = None
    budget_share: float = 0.7

    def faults(self) -> Iterator[str]:
        yield from positive_faults(self, "learning_rate", "keep", "inner_steps")
        yield from least_faults(self, 0, "candidates", "new_tasks", "meta_steps", prefix="refinement ")
        yield from least_faults(self, 1, "first_round", "lifetime", prefix="refinement ")
        yield from least_faults(self, 2, "batch_size", "pool_size", prefix="refinement ")
        if self.candidates == 0 and self.new_tasks == 0 and self.meta_steps != 0:
            yield "refinement needs candidates or new_tasks above 0; give meta_steps 0 to leave it out"
        if not 0 < self.budget_share < 1:
            yield fault("refinement budget_share", self.budget_share, "between 0 and 1")

    def for_images(self, image_size: int) -> RefinementConfig:
        """The same settings with what is left open filled in for images of that many pixels a side: below
        `SMALL_IMAGE` a model has learned the target after T steps, above it takes longer."""
        return dataclasses.replace(self, **fill_defaults(self, REFINEMENT_DEFAULTS, image_size))


@dataclass(frozen=True)
class AgreementConfig:
    """The agreement score (docs/method.md, section 2).

    networks: how many are trained on a task; every pair is compared.
    max_rows: rows of the dataset that take part at most, drawn at random.
    train_fraction: share of them that the networks are trained on.
    min_train_accuracy: a task that the networks do not reach this accuracy on is flagged as not fitted.
    epochs: of the training, to convergence; None as in `TrainingConfig`, and up to 60 for a task that is not fitted
        by then: one that says nothing about the images takes longer than the target.
    """

    networks: int = 2
    max_rows: int = 12_000
    train_fraction: float = 0.75
    min_train_accuracy: float = 0.95
    epochs: int | None = None

    def faults(self) -> Iterator[str]:
        if self.networks < 2:
            yield fault("agreement networks", self.networks, "2 or more")
        if self.max_rows < 20:
            yield fault("agreement max_rows", self.max_rows, "20 or more")
        if not 0 < self.train_fraction < 1:
            yield fault("agreement train_fraction", self.train_fraction, "between 0 and 1")
        if self.epochs is not None and self.epochs < 1:
            yield fault("agreement epochs", self.epochs, "1 or more")


@dataclass(frozen=True)
class SelectionConfig:
    """What the model is trained on, and the sizes, as fractions of all rows (docs/method.md, section 5).

    target: "label", or the classes of side 1 as in "0,1,2,3,4".
    test_fraction: the rows on which the model is to fail; what the three fractions leave is train.
    reserve_fraction: the middle of each class, left out between train and test; nobody uses it.
    validation_fraction: drawn at random from the train side.
    """

    target: str = "label"
    test_fraction: float = 0.5
    reserve_fraction: float = 0.0
    validation_fraction: float = 0.0

    def faults(self) -> Iterator[str]:
        if self.target != "label" and not re.fullmatch(r"\d+(,\d+)*", self.target.replace(" ", "")):
            yield fault("target", self.target, "'label' or class numbers such as '0,1,2,3,4'")
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
        return 1 - self.test_fraction - self.reserve_fraction - self.validation_fraction


@dataclass(frozen=True)
class SearchConfig:
    """How the candidates (task, class sides) are compared (docs/method.md, section 6).

    n_cuts: how many of the best class cuts are tried for each task, each with both signs.
    max_trained: candidates in the first round; where there are more, a cheap predictor chooses.
    rows: train rows of the target model in each round of successive halving.
    keep: candidates that go on to each next round.
    """

    n_cuts: int = 2
    max_trained: int = 16
    rows: tuple[int, ...] = (4_000, 12_000)
    keep: tuple[int, ...] = (3,)

    def faults(self) -> Iterator[str]:
        yield from positive_faults(self, "n_cuts", "max_trained")
        if not self.rows or min(self.rows) < 1:
            yield fault("search rows", list(self.rows), "one or more counts above 0")
        if len(self.keep) != len(self.rows) - 1 or any(n < 1 for n in self.keep):
            yield fault("search keep", list(self.keep), "one count above 0 for each round after the first")


@dataclass(frozen=True)
class SharpeningConfig:
    """Rounds in which the best tasks become what networks make of them (docs/method.md, section 6).

    rounds: 0 leaves sharpening out; None leaves them to `for_points`.
    folds: a row's new margin comes from networks that were trained on the other folds.
    networks: how many of them for each fold; their logits are added up.
    candidates: how many of the strongest are sharpened; after the first round the best goes on alone.
    """

    rounds: int | None = None
    folds: int = 2
    networks: int = 3
    candidates: int = 2

    def faults(self) -> Iterator[str]:
        yield from positive_faults(self, "networks")
        if self.rounds is not None and self.rounds < 0:
            yield fault("sharpening rounds", self.rounds, "0 or more")
        if self.folds < 2:
            yield fault("sharpening folds", self.folds, "2 or more")
        if self.candidates < 1:
            yield fault("sharpening candidates", self.candidates, "1 or more; give rounds 0 to leave it out")

    def for_points(self, n_points: int) -> SharpeningConfig:
        """The same settings with the rounds filled in for a dataset of that many datapoints: below `FEW_POINTS`
        networks that see a part of them know a task less well than its encoder does."""
        rounds = (0 if n_points < FEW_POINTS else 4) if self.rounds is None else self.rounds
        return dataclasses.replace(self, rounds=rounds)


@dataclass(frozen=True)
class VerificationConfig:
    """Honest verification (docs/method.md, section 7).

    seeds: how many; at least 2, for an interval.
    holdout_fraction: share of the train rows that is held out where the split has no validation part.
    """

    seeds: int = 3
    holdout_fraction: float = 0.1

    def faults(self) -> Iterator[str]:
        if self.seeds < 2:
            yield fault("seeds", self.seeds, "2 or more (an interval needs them)")
        if not 0 < self.holdout_fraction < 1:
            yield fault("holdout_fraction", self.holdout_fraction, "between 0 and 1")


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run; those below are of no stage.

    model: the target model: `conv`, `mlp`, `resnet18`, `resnet18-small`, `torchvision:NAME` or
        `package.module:callable`.
    seed: of everything random.
    """

    model: str = "conv"
    seed: int = 0
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
        if self.seed < 0:
            yield fault("seed", self.seed, "0 or more")
        for stage in dataclasses.fields(self):
            value = getattr(self, stage.name)
            if dataclasses.is_dataclass(value):
                yield from value.faults()  # type: ignore[union-attr]
