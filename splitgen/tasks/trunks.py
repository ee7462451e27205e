"""What the task encoder looks with: networks from images to features, by name, and frozen ones of any model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from splitgen.models.bench import Bench
from splitgen.models.networks import conv_trunk, mlp_trunk
from splitgen.models.registry import build_trunk, find_model, start_model
from splitgen.random import stream_seed
from splitgen.settings.stages import DiscoveryConfig

SCORING_CHUNK = 1024  # datapoints a forward pass when margins are scored; fixed, so that they do not vary

# Called with channels, pixels a side and width; gives features [B, 4 * width].
Trunk = Callable[[int, int, int], nn.Module]
TRUNKS: dict[str, Trunk] = {"conv": conv_trunk, "mlp": mlp_trunk}  # the latter of features, which are one pixel


class FrozenTrunk(nn.Module):
    """A network that stays as it is, as what an encoder looks with: images to features [B, n_features], standardised.

    It is no part of the module, so that nothing trains, saves, copies or averages it.

    look: images to features. n_features: how many it gives.
    """

    def __init__(self, look: Callable[[torch.Tensor], torch.Tensor], n_features: int) -> None:
        super().__init__()
        self.look, self.n_features = look, n_features
        self.standardized = nn.BatchNorm1d(n_features, affine=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.standardized(self.look(images))
        return features


def freeze_trunk(bench: Bench, name: str, weights: str | None) -> FrozenTrunk:
    """All of a model but its head: with weights of a file, or untrained, by the bench's seed; on its device.

    Batch-norm statistics of an untrained one are those of the data. Raises `ModelError` for a model with no trunk or no
    head, `WeightsError` for weights that are not the model's.
    """
    model = start_model(find_model(name), weights)
    seed = stream_seed(bench.seed, "trunk")
    network = build_trunk(model, bench.pixels.shape, seed, bench.device, bench.pixels.unit_statistics)
    if weights is None:
        reestimate_batch_norm(network, bench)
    network.eval()

    @torch.no_grad()
    def look(images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = network(images).flatten(1)
        return features

    first = next(bench.pixels.chunks(2))
    return FrozenTrunk(look, look(first).shape[1]).to(bench.device)


def check_trunk(bench: Bench, config: DiscoveryConfig) -> None:
    """Raise what `freeze_trunk` raises of a trunk that the settings name, if they do."""
    if config.trunk is not None:
        freeze_trunk(bench.finder, config.trunk, config.trunk_weights)


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
