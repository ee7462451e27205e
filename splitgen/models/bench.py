"""The bench: what every stage works on, in one record.

A stage asks it for batches of rows, for networks trained on targets, and for what these predict; nobody else holds
images, labels, model and recipe together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from splitgen.data.dataset import ImageDataset
from splitgen.data.images import NormalizedImages
from splitgen.data.target import Target, make_target
from splitgen.keeping import NOWHERE, Keeper, Slot, State
from splitgen.models import training
from splitgen.models.augmentation import DRAWS_GLOBALLY, check_augmentation
from splitgen.models.checks import check_model
from splitgen.models.registry import ModelFactory, build_network
from splitgen.random import draws_random_numbers, seed_global
from splitgen.settings.presets import settled
from splitgen.settings.stages import TrainingConfig


@dataclass(frozen=True)
class Bench:
    """Dataset, target, model and recipe of all trainings, with one seed on one device.

    training: a learning rate that it leaves open is each model's own.
    discovery_model: a smaller one that finds tasks in the target model's place; None: the target model does.
    features: what frozen trunks made of the images, by what tells them apart; benches for other models have them, too.
    keeper: where trainings and meta loops put what they have come to.
    Axes of what it gives: N points, C classes, n rows asked for.
    """

    dataset: ImageDataset
    model: ModelFactory
    target: Target
    training: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = 0
    device: str = "cpu"
    discovery_model: ModelFactory | None = None
    features: dict[Any, NormalizedImages] = field(default_factory=dict, repr=False, compare=False)
    keeper: Keeper = field(default_factory=Keeper, repr=False, compare=False)

    @property
    def n_points(self) -> int:
        return self.dataset.n_points

    @property
    def n_classes(self) -> int:
        return self.dataset.n_classes

    @cached_property
    def labels(self) -> torch.Tensor:
        """int64 [N] on the device."""
        return torch.from_numpy(self.dataset.labels).to(self.device)

    @cached_property
    def targets(self) -> torch.Tensor:
        """int64 [N] on the device: what the target model is trained on."""
        return torch.from_numpy(self.target.values).to(self.device)

    @property
    def groups(self) -> np.ndarray | None:
        """int64 [N], or None where rows may be parted freely."""
        return None if self.dataset.groups is None else self.dataset.groups.codes

    @cached_property
    def pixels(self) -> NormalizedImages:
        """The images, normalised by their own statistics, which are measured once."""
        return NormalizedImages(self.dataset.images, self.dataset.statistics, self.device)

    @cached_property
    def own_pixels(self) -> NormalizedImages | None:
        """Those of the source's own test set, by the same statistics; None where it has none."""
        own = self.dataset.own_test
        return None if own is None else NormalizedImages(own.images, self.dataset.statistics, self.device)

    @cached_property
    def is_noisy(self) -> bool:
        """Whether the model draws random numbers in training, as dropout does: found once, by a network of its own."""
        probe = self.build(self.target.n_outputs, self.seed).train()
        return draws_random_numbers(probe, self.batch(torch.arange(min(2, self.n_points), device=self.device)))

    def batch(self, rows: torch.Tensor) -> torch.Tensor:
        """Images as networks see them, [n, channels, height, width] on the device."""
        return self.pixels.take(rows)

    def build(self, n_outputs: int, seed: int) -> nn.Module:
        """A fresh network of the target architecture for these images, on the device."""
        normalized_by = None if self.model.weights is None else self.pixels.unit_statistics
        return build_network(self.model, n_outputs, self.pixels.shape, seed, self.device, normalized_by)

    def fit(
        self,
        targets: torch.Tensor,
        rows: torch.Tensor,
        n_outputs: int,
        seed: int,
        recipe: TrainingConfig | None = None,
        slot: Slot = NOWHERE,
    ) -> nn.Module:
        """A network trained from scratch on some rows, in evaluation mode.

        targets: int64 [N]. rows: int64 [n]. recipe: another than the bench's own. slot: where the training keeps what
            it has come to, and goes on from.
        The seed fixes the initialisation and the batch order. Raises `TrainingError` where the training diverges.
        """
        return self.train(self.build(n_outputs, seed), targets, rows, seed, recipe, slot)

    def train(
        self,
        network: nn.Module,
        targets: torch.Tensor,
        rows: torch.Tensor,
        seed: int,
        recipe: TrainingConfig | None = None,
        slot: Slot = NOWHERE,
    ) -> nn.Module:
        """The network, trained on from where it is, in place; for the rest as `fit`."""
        dataset = self.dataset
        recipe = (recipe or self.training).for_model(self.model.name, dataset.image_size, dataset.n_channels)
        # trainings run side by side only where none of them draws from the generator that all share
        draws = recipe.augment in DRAWS_GLOBALLY or self.is_noisy
        with seed_global(seed) if draws else contextlib.nullcontext():
            return training.fit(
                network, self.model.name, self.pixels, targets, rows, recipe, seed, slot, holds_global=draws
            )

    def recall(self, what: tuple[Any, ...], compute: Callable[[Slot], State]) -> State:
        """What a piece of work with a network of this bench gave, or gives now: `Keeper.recall`, by what it depends on
        beside the bench."""
        of_weights = None if self.model.weights is None else self.model.weights.reference
        own = (self.model.title, of_weights, self.target.spec, self.training, self.seed)
        return self.keeper.recall((*own, *what), compute)

    def predict_logits(self, network: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        """Logits [n, n_outputs] of some rows, on the CPU. Raises `TrainingError` where one is NaN or infinite."""
        return training.predict_logits(network, self.pixels, rows)

    def predict_probs(self, network: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        """Class probabilities [n, n_outputs] of some rows, on the CPU."""
        return training.predict_probs(network, self.pixels, rows)

    def predict(self, network: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        """Predicted classes [n] of some rows, on the CPU."""
        return training.predict(network, self.pixels, rows)

    def score_accuracy(self, network: nn.Module, targets: torch.Tensor, rows: torch.Tensor) -> float:
        """Fraction of the rows that the network predicts right. targets: int64 [N]."""
        return float((self.predict(network, rows) == targets[rows].cpu()).double().mean())

    def check_model(self, n_outputs: int) -> None:
        """Raise `ModelError` where the model cannot be trained on these images for so many outputs, and `SettingError`
        where these cannot be augmented as the recipe has it."""
        check_augmentation(settled(self.training.augment), self.pixels.shape)
        rows = torch.arange(min(2, self.n_points), device=self.device)
        check_model(self.model, n_outputs, self.pixels.take(rows), self.training.batch_size)

    @cached_property
    def finder(self) -> Bench:
        """The bench on which tasks are found, refined and sharpened; the target model, on this one, judges them."""
        return self if self.discovery_model is None else self.with_model(self.discovery_model)

    def with_model(self, model: ModelFactory) -> Bench:
        """The same bench for another model, with no other to find tasks; what it has measured of the images stays."""
        other = replace(self, model=model, discovery_model=None)
        other.__dict__["pixels"] = self.pixels
        return other


def make_bench(
    dataset: ImageDataset,
    model: ModelFactory,
    target: str = "label",
    training: TrainingConfig | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    discovery_model: ModelFactory | None = None,
) -> Bench:
    """A bench for a target as `make_target` takes it. Raises `SettingError` for a target that the dataset has not."""
    recipe = (training or TrainingConfig()).for_images(dataset.image_size, dataset.n_channels)
    return Bench(dataset, model, make_target(dataset, target), recipe, seed, device, discovery_model)
