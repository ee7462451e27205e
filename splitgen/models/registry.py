"""Model names: built-ins, `torchvision:NAME`, and the user's own `package.module:callable`."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from splitgen.data.images import UnitStatistics
from splitgen.errors import ModelError
from splitgen.models import libraries, networks, transformer
from splitgen.models.outputs import logits_alone
from splitgen.models.preparation import Renormalize, Resize, ToThreeChannels, Wants
from splitgen.models.weights import BeforeHead, HeadOnly, Weights, find_head, read_weights, start_from
from splitgen.plugins import MODELS, PluginError, import_named, list_plugins, load_plugin, tell_raised
from splitgen.random import seed_global

BUILT_IN: dict[str, Callable[..., nn.Module]] = {
    "conv": networks.conv_net,
    "mlp": networks.mlp,
    "linear": networks.linear,
    "resnet18": networks.resnet18,
    "resnet18-small": functools.partial(networks.resnet18, width=0.25),
    "resnet50": libraries.resnet50,
    "vit": transformer.vit,
    "vit-small": transformer.vit_small,
}
WIDTHS = re.compile(r"resnet18x(\d*\.?\d+)")  # resnet18 of any width: resnet18x0.5

USERS = "package.module:callable"
LIBRARIES = {each.kind: each for each in libraries.ALL}
IN_USE = "_splitgen_in_use"  # marks the weights of a network that was built


@dataclass(frozen=True)
class ModelFactory:
    """A model that can be built afresh, as often as needed.

    name: what the user gave.
    build: called with n_classes, in_channels and image_size; returns a module that takes images
        [B, in_channels, height, width] and gives logits [B, n_classes], or something that calls them `logits`.
    wants: the images that a library's model was made for: three channels, and this size where it takes no other.
    weights: what all of it but its head starts from; None: a random initialisation.
    trains_head_alone: the rest stays as it starts.
    ends_before_head: its networks are not trained, and give what the head would be given, [B, F], in place of logits.
    """

    name: str
    build: Callable[[int, int, int], nn.Module]
    wants: Wants | None = None
    weights: Weights | None = None
    trains_head_alone: bool = False
    ends_before_head: bool = False

    @property
    def title(self) -> str:
        """For people: its name, and what it starts from, by the beginning of the file's digest."""
        start = "" if self.weights is None else f" from weights {self.weights.sha256[:8]}"
        return f"{self.name}{start}{', head alone' if self.trains_head_alone else ''}"


def find_model(name: str) -> ModelFactory:
    """The factory of a model name that a user named: a built-in, an entry point of the group `splitgen.models`,
    `torchvision:NAME` or `package.module:callable`.

    A user's callable is imported, and so executed: only ever because the user named it. For a name that was read from a
    file, call `choose_model`. Raises `ModelError` for a name that is not known or cannot be imported.
    """
    if is_users_code(name):
        return ModelFactory(name, functools.partial(build_others, name, import_callable(name)))
    if name in BUILT_IN:
        return ModelFactory(name, BUILT_IN[name])
    try:
        plugin = load_plugin(MODELS, name)
    except PluginError as error:
        raise ModelError(name, error.problem, error.remedy) from error
    if plugin is not None:
        return ModelFactory(name, functools.partial(build_others, name, plugin))
    if (width := WIDTHS.fullmatch(name)) and float(width[1]) > 0:
        return ModelFactory(name, functools.partial(networks.resnet18, width=float(width[1])))
    kind, _, rest = name.partition(":")
    if kind in LIBRARIES and rest:
        library = LIBRARIES[kind]
        return ModelFactory(name, functools.partial(library.build, rest), library.look_up(rest))
    allowed = ", ".join([*BUILT_IN, *(each for each in list_plugins(MODELS) if each not in BUILT_IN)])
    places = ", ".join(f"{kind}:NAME" for kind in LIBRARIES)
    raise ModelError(name, "unknown", f"use one of {allowed}, resnet18x0.5 (of any width), {places} or {USERS}")


def start_model(
    model: ModelFactory, weights: str | None, freeze: bool = False, option: str = "--weights"
) -> ModelFactory:
    """The model, starting from a file of weights where there is one. freeze: its head alone is trained.

    weights, option: as `read_weights` takes them. Raises `WeightsError`.
    """
    if weights is None:
        return model
    return replace(model, weights=read_weights(weights, option), trains_head_alone=freeze)


def start_recorded(name: str, recorded: Mapping[str, Any]) -> ModelFactory:
    """A model that a user named; from weights, where it is the one that settings record, and with them."""
    model, weights = find_model(name), recorded.get("weights")
    return start_model(model, weights, recorded.get("freeze", False)) if name == recorded.get("model") else model


def choose_model(name: str, *, is_named: bool, option: str = "--model") -> ModelFactory:
    """`find_model`, of a name that a user named or that a file recorded; code is imported for the former alone.

    Raises `ModelError` for the name of a user's callable that stands in a file only.
    """
    if not is_named and is_users_code(name):
        raise ModelError(
            name,
            "stands in the file as the model that it was made with, and is code, which is not run unless you name it",
            f"give {option} {name} if you trust it, or another model",
        )
    return find_model(name)


