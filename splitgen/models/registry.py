"""Model names: built-ins, `torchvision:NAME`, and the user's own `package.module:callable`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from splitgen.errors import ModelError
from splitgen.models import networks
from splitgen.plugins import MODELS, PluginError, import_named, list_plugins, load_plugin, tell_raised
from splitgen.random import seed_global

BUILT_IN: dict[str, Callable[..., nn.Module]] = {
    "conv": networks.conv_net,
    "mlp": networks.mlp,
    "linear": networks.linear,
    "resnet18": networks.resnet18,
    "resnet18-small": functools.partial(networks.resnet18, width=0.25),
}

IN_USE = "_splitgen_in_use"  # marks the weights of a network that was built


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
    """The factory of a model name that a user named: a built-in, an entry point of the group `splitgen.models`,
    `torchvision:NAME` or `package.module:callable`.

    A user's callable is imported, and so executed: only ever because the user named it. For a name that was read from a
    file, call `choose_model`. Raises `ModelError` for a name that is not known or cannot be imported.
    """
    if is_users_code(name):
        return ModelFactory(name, functools.partial(build_users, name, import_callable(name)))
    if name in BUILT_IN:
        return ModelFactory(name, BUILT_IN[name])
    try:
        plugin = load_plugin(MODELS, name)
    except PluginError as error:
        raise ModelError(name, error.problem, error.remedy) from error
    if plugin is not None:
        return ModelFactory(name, functools.partial(build_plugin, name, plugin))
    kind, _, rest = name.partition(":")
    if kind == "torchvision" and rest:
        return ModelFactory(name, functools.partial(build_torchvision, rest))
    allowed = ", ".join([*BUILT_IN, *(each for each in list_plugins(MODELS) if each not in BUILT_IN)])
    raise ModelError(name, "unknown", f"use one of {allowed}, torchvision:NAME or package.module:callable")


def choose_model(name: str, *, is_named: bool) -> ModelFactory:
    """`find_model`, of a name that a user named or that a file recorded; code is imported for the former alone.

    Raises `ModelError` for the name of a user's callable that stands in a file only.
    """
    if not is_named and is_users_code(name):
        raise ModelError(
            name,
            "stands in the file as the model that it was made with, and is code, which is not run unless you name it",
            f"give --model {name} if you trust it, or another model",
        )
    return find_model(name)


def is_users_code(name: str) -> bool:
    """Whether a name is that of a callable to be imported."""
    kind, _, rest = name.partition(":")
    return name not in BUILT_IN and kind != "torchvision" and bool(rest)


def build_torchvision(name: str, n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """A torchvision classifier without weights; grey images are repeated to three channels."""
    from torchvision import models

    if name not in models.list_models(module=models):  # those for other purposes would fetch the weights of a backbone
        raise ModelError(f"torchvision:{name}", "is no classifier", "see torchvision.models.list_models(module=models)")
    if in_channels not in (1, 3, 4):
        problem = f"takes images of 1, 3 or 4 channels, these have {in_channels}"
        raise ModelError(f"torchvision:{name}", problem, f"use one of {', '.join(BUILT_IN)}")
    try:
        module: nn.Module = models.get_model(name, weights=None, num_classes=n_classes)
    except (ValueError, TypeError) as error:
        raise ModelError(f"torchvision:{name}", str(error), "see torchvision.models.list_models()") from error
    return module if in_channels == 3 else nn.Sequential(ToThreeChannels(), module)


class ToThreeChannels(nn.Module):
    """Grey images [B, 1, H, W] as [B, 3, H, W]; a fourth channel (alpha) is left out."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images[:, :3]


def import_callable(name: str) -> Callable[..., nn.Module]:
    """The object that `package.module:callable` names; the working folder counts as a place of modules."""
    try:
        found: Any = import_named(name)
    except PluginError as error:
        raise ModelError(name, error.problem, error.remedy) from error
    if not callable(found):
        raise ModelError(name, "is not callable", "name a function or class that returns a torch module")
    users: Callable[..., nn.Module] = found
    return users


def build_users(
    name: str, users: Callable[..., nn.Module], n_classes: int, in_channels: int, image_size: int
) -> nn.Module:
    """Call the user's factory with n_classes and in_channels."""
    del image_size  # not part of the user's interface
    return call_factory(name, users, {"n_classes": n_classes, "in_channels": in_channels})


