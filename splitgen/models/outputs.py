"""What a model gives, read as logits: a tensor, or an object or dict that calls it `logits`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class OutputError(ValueError):
    """A model's output is not one tensor of logits. problem: what it is."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


def find_logits(output: Any) -> torch.Tensor:
    """The logits in what a model gives. Raises `OutputError` where nothing in it is called so."""
    found = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if torch.is_tensor(found):
        return found
    if isinstance(output, Mapping):
        raise OutputError(f"gives a dict of {', '.join(map(str, output)) or 'nothing'}")
    kind = type(output).__name__
    raise OutputError(f"gives {kind} of {len(output)}" if isinstance(output, tuple | list) else f"gives {kind}")


def logits_alone(module: nn.Module) -> nn.Module:
    """The module, made to give its logits alone, in place."""
    module.register_forward_hook(lambda _module, _images, output: find_logits(output))
    return module
