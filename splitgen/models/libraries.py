"""Models of libraries, `KIND:NAME`, built without weights: nothing is ever downloaded."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn

from splitgen.errors import ModelError
from splitgen.models.networks import LARGE_STEM_FROM
from splitgen.models.preparation import Wants
from splitgen.plugins import tell_raised

USUAL_SIZE = 224


@dataclass(frozen=True)
class Library:
    """kind: before the colon. look_up: what images the model of a name wants; raises `ModelError` for a name that is no
    classifier of the library's. build: called with name, n_classes, in_channels and image_size; gives a module for
    images of three channels."""

    kind: str
    look_up: Callable[[str], Wants]
    build: Callable[[str, int, int, int], nn.Module]


def load_torchvision() -> ModuleType:
    return importlib.import_module("torchvision.models")


def look_up_torchvision(name: str) -> Wants:
    models = load_torchvision()
    if name not in models.list_models(module=models):  # those for other purposes would fetch the weights of a backbone
        raise ModelError(f"torchvision:{name}", "is no classifier", "see torchvision.models.list_models(module=models)")
    made_for = models.get_model_weights(name).DEFAULT.transforms()
    (size,) = made_for.crop_size
    return Wants(size, tuple(made_for.mean), tuple(made_for.std))


def build_torchvision(name: str, n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """A torchvision classifier without weights and without auxiliary heads."""
    del image_size
    models = load_torchvision()
    check_channels(f"torchvision:{name}", in_channels)
    given: dict[str, Any] = {"num_classes": n_classes}
    if name in ("googlenet", "inception_v3"):
        given |= {"aux_logits": False, "init_weights": True}
    return call_library(f"torchvision:{name}", lambda: models.get_model(name, weights=None, **given))


def resnet50(n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """torchvision's ResNet-50 without weights, for images of any channels. Logits [B, n_classes].

    Images of under 64 pixels a side are seen by a 3x3 stem without max pooling, as in `networks.resnet18`.
    """
    network: nn.Module = load_torchvision().resnet50(weights=None, num_classes=n_classes)
    is_small = image_size < LARGE_STEM_FROM
    kernel, stride = (3, 1) if is_small else (7, 2)
    network.conv1 = nn.Conv2d(in_channels, 64, kernel, stride=stride, padding=kernel // 2, bias=False)
    if is_small:
        network.maxpool = nn.Identity()
    return network


def load_timm(name: str) -> ModuleType:
    if importlib.util.find_spec("timm") is None:
        raise ModelError(f"timm:{name}", "timm is not installed", "pip install 'splitgen[timm]'")
    return importlib.import_module("timm")


def look_up_timm(name: str) -> Wants:
    timm = load_timm(name)
    if not timm.is_model(name):
        raise ModelError(f"timm:{name}", "is no model of timm's", "see timm.list_models()")
    wanted = timm.get_pretrained_cfg(name)
    return Wants(USUAL_SIZE) if wanted is None else Wants(wanted.input_size[-1], wanted.mean, wanted.std)


def build_timm(name: str, n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """A timm model without weights."""
    del image_size
    timm = load_timm(name)
    check_channels(f"timm:{name}", in_channels)
    return call_library(f"timm:{name}", lambda: timm.create_model(name, pretrained=False, num_classes=n_classes))


def call_library(name: str, build: Callable[[], nn.Module]) -> nn.Module:
    """The module that a library builds. Raises `ModelError` for whatever it raises."""
    try:
        return build()
    except Exception as error:
        raise ModelError(name, f"cannot be built ({tell_raised(error)})", "use another model") from error


def check_channels(name: str, in_channels: int) -> None:
    if in_channels not in (1, 3, 4):
        problem = f"takes images of 1, 3 or 4 channels, these have {in_channels}"
        raise ModelError(name, problem, "use a built-in model, or one of your own")


TORCHVISION = Library("torchvision", look_up_torchvision, build_torchvision)
TIMM = Library("timm", look_up_timm, build_timm)
ALL = (TORCHVISION, TIMM)