def is_users_code(name: str) -> bool:
    """Whether a name is that of a callable to be imported."""
    kind, _, rest = name.partition(":")
    return name not in BUILT_IN and kind not in LIBRARIES and bool(rest)


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


def build_others(
    name: str, factory: Callable[..., Any], n_classes: int, in_channels: int, image_size: int
) -> nn.Module:
    """Call a user's or an entry point's factory: with n_classes and in_channels, and image_size where it takes it."""
    given = {"n_classes": n_classes, "in_channels": in_channels}
    try:
        takes_size = "image_size" in inspect.signature(factory).parameters
    except (TypeError, ValueError):  # no function, or one that does not tell; the call will
        takes_size = False
    return call_factory(name, factory, given | ({"image_size": image_size} if takes_size else {}))


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
    model: ModelFactory,
    n_classes: int,
    shape: tuple[int, int, int],
    seed: int,
    device: str | torch.device = "cpu",
    normalized_by: UnitStatistics | None = None,
) -> nn.Module:
    """A fresh network for images of a shape (channels, height, width), on the device; it gives logits alone.

    It starts from the model's weights, where it has any, and a random head, else from a random initialisation.
    normalized_by: how the images that it is given were normalised, for weights that expect it otherwise.
    Raises `ModelError` where any of its weights belong to a network that was built before: what that one was trained
    on would leak into this one, test rows included. Raises `WeightsError` where the weights are not the model's.
    """
    sizes = (n_classes, shape[0], min(shape[1:]))
    with seed_global(seed):
        module = model.build(*sizes)
        if any(isinstance(p, UninitializedParameter) for p in module.parameters()):
            try_images(model, module, torch.zeros(2, *shape))  # lazy layers take their sizes from a first pass
    tensors = list_tensors(module)
    if any(getattr(tensor, IN_USE, None) == id(tensor) for tensor in tensors):
        raise shared_error(model)
    for tensor in tensors:
        setattr(tensor, IN_USE, id(tensor))  # a copy, which takes the mark along, is another tensor
    if model.name not in BUILT_IN:
        module = logits_alone(module)
    if model.weights is not None or model.ends_before_head:
        module = start_module(model, module, sizes)
    return prepare(model, module, shape, normalized_by).to(device).to(memory_format=torch.channels_last)


def start_module(model: ModelFactory, module: nn.Module, sizes: tuple[int, int, int]) -> nn.Module:
    """The module with the model's weights outside of its head, where there are some; or what ends before its head.
    sizes: that it was built with."""
    head = find_head(model.name, model.build, *sizes)
    if model.weights is not None:
        start_from(model.name, module, head, model.weights)
    if model.ends_before_head:
        return BeforeHead(model.name, module, head)
    return HeadOnly(module, head) if model.trains_head_alone else module


def prepare(
    model: ModelFactory, module: nn.Module, shape: tuple[int, int, int], normalized_by: UnitStatistics | None
) -> nn.Module:
    """The module of a library behind what makes its images of those of the bench: channels, and what it takes of sizes.
    One with weights sees them at the size and with the normalisation that these were made for."""
    if model.wants is None:
        return module
    before: list[nn.Module] = [] if shape[0] == 3 else [ToThreeChannels()]
    if model.weights is not None and normalized_by is not None:
        before.append(Renormalize(normalized_by, model.wants))
    size = model.wants.image_size
    if shape[1:] != (size, size) and (model.weights is not None or needs_size(model, module, shape[1:])):
        before.append(Resize(size))
    return nn.Sequential(*before, module) if before else module


SIZES_TAKEN: dict[tuple[str, tuple[int, ...]], bool] = {}  # found by one pass for each model and size


def needs_size(model: ModelFactory, module: nn.Module, size: tuple[int, ...]) -> bool:
    """Whether a library's model takes no images of this height and width, but of the size that it wants."""
    if (model.name, size) not in SIZES_TAKEN:
        was_training = module.training
        try:
            try_images(model, module.eval(), torch.zeros(1, 3, *size))
            SIZES_TAKEN[model.name, size] = True
        except ModelError:
            SIZES_TAKEN[model.name, size] = False
        module.train(was_training)
    return not SIZES_TAKEN[model.name, size]


@torch.no_grad()
def try_images(model: ModelFactory, module: nn.Module, images: torch.Tensor) -> Any:
    """What a module gives for images [B, channels, height, width]. Raises `ModelError` where it fails on them."""
    try:
        return module(images)
    except ModelError:  # which tells already what is wrong
        raise
    except (Exception, SystemExit) as error:
        raise failed_error(model, images, tell_raised(error)) from error


def failed_error(model: ModelFactory, images: torch.Tensor, raised: str) -> ModelError:
    size = "x".join(str(n) for n in images.shape[1:])
    return ModelError(model.name, f"fails on images of {size}: {raised}", "use another model or size")


def list_tensors(module: nn.Module) -> list[torch.Tensor]:
    """All that training changes, or could change: parameters and buffers."""
    return [*module.parameters(), *module.buffers()]


def shared_error(model: ModelFactory) -> ModelError:
    return ModelError(model.name, "gives networks that share weights", "build a new module, with its own, at each call")
