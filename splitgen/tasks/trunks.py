"""What the task encoder looks with: networks from images to features, by name, and frozen ones of any model."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from splitgen.data.images import NormalizedImages, hold_features
from splitgen.models.bench import Bench
from splitgen.models.checks import check_features
from splitgen.models.networks import conv_trunk, mlp_trunk
from splitgen.models.registry import ModelFactory, build_network, find_model, start_model
from splitgen.random import seed_global, stream_seed
from splitgen.settings.stages import DiscoveryConfig

TASK_VALUES = 2  # of the head that a frozen trunk ends before; what is drawn before it must not hang on the target
SCORING_CHUNK = 1024  # datapoints a forward pass when margins are scored; fixed, so that they do not vary
LOOKS = 3  # that are measured; their median counts
LOOKED_AT = 256  # rows in each, at most
LOOKED_PIXELS = 2**20  # of these rows in all: passes over large images take gigabytes

# Called with channels, pixels a side and width; gives features [B, 4 * width].
Trunk = Callable[[int, int, int], nn.Module]
TRUNKS: dict[str, Trunk] = {"conv": conv_trunk, "mlp": mlp_trunk}  # the latter of features, which are one pixel


def name_trunk(bench: Bench) -> str:
    """Of `TRUNKS`, that of the bench's images."""
    return "mlp" if bench.dataset.holds_features else "conv"


def measure_look(bench: Bench, config: DiscoveryConfig) -> float:
    """Seconds of a row in a pass with its gradient; none where the trunk is frozen, whose features are looked up."""
    if config.trunk is not None:
        return 0.0
    channels, *sides = bench.pixels.shape
    with seed_global(stream_seed(bench.seed, "pace", "trunk")):
        trunk = TRUNKS[name_trunk(bench)](channels, min(sides), config.encoder_width)
    trunk = trunk.to(bench.device).to(memory_format=torch.channels_last).train()
    images = next(bench.pixels.chunks(max(2, min(LOOKED_AT, LOOKED_PIXELS // math.prod(sides)))))

    def look(_: int) -> float:
        start = time.monotonic()
        first = torch.autograd.grad(trunk(images).sum(), list(trunk.parameters()))[0]
        first.sum().item()  # on an accelerator, not before all is done
        return time.monotonic() - start

    look(0)  # what is laid out once does not count
    return statistics.median(map(look, range(LOOKS))) / len(images)


class FrozenTrunk(nn.Module):
    """What a network that stays as it is makes of all images of a bench: looked at once, and standardised.

    There is nothing in it to be trained or saved, and a copy of it is itself.

    features: as images of one pixel, with as many channels as there are features.
    """

    def __init__(self, features: NormalizedImages) -> None:
        super().__init__()
        self.features = features

    def __deepcopy__(self, memo: Any) -> FrozenTrunk:
        return self

    @property
    def n_features(self) -> int:
        return self.features.shape[0]

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.flatten(1)


def freeze_trunk(bench: Bench, name: str, weights: str | None, seed: int | None = None) -> FrozenTrunk:
    """All of a model but its head, over the bench's images: with weights of a file, or untrained, by a seed, else the
    bench's.

    Batch-norm statistics of an untrained one are those of the images. Raises `ModelError` for a model with no trunk or
    no head, `WeightsError` for weights that are not the model's.
    """
    model, seed = find_trunk(name, weights), bench.seed if seed is None else seed
    key = (name, None if model.weights is None else model.weights.sha256, seed)
    if key not in bench.features:
        bench.features[key] = look_through(bench, model, seed)
    return FrozenTrunk(bench.features[key])


def find_trunk(name: str, weights: str | None) -> ModelFactory:
    """A model that ends before its head. weights: as `read_weights` takes it. Raises `ModelError`, `WeightsError`."""
    return replace(start_model(find_model(name), weights, option="--trunk-weights"), ends_before_head=True)


def build_trunk(bench: Bench, model: ModelFactory, seed: int) -> nn.Module:
    """A network of a model that ends before its head, as it starts. seed: of a run."""
    normalized_by = None if model.weights is None else bench.pixels.unit_statistics
    drawn = stream_seed(seed, "trunk")
    return build_network(model, TASK_VALUES, bench.pixels.shape, drawn, bench.device, normalized_by).eval()


@torch.no_grad()
def look_through(bench: Bench, model: ModelFactory, seed: int) -> NormalizedImages:
    """Features of all of the bench's images, as images of one pixel."""
    network = build_trunk(bench, model, seed)
    with seed_global(stream_seed(seed, "trunk", "statistics")):  # stochastic depth and dropout draw
        if model.weights is None:
            reestimate_batch_norm(network, bench)
    parts = [network(part).to("cpu", torch.float32) for part in bench.pixels.chunks(SCORING_CHUNK)]
    held = hold_features(torch.cat(parts))
    return NormalizedImages(held, held.statistics(), bench.device)


def check_trunk(bench: Bench, config: DiscoveryConfig) -> None:
    """Raise `ModelError` or `WeightsError` where no encoder can look with a trunk that the settings name, if they do:
    found on a few images."""
    if config.trunk is not None:
        model = find_trunk(config.trunk, config.trunk_weights)
        check_features(model, build_trunk(bench, model, bench.seed), next(bench.pixels.chunks(2)))


@torch.no_grad()
def reestimate_batch_norm(trunk: nn.Module, bench: Bench) -> None:
    """Set running statistics to the cumulative average over fixed chunks, then switch to evaluation."""
    norms = [module for module in trunk.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    trunk.train()
    for part in bench.pixels.chunks(SCORING_CHUNK) if norms else ():
        if len(part) == SCORING_CHUNK or bench.n_points < SCORING_CHUNK:
            trunk(part)
    trunk.eval()
