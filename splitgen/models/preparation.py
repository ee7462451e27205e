"""What lies between the bench's images and a model that wants them otherwise: channels, size and normalisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from splitgen.data.images import UnitStatistics


@dataclass(frozen=True)
class Wants:
    """The images that a library's model was made for.

    image_size: pixels a side. mean, std: of its normalisation, a value a channel, of pixels from 0 to 1; its weights
    expect them, a network that begins without weights does not.
    """

    image_size: int
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)


class ToThreeChannels(nn.Module):
    """Grey images [B, 1, H, W] as [B, 3, H, W]; a fourth channel (alpha) is left out."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]


class Renormalize(nn.Module):
    """Images [B, C, H, W] that were normalised by a mean and a standard deviation, normalised by others."""

    factor: torch.Tensor
    shift: torch.Tensor

    def __init__(self, before: UnitStatistics, wants: Wants) -> None:
        super().__init__()
        mean, std = (torch.tensor(values)[:, None, None] for values in (wants.mean, wants.std))
        own_mean, own_std = (values[: len(mean), None, None] for values in (before.mean, before.std))  # without alpha
        self.register_buffer("factor", own_std / std, persistent=False)
        self.register_buffer("shift", (own_mean - mean) / std, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * self.factor + self.shift


class Resize(nn.Module):
    """Images [B, C, H, W] at another size, by bilinear interpolation with antialiasing."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        size = (self.image_size, self.image_size)
        return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


PREPARATIONS = (ToThreeChannels, Renormalize, Resize)
