"""Images as statistics read them: brightness, ink, gradient and chroma of each pixel, each made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch.nn import functional

EPSILON = 1e-6
INK_LEVEL = 0.1  # difference from the background, of the whole range, that counts as ink


@dataclass(frozen=True)
class Canvas:
    """Images as the statistics read them.

    pixels: float32 [n, channels, height, width], 0..1; three channels are red, green and blue, of any other number of
    channels the mean is the brightness.
    """

    pixels: torch.Tensor

    @cached_property
    def luma(self) -> torch.Tensor:
        """Brightness of each pixel [n, height, width], Rec. 601 weights."""
        if self.pixels.shape[1] == 1:
            return self.pixels[:, 0]
        if self.pixels.shape[1] != 3:
            return self.pixels.mean(dim=1)
        return (self.pixels * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1)

    @cached_property
    def background(self) -> torch.Tensor:
        """The median brightness of the border [n]."""
        luma = self.luma
        border = [luma[:, 0], luma[:, -1], luma[:, 1:-1, 0], luma[:, 1:-1, -1]]
        return torch.cat(border, dim=1).median(dim=1).values

    @cached_property
    def ink(self) -> torch.Tensor:
        """How far each pixel lies from the background [n, height, width]; 0 where that is under `INK_LEVEL`."""
        distance = (self.luma - self.background[:, None, None]).abs()
        return torch.where(distance > INK_LEVEL, distance, 0.0)

    @cached_property
    def ink_moments(self) -> dict[str, torch.Tensor]:
        """Centre (x, y) and second moments (xx, yy, xy) of the ink, [n] each; x to the right, y down, -1..1."""
        height, width = self.ink.shape[1:]
        x = torch.linspace(-1, 1, width).view(1, 1, width)
        y = torch.linspace(-1, 1, height).view(1, height, 1)
        weights = self.ink / self.ink.sum(dim=(1, 2), keepdim=True).clamp_min(EPSILON)
        centre_x, centre_y = (weights * x).sum(dim=(1, 2)), (weights * y).sum(dim=(1, 2))
        from_x, from_y = x - centre_x[:, None, None], y - centre_y[:, None, None]
        return {
            "x": centre_x,
            "y": centre_y,
            "xx": (weights * from_x**2).sum(dim=(1, 2)),
            "yy": (weights * from_y**2).sum(dim=(1, 2)),
            "xy": (weights * from_x * from_y).sum(dim=(1, 2)),
        }

    @cached_property
    def gradient(self) -> torch.Tensor:
        """Size of the Sobel gradient at each inner pixel [n, height - 2, width - 2]."""
        kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
        both = functional.conv2d(self.luma[:, None], torch.stack([kernel, kernel.T])[:, None])
        return both.square().sum(dim=1).sqrt()

    @cached_property
    def chroma(self) -> torch.Tensor:
        """Largest minus smallest channel of each pixel [n, height, width]."""
        return self.pixels.amax(dim=1) - self.pixels.amin(dim=1)

    @cached_property
    def saturation(self) -> torch.Tensor:
        """Chroma in proportion to the largest channel [n, height, width]; 0 where that is under `INK_LEVEL`."""
        peak = self.pixels.amax(dim=1)
        return self.chroma / peak.clamp_min(EPSILON) * (peak > INK_LEVEL)
