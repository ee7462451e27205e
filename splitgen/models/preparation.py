"""What lies between the bench's images and a model that wants them otherwise: channels and size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Wants:
    """The images that a library's model was made for.

    image_size: pixels a side.
    """

    image_size: int


class ToThreeChannels(nn.Module):
    """Grey images [B, 1, H, W] as [B, 3, H, W]; a fourth channel (alpha) is left out."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]


class Resize(nn.Module):
    """Images [B, C, H, W] at another size, by bilinear interpolation with antialiasing."""

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        size = (self.image_size, self.image_size)
        return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)
