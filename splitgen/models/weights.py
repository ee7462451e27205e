"""Weights that a model starts from, in all of it but its head; and models whose head alone is trained."""

from __future__ import annotations

import functools
import hashlib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn.parameter import is_lazy

from splitgen.archives import ArchiveError, check_packed
from splitgen.errors import ModelError, WeightsError
from splitgen.random import seed_global

DIGEST = "@sha256:"  # between a file's path and what its bytes must hash to: FILE@sha256:0123...
HOLDERS = ("state_dict", "model_state_dict", "model")  # of the tensors, in the checkpoints of training programs
COUNTER = "num_batches_tracked"  # of batch norms; older files have none
ZIP_OR_PICKLE = (b"PK", b"\x80")  # what torch's own files begin with
SAVE_TENSORS = "give a state dict, saved as safetensors or by torch.save"

Build = Callable[[int, int, int], nn.Module]


@dataclass(frozen=True)
class Weights:
    """Tensors by name, of a file. name: its path, as given. sha256: of its bytes, in hexadecimal digits."""

    name: str
    sha256: str
    tensors: Mapping[str, torch.Tensor]

    @property
    def reference(self) -> str:
        """Path and digest, which `read_weights` takes again."""
        return f"{self.name}{DIGEST}{self.sha256}"


def tell_digest(reference: str) -> str:
    """A reference without the path: what a file tells of the weights, wherever they lie."""
    return DIGEST + reference.rpartition(DIGEST)[2]


def read_weights(given: str, option: str = "--weights") -> Weights:
    """The tensors of a safetensors file, or of one of torch's that holds nothing else; no code of it is run.

    given: a path, and after `DIGEST` what the file's SHA-256 must be, if it must. option: by which a user names it.
    Raises `WeightsError`.
    """
    name, _, wanted = given.partition(DIGEST)
    if not name:
        raise WeightsError(
            f"of SHA-256 {wanted}", "only this is recorded of it, and not where it lies", f"give {option}"
        )
    path = Path(name)
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(name, f"it cannot be read ({error.strerror})", "give a file of weights") from error
    if wanted and sha256 != wanted:
        problem = f"its SHA-256 is {sha256}, and not {wanted} as recorded"
        raise WeightsError(name, problem, f"it is another file: bring back the first, or name this one by {option}")
    tensors = {str(key): value for key, value in read_tensors(path).items() if torch.is_tensor(value)}
    if not tensors:
        raise WeightsError(name, "it holds no tensors by name", SAVE_TENSORS)
    for key, tensor in tensors.items():
        if not is_plain(tensor):
            raise WeightsError(name, f"its tensor {key} is sparse, quantised or repeats itself", SAVE_TENSORS)
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(name, f"its tensor {key} has values that are NaN or infinite", "give sound weights")
    return Weights(name, sha256, tensors)


