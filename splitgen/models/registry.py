"""Model names: built-ins, `torchvision:NAME`, and the user's own `package.module:callable`."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from splitgen.errors import ModelError
from splitgen.models import networks
from splitgen.random import seed_global

BUILT_IN: dict[str, Callable[..., nn.Module]] = {
    "conv": networks.conv_net,
    "mlp": networks.mlp,
    "resnet18": networks.resnet18,
    "resnet18-small": functools.partial(networks.resnet18, width=0.25),
}


@dataclass(frozen=True)
class ModelFactory:
    """A model that can be built afresh, as often as needed.

    name: what the user gave.
    build: called with n_classes, in_channels and image_size; returns a module that takes images
        [B, in_channels, height, width] and gives logits [B, n_classes].
    """

    name: str
    build: Callable[[int, int, int], nn.Module]


def find_model(name: str) -> ModelFactory:
    """The factory of a model name.

    A user's callable is imported, and so executed: only ever because the user named it.
    Raises `ModelError` for a name that is not known or cannot be imported.
    """
    if name in BUILT_IN:
        built_in = BUILT_IN[name]
        return ModelFactory(name, built_in)
    kind, _, rest = name.partition(":")
    if kind == "torchvision" and rest:
        return ModelFactory(name, functools.partial(build_torchvision, rest))
    if rest:
        return ModelFactory(name, functools.partial(build_users, name, import_callable(name)))
    allowed = ", ".join(BUILT_IN)
    raise ModelError(name, "unknown", f"use one of {allowed}, torchvision:NAME or package.module:callable")


def build_torchvision(name: str, n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """A torchvision classifier without weights; grey images are repeated to three channels."""
    import torchvision

    try:
        module: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=n_classes)
    except (ValueError, TypeError) as error:
        raise ModelError(f"torchvision:{name}", str(error), "see torchvision.models.list_models()") from error
    return module if in_channels == 3 else nn.Sequential(ToThreeChannels(), module)


class ToThreeChannels(nn.Module):
    """Grey images [B, 1, H, W] as [B, 3, H, W]; a fourth channel (alpha) is left out."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]


def import_callable(name: str) -> Callable[..., nn.Module]:
    """The object that `package.module:callable` names; the working folder counts as a place of modules."""
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(name, f"cannot be imported ({error})", "give package.module:callable") from error
    if not callable(found):
        raise ModelError(name, "is not callable", "name a function or class that returns a torch module")
    users: Callable[..., nn.Module] = found
    return users


def build_users(
    name: str, users: Callable[..., nn.Module], n_classes: int, in_channels: int, image_size: int
) -> nn.Module:
    """Call the user's factory with n_classes and in_channels."""
    del image_size  # not part of the user's interface
    try:
        module = users(n_classes=n_classes, in_channels=in_channels)
    except TypeError as error:
        raise ModelError(name, str(error), "it is called with n_classes and in_channels") from error
    if not isinstance(module, nn.Module):
        raise ModelError(name, f"returned {type(module).__name__}", "return a torch.nn.Module")
    return module


def build_network(model: ModelFactory, n_classes: int, images: torch.Tensor, seed: int) -> nn.Module:
    """A freshly initialised network for images [N, channels, height, width], on their device."""
    with seed_global(seed):
        module = model.build(n_classes, int(images.shape[1]), int(min(images.shape[2:])))
        if any(isinstance(p, UninitializedParameter) for p in module.parameters()):
            with torch.no_grad():  # lazy layers take their sizes from a first pass
                module(torch.zeros(2, *images.shape[1:]))
    return module.to(images.device).to(memory_format=torch.channels_last)


def check_model(model: ModelFactory, n_classes: int, images: torch.Tensor) -> None:
    """Build the model once and run two images through it; `ModelError` if the logits are not [B, n_classes]."""
    module = build_network(model, n_classes, images, seed=0).eval()
    try:
        with torch.no_grad():
            logits = module(images[:2])
    except (RuntimeError, TypeError, ValueError) as error:
        first_line = str(error).splitlines()[0]
        size = "x".join(str(n) for n in images.shape[1:])
        raise ModelError(model.name, f"fails on images of {size}: {first_line}", "use another model or size") from error
    if tuple(logits.shape) != (min(2, len(images)), n_classes):
        raise ModelError(model.name, f"gives logits of shape {tuple(logits.shape)}", f"return [batch, {n_classes}]")
