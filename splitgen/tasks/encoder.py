"""The task encoder: one network that carries all the discovered tasks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from splitgen.data.images import NormalizedImages
from splitgen.errors import SettingError
from splitgen.models.bench import Bench
from splitgen.settings.presets import settled
from splitgen.settings.stages import DiscoveryConfig
from splitgen.tasks.heads import BINARY, FAN, HEADS
from splitgen.tasks.terms import class_means
from splitgen.tasks.trunks import SCORING_CHUNK, TRUNKS, FrozenTrunk, freeze_trunk, name_trunk, reestimate_batch_norm

STD_FLOOR = 1e-3
AVERAGING = 3  # step n has the weight 4 / (n + 3) in the average when it comes in


class TaskEncoder(nn.Module):
    """h(x): a trunk of `TRUNKS` or a frozen one, a linear projection without bias, then standardisation; a head of
    `HEADS` reads tasks.

    The projection is centred (on the mean of each source class with `centring="class"`, on the
    overall mean with "none") and scaled to unit variance; the scale is not learned, so that the
    temperature of the soft task labels keeps its meaning (docs/method.md, section 3).
    """

    directions: torch.Tensor

    def __init__(
        self,
        in_channels: int,
        image_size: int,
        *,
        dim: int,
        n_tasks: int,
        width: int,
        centring: str,
        n_classes: int,
        trunk: str | FrozenTrunk = "conv",
        head: str = BINARY,
        n_values: int = 2,
    ) -> None:
        super().__init__()
        n_features = trunk.n_features if isinstance(trunk, FrozenTrunk) else 4 * width
        self.trunk = trunk if isinstance(trunk, FrozenTrunk) else TRUNKS[trunk](in_channels, image_size, width)
        self.projection = nn.Linear(n_features, dim, bias=False)
        self.centring, self.n_classes, self.head = centring, n_classes, HEADS[head](n_values)
        self.register_buffer("directions", self.head.draw_directions(n_tasks, dim))

    def inputs(self, bench: Bench) -> NormalizedImages:
        """What it looks at: the bench's images, or what a frozen trunk made of them."""
        return self.trunk.features if isinstance(self.trunk, FrozenTrunk) else bench.pixels

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Embeddings h [B, d] of some of its inputs, standardised over this batch."""
        return self.standardize(self.projection(self.trunk(images)), labels)

    def standardize(self, projected: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Centre and scale the rows given, [N, d], by their own statistics."""
        if self.centring == "class":
            projected = projected - class_means(projected, labels, self.n_classes)[labels]
        else:
            projected = projected - projected.mean(dim=0)
        scale = projected.square().mean(dim=0).sqrt().clamp_min(STD_FLOOR)
        standardized: torch.Tensor = projected / scale
        return standardized

    def margins(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Task margins m [N, K], or [N, K, V] of a fan, of embeddings [N, d]."""
        return self.head.read_margins(embeddings, self.directions)

    def keep_task(self, task: int) -> TaskEncoder:
        """The same encoder with one of its tasks alone."""
        self.directions = self.directions[task : task + 1].clone()
        return self


def load_encoder(bench: Bench, config: DiscoveryConfig, state: Mapping[str, torch.Tensor]) -> TaskEncoder:
    """The encoder of a finished discovery, to be trained on.

    Raises `SettingError` where the weights are not those of such an encoder.
    """
    encoder = build_encoder(bench, config)
    try:
        encoder.load_state_dict(dict(state))
    except RuntimeError as error:
        raise SettingError(
            f"the saved encoder is not one of dim {config.dim}, n_tasks {config.n_tasks}, task_values "
            f"{config.task_values} and encoder_width {config.encoder_width} for these images; give the settings that "
            "the tasks were discovered with"
        ) from error
    return encoder


def build_encoder(bench: Bench, config: DiscoveryConfig) -> TaskEncoder:
    """A fresh encoder in training mode for the bench's images, on its device.

    Raises what `freeze_trunk` raises of a trunk that the settings name.
    """
    trunk: str | FrozenTrunk = name_trunk(bench)
    if config.trunk is not None:
        trunk = freeze_trunk(bench, config.trunk, config.trunk_weights, config.trunk_seed)
    encoder = TaskEncoder(
        bench.pixels.shape[0],
        min(bench.pixels.shape[1:]),
        dim=settled(config.dim),
        n_tasks=config.n_tasks,
        width=config.encoder_width,
        centring=config.centring,
        n_classes=bench.n_classes,
        trunk=trunk,
        head=BINARY if config.task_values == 2 else FAN,
        n_values=config.task_values,
    )
    return encoder.to(bench.device).to(memory_format=torch.channels_last).train()


def average_weights(encoder: TaskEncoder) -> AveragedModel:
    """An average of the encoder's weights over the meta-steps, to be updated after each; `.module` is the encoder.

    Polynomial-decay averaging (Shamir and Zhang, "Stochastic Gradient Descent for Non-smooth
    Optimization", ICML 2013): recent steps weigh more, and it is good whenever the run stops.
    """

    def lean_to_recent(average: torch.Tensor, current: torch.Tensor, n_averaged: torch.Tensor | int) -> torch.Tensor:
        weight = (AVERAGING + 1) / (int(n_averaged) + 1 + AVERAGING)
        return average.lerp(current, min(1.0, weight))

    return AveragedModel(encoder, avg_fn=lean_to_recent)


def copy_state(encoder: TaskEncoder) -> dict[str, torch.Tensor]:
    """Its weights by name, on the CPU."""
    return {name: value.cpu().contiguous() for name, value in encoder.state_dict().items()}


@torch.no_grad()
def score_margins(encoder: TaskEncoder, bench: Bench) -> torch.Tensor:
    """Task margins of a whole dataset, [N, K] or [N, K, V], on the CPU.

    Batch-norm statistics are re-estimated over the data in its own order first, and the projection
    is standardised over all N rows, so that a datapoint's margin does not depend on its neighbours.
    """
    reestimate_batch_norm(encoder.trunk, bench)
    chunks = [encoder.projection(encoder.trunk(part)) for part in encoder.inputs(bench).chunks(SCORING_CHUNK)]
    embeddings = encoder.standardize(torch.cat(chunks), bench.labels)
    return encoder.margins(embeddings).cpu()