def build_plugin(name: str, plugin: Any, n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """Call the factory of an entry point with n_classes and in_channels, and with image_size where it takes it."""
    given = {"n_classes": n_classes, "in_channels": in_channels}
    try:
        takes_size = "image_size" in inspect.signature(plugin).parameters
    except (TypeError, ValueError):  # no function, or one that does not tell; the call will
        takes_size = False
    return call_factory(name, plugin, given | ({"image_size": image_size} if takes_size else {}))


def call_factory(name: str, factory: Callable[..., nn.Module], given: dict[str, int]) -> nn.Module:
    """The module that code of others makes. Raises `ModelError` for whatever else it does."""
    try:
        module = factory(**given)
    except (Exception, SystemExit) as error:
        raise ModelError(name, tell_raised(error), f"it is called with {' and '.join(given)}") from error
    if not isinstance(module, nn.Module):
        raise ModelError(name, f"returned {type(module).__name__}", "return a torch.nn.Module")
    return module


def build_network(
    model: ModelFactory, n_classes: int, shape: tuple[int, int, int], seed: int, device: str | torch.device = "cpu"
) -> nn.Module:
    """A freshly initialised network for images of a shape (channels, height, width), on the device.

    Raises `ModelError` where any of its weights belong to a network that was built before: what that one was trained
    on would leak into this one, test rows included.
    """
    with seed_global(seed):
        module = model.build(n_classes, shape[0], min(shape[1:]))
        if any(isinstance(p, UninitializedParameter) for p in module.parameters()):
            try_images(model, module, torch.zeros(2, *shape))  # lazy layers take their sizes from a first pass
    tensors = list_tensors(module)
    if any(getattr(tensor, IN_USE, None) == id(tensor) for tensor in tensors):
        raise shared_error(model)
    for tensor in tensors:
        setattr(tensor, IN_USE, id(tensor))  # a copy, which takes the mark along, is another tensor
    return module.to(device).to(memory_format=torch.channels_last)


@torch.no_grad()
def try_images(model: ModelFactory, module: nn.Module, images: torch.Tensor) -> Any:
    """What a module gives for images [B, channels, height, width]. Raises `ModelError` where it fails on them."""
    try:
        return module(images)
    except (Exception, SystemExit) as error:
        size = "x".join(str(n) for n in images.shape[1:])
        problem = f"fails on images of {size}: {tell_raised(error)}"
        raise ModelError(model.name, problem, "use another model or size") from error


def list_tensors(module: nn.Module) -> list[torch.Tensor]:
    """All that training changes, or could change: parameters and buffers."""
    return [*module.parameters(), *module.buffers()]


def shared_error(model: ModelFactory) -> ModelError:
    return ModelError(model.name, "gives networks that share weights", "build a new module, with its own, at each call")


def check_model(model: ModelFactory, n_classes: int, images: torch.Tensor) -> None:
    """Build the model twice and run two images [2, channels, height, width] through it.

    Raises `ModelError` if the two share weights, there is nothing to train, the rows are features and the model is a
    convolutional one, or the logits are not finite numbers [B, n_classes].
    """
    channels, height, width = images.shape[1:]
    built = [build_network(model, n_classes, (channels, height, width), seed, images.device) for seed in range(2)]
    first, second = ({tensor.untyped_storage().data_ptr() for tensor in list_tensors(each)} for each in built)
    if first & second - {0}:  # 0: without a value
        raise shared_error(model)
    module = built[0].eval()
    if height == width == 1 and any(is_spatial(layer) for layer in module.modules()):
        problem = f"looks for patterns in images, and the rows are vectors of {channels} features"
        raise ModelError(model.name, problem, "use --model linear or --model mlp")
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise ModelError(model.name, "has no weights to train", "use a model with parameters that require a gradient")
    logits = try_images(model, module, images[:2])
    if not torch.is_tensor(logits) or tuple(logits.shape) != (min(2, len(images)), n_classes):
        shape = f"logits of shape {tuple(logits.shape)}" if torch.is_tensor(logits) else type(logits).__name__
        raise ModelError(model.name, f"gives {shape}", f"return [batch, {n_classes}]")
    if not bool(torch.isfinite(logits).all()):
        raise ModelError(model.name, "gives NaN or infinite logits before it is trained", "repair its initialisation")


def is_spatial(layer: nn.Module) -> bool:
    """Whether a layer looks at pixels beside each other."""
    return isinstance(layer, nn.modules.conv._ConvNd) and max(layer.kernel_size) > 1
