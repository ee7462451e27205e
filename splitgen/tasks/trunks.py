"""What the task encoder looks with: networks from images to features, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from splitgen.errors import TasksFileError
from splitgen.models.networks import conv_trunk, mlp_trunk
from splitgen.models.trunk import FrozenTrunk
from splitgen.models.weights import tell_digest


def frozen_trunk(in_channels: int, image_size: int, width: int) -> nn.Module:
    """Nothing: what it is given are features of the bench's frozen trunk, as channels of one pixel; [B, channels]."""
    return nn.Flatten()


# Called with channels, pixels a side and width; gives features [B, 4 * width], a frozen one as many as there are
# channels.
Trunk = Callable[[int, int, int], nn.Module]
TRUNKS: dict[str, Trunk] = {
    "conv": conv_trunk,
    "mlp": mlp_trunk,  # of features, which are one pixel
    "frozen": frozen_trunk,
}


def check_same_trunk(metadata: Mapping[str, Any], path: str, trunk: FrozenTrunk | None) -> None:
    """Raise `TasksFileError` where the encoder of saved tasks looked through another trunk. metadata: of the tasks."""
    config = metadata.get("config")
    discovery = config.get("discovery") if isinstance(config, Mapping) else None
    recorded = discovery if isinstance(discovery, Mapping) else {}
    for name, value in ({"trunk": None} if trunk is None else trunk.settings).items():
        own = tell_digest(value) if name == "trunk_weights" and value is not None else value
        if recorded.get(name) != own:
            problem = f"its tasks were found with {name} {recorded.get(name)}, and this run has {own}"
            raise TasksFileError(path, problem, "leave the trunk to what is recorded, or discover the tasks again")
