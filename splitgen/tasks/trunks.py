"""What the task encoder looks with: networks from images to features, by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from splitgen.models.networks import conv_trunk, mlp_trunk

# Called with channels, pixels a side and width; gives features [B, 4 * width].
Trunk = Callable[[int, int, int], nn.Module]
TRUNKS: dict[str, Trunk] = {"conv": conv_trunk, "mlp": mlp_trunk}  # the latter of features, which are one pixel
