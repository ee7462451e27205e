"""The built-in networks.

They use SiLU, a smooth activation: the finite-difference adjoint of `splitgen.tasks.inner_loop` is
exact in the limit for it, while a ReLU's kinks leave an error (docs/method.md, section 3). SiLU is also
the cheapest smooth activation on a CPU.
"""

from __future__ import annotations

import torch
from torch import nn

MAX_FLAT_SIDE = 32  # pixels a side that networks without convolutions see at most
LARGE_STEM_FROM = 64  # pixels a side: a stem of stride 4 leaves enough of such images
FULL_RESOLUTION_BELOW = 16  # pixels a side: the first layer keeps the resolution of such images


def conv_trunk(in_channels: int, image_size: int, width: int) -> nn.Sequential:
    """Three 3x3 convolutions, batch norm, average pooling: images to [B, 4 * width] features."""
    layers: list[nn.Module] = []
    channels = in_channels
    strides = (1 if image_size < FULL_RESOLUTION_BELOW else 2, 2, 2)
    for multiple, stride in zip((1, 2, 4), strides, strict=True):
        layers += [
            nn.Conv2d(channels, multiple * width, 3, stride=stride, padding=1),
            nn.BatchNorm2d(multiple * width),
            nn.SiLU(),
        ]
        channels = multiple * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mlp_trunk(in_channels: int, image_size: int, width: int) -> nn.Sequential:
    """Two hidden layers on the pixels, averaged down to at most 32 x 32, or on the features of one pixel: images to
    [B, 4 * width] features."""
    side = min(image_size, MAX_FLAT_SIDE)
    layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(side), nn.Flatten()]
    size = in_channels * side * side
    for hidden in (4 * width, 4 * width):
        layers += [nn.Linear(size, hidden), nn.BatchNorm1d(hidden), nn.SiLU()]
        size = hidden
    return nn.Sequential(*layers)


def linear(n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """A linear probe: one layer on the features, or on the pixels, averaged down to at most 32 x 32. Logits
    [B, n_classes]."""
    side = min(image_size, MAX_FLAT_SIDE)
    return nn.Sequential(nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(in_channels * side * side, n_classes))


def conv_net(n_classes: int, in_channels: int, image_size: int, width: int = 16) -> nn.Module:
    """The default target model: `conv_trunk` and one linear layer. Logits [B, n_classes]."""
    return nn.Sequential(conv_trunk(in_channels, image_size, width), nn.Linear(4 * width, n_classes))


def mlp(n_classes: int, in_channels: int, image_size: int, width: int = 256) -> nn.Module:
    """Two hidden layers on the pixels, averaged down to at most 32 x 32. Logits [B, n_classes]."""
    side = min(image_size, MAX_FLAT_SIDE)
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(side),
        nn.Flatten(),
        nn.Linear(in_channels * side * side, width),
        nn.BatchNorm1d(width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.BatchNorm1d(width),
        nn.SiLU(),
        nn.Linear(width, n_classes),
    )


class ResidualBlock(nn.Module):
    """The basic block of He et al., "Deep Residual Learning", CVPR 2016, with SiLU for ReLU."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.activation = nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.activation(self.body(x) + self.shortcut(x))
        return out


def resnet18(n_classes: int, in_channels: int, image_size: int, width: float = 1.0) -> nn.Module:
    """ResNet-18; images of under 64 pixels a side are seen by a 3x3 stem without max pooling. Logits [B, n_classes].

    width scales the channels 64-128-256-512; the paper uses 0.25 for its small runs.
    """
    channels = [max(8, int(64 * width * 2**i)) for i in range(4)]
    is_large = image_size >= LARGE_STEM_FROM
    kernel, stride = (7, 2) if is_large else (3, 1)
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, channels[0], kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels[0]),
        nn.SiLU(),
        *([nn.MaxPool2d(3, stride=2, padding=1)] if is_large else []),
    ]
    previous = channels[0]
    for stage, out in enumerate(channels):
        layers += [ResidualBlock(previous, out, 1 if stage == 0 else 2), ResidualBlock(out, out, 1)]
        previous = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(previous, n_classes))