def is_plain(tensor: torch.Tensor) -> bool:
    """Whether every value has its own place in memory: a tensor that repeats itself can be far larger than its file."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        return False
    return tensor.numel() * tensor.itemsize <= tensor.untyped_storage().nbytes()


def read_tensors(path: Path) -> Mapping[Any, Any]:
    """What a file maps names to. Raises `WeightsError`."""
    with path.open("rb") as file:
        start = file.read(2)
    if not start.startswith(ZIP_OR_PICKLE):
        try:
            return load_file(path)
        except (SafetensorError, ValueError, OSError) as error:
            raise WeightsError(str(path), f"it is no file of weights ({error})", SAVE_TENSORS) from error
    try:
        check_packed(path)
        held = torch.load(path, map_location="cpu", weights_only=True)
    except ArchiveError as error:
        raise WeightsError(str(path), error.problem, error.remedy) from error
    except Exception as error:  # a damaged file raises whatever its damage leads to
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        problem = "it is damaged" if start == b"PK" and not zipfile.is_zipfile(path) else f"it holds more ({first})"
        raise WeightsError(str(path), f"it cannot be read as tensors alone: {problem}", SAVE_TENSORS) from error
    for holder in HOLDERS:
        if isinstance(held, Mapping) and isinstance(held.get(holder), Mapping):
            held = held[holder]
    return held if isinstance(held, Mapping) else {}


@functools.lru_cache(maxsize=64)
def find_head(model: str, build: Build, n_classes: int, in_channels: int, image_size: int) -> frozenset[str]:
    """Names of the layers that depend on the number of classes: the head, of which every network has a fresh one.

    Raises `ModelError` for a model whose sizes are not known before it sees images.
    """
    with seed_global(0):
        states = [build(n, in_channels, image_size).state_dict() for n in (n_classes, n_classes + 1)]
    if any(is_lazy(value) for value in states[0].values()):
        raise ModelError(model, "has lazy layers, which are given their sizes by images", "use layers with sizes")
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    differing = (name for name, shape in shapes[0].items() if shapes[1].get(name) != shape)
    return frozenset(name.rpartition(".")[0] for name in differing)


def split_head(model: str, module: nn.Module, head: frozenset[str]) -> list[str]:
    """Names of the tensors of a module that lie outside of its head. Raises `ModelError` where one of the two is
    empty."""
    if not head:
        raise ModelError(model, "has no layer that depends on the number of classes", "use a model with a head")
    outside = [name for name in module.state_dict() if name.rpartition(".")[0] not in head]
    if not outside:
        raise ModelError(
            model, "is nothing but a head, which always starts afresh", "use a model with layers before it"
        )
    return outside


def start_from(model: str, module: nn.Module, head: frozenset[str], weights: Weights) -> None:
    """Put weights into a module, in place, outside of its head.

    Raises `WeightsError` unless the tensors are just those of the module, with or without a head.
    """
    outside, own = split_head(model, module, head), module.state_dict()
    found = strip_prefix(weights.tensors, own)
    extra = [name for name in found if name not in own]
    missing = [name for name in outside if name not in found and not name.endswith(COUNTER)]
    for names, what in ((missing, f"lacks {model}'s"), (extra, f"has, and {model} has not,")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WeightsError(weights.name, f"it {what} {names[0]}{more}", "give the weights of the same model")
    for name in outside:
        if name in found and found[name].shape != own[name].shape:
            problem = (
                f"its {name} is {tell_shape(found[name])}, that of {model} for these images {tell_shape(own[name])}"
            )
            raise WeightsError(weights.name, problem, "give the weights of the same model, made for such images")
    module.load_state_dict({name: found[name] for name in outside if name in found}, strict=False)


def strip_prefix(tensors: Mapping[str, torch.Tensor], own: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors by names as the module has them: without what wrappers (`module.`, `model.`) put before all."""
    found = dict(tensors)
    while not any(name in own for name in found):
        first, *others = {name.partition(".")[0] for name in found}
        if others or not all("." in name for name in found):
            return dict(tensors)
        found = {name[len(first) + 1 :]: tensor for name, tensor in found.items()}
    return found


def tell_shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


class HeadOnly(nn.Module):
    """A network of which the head alone is trained: the rest takes no gradient, and is as in evaluation always, so that
    no running statistics follow the rows that the head is trained on."""

    def __init__(self, network: nn.Module, head: frozenset[str]) -> None:
        super().__init__()
        self.network = network
        self.head_names = sorted(head)
        network.requires_grad_(False)
        for layer in self.head_layers():
            layer.requires_grad_(True)

    def head_layers(self) -> list[nn.Module]:
        return [self.network.get_submodule(name) for name in self.head_names]

    def train(self, mode: bool = True) -> HeadOnly:
        super().train(False)
        self.training = mode
        for layer in self.head_layers():
            layer.train(mode)
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(images)
        return logits


class BeforeHead(nn.Module):
    """A network that ends before its head, frozen: what the first layer of the head is given, flattened, [B, F]."""

    def __init__(self, model: str, network: nn.Module, head: frozenset[str]) -> None:
        super().__init__()
        split_head(model, network, head)
        if "" in head:
            raise ModelError(
                model, "has a head that is no layer of its own", "make the head a layer, such as nn.Linear"
            )
        self.model, self.network, self.head_names = model, network.requires_grad_(False), sorted(head)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        given: list[Any] = []
        layers = [self.network.get_submodule(name) for name in self.head_names]
        hooks = [layer.register_forward_pre_hook(lambda _layer, inputs: given.extend(inputs[:1])) for layer in layers]
        try:
            self.network(images)
        finally:
            for hook in hooks:
                hook.remove()
        first = given[0] if given else None
        if not torch.is_tensor(first) or first.ndim < 2 or len(first) != len(images):
            raise ModelError(
                self.model, "does not call its head on one tensor of features", "call the head on [batch, features]"
            )
        return first.flatten(1)
