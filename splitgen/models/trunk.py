"""A frozen trunk: a network that is not trained, up to its head, which a task encoder may look through."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from splitgen.data.images import MemoryImages, NormalizedImages
from splitgen.errors import ModelError
from splitgen.models.batch_norm import settle_batch_norm
from splitgen.models.checks import check_sees, make_noise
from splitgen.models.registry import ModelFactory, build_network, choose_model, start_model, try_images
from splitgen.random import seed_global, stream_seed
from splitgen.settings.stages import RunConfig

FEATURE_CHUNK = 1024  # datapoints a forward pass; fixed, so that features and statistics do not vary


@dataclass(frozen=True)
class FrozenTrunk:
    """Everything of a model before its head, with the weights that it starts from, else those that a seed draws.

    seed: of a run, whose tasks may be taken on by a run with another seed.
    """

    model: ModelFactory
    seed: int

    @property
    def title(self) -> str:
        """For people: its model, and what it starts from."""
        return f"{self.model.title}{'' if self.model.weights else ', untrained'}"

    @property
    def settings(self) -> dict[str, Any]:
        """Those of `[discovery]` that give it again: its weights with their digest, or the seed of an untrained one."""
        weights = self.model.weights
        return {
            "trunk": self.model.name,
            "trunk_weights": None if weights is None else weights.reference,
            "trunk_seed": self.seed if weights is None else None,
        }

    def build(self, pixels: NormalizedImages, n_classes: int) -> nn.Module:
        """Its network for images, which gives features [B, F]. n_classes: of the dataset, which decides what is drawn.

        Raises `ModelError` where the model has no trunk, `WeightsError` where the weights are not the model's.
        """
        normalized_by = None if self.model.weights is None else pixels.unit_statistics
        seed = stream_seed(self.seed, "trunk")
        return build_network(self.model, n_classes, pixels.shape, seed, pixels.device, normalized_by).eval()

    @torch.no_grad()
    def look(self, pixels: NormalizedImages, n_classes: int) -> NormalizedImages:
        """Features of all images, as images of one pixel with F channels, normalised as these are.

        The batch-norm statistics of an untrained network are those of the images first.
        """
        network = self.build(pixels, n_classes)
        with seed_global(stream_seed(self.seed, "trunk", "statistics")):  # dropout draws
            if self.model.weights is None:
                settle_batch_norm(network, pixels.chunks(FEATURE_CHUNK))
        features = torch.cat([network(part).float().cpu() for part in pixels.chunks(FEATURE_CHUNK)])
        held = MemoryImages(features[:, :, None, None])
        return NormalizedImages(held, held.statistics(), pixels.device)


def find_trunk(config: RunConfig, *, is_named: bool = True) -> FrozenTrunk | None:
    """The trunk of a run's settings; None where they have none.

    is_named: by the user, and not by a file only. Raises `ModelError` as `choose_model` does, and `WeightsError`.
    """
    discovery = config.discovery
    if discovery.trunk is None:
        return None
    model = choose_model(discovery.trunk, is_named=is_named, option="--trunk")
    model = start_model(model, discovery.trunk_weights, option="--trunk-weights")
    seed = config.seed if discovery.trunk_seed is None else discovery.trunk_seed
    return FrozenTrunk(replace(model, ends_before_head=True), seed)


def check_trunk(trunk: FrozenTrunk, pixels: NormalizedImages, n_classes: int) -> None:
    """Try it on a few images and noise. Raises `ModelError` for one that cannot look at them, or whose features are not
    finite, or the same for all, and `WeightsError` for weights of another model."""
    model, network = trunk.model, trunk.build(pixels, n_classes)
    images = pixels.take(torch.arange(min(2, len(pixels)), device=pixels.device))
    check_sees(model, network, images)
    seen = torch.cat([images, make_noise(images)])
    if trunk.model.weights is None:
        with seed_global(0):
            try_images(model, network.train(), seen)
    features = try_images(model, network.eval(), seen)
    if not bool(torch.isfinite(features).all()):
        raise ModelError(model.name, "gives its head NaN or infinite features", "use another trunk or other weights")
    if bool((features == features[:1]).all()):
        raise ModelError(model.name, "gives its head the same features for all images", "use another trunk")
