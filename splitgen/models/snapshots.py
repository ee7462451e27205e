"""Modules and optimisers as the tensors of a `State`, and back: to the bit, and as they lie in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import torch
from torch import nn

Tensors = Mapping[str, torch.Tensor]
RATES = ("lr", "betas", "momentum")  # of a group of parameters: what schedules change


def list_values(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Parameters and buffers by name, those that a state dict leaves out as well."""
    return itertools.chain(module.named_parameters(), module.named_buffers())


def take_module(module: nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    """A module's values by name behind a prefix; not copied."""
    return {f"{prefix}/{name}": value.detach() for name, value in list_values(module)}


@torch.no_grad()
def put_module(module: nn.Module, prefix: str, tensors: Tensors) -> None:
    """Give a module of the same kind the values of `take_module`, in place."""
    for name, value in list_values(module):
        value.data = tensors[f"{prefix}/{name}"].to(value.device).clone()


def take_optimizer(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, torch.Tensor]:
    """What an optimiser knows of each parameter, and its rates, behind a prefix; not copied."""
    found = {}
    for position, known in optimizer.state_dict()["state"].items():
        found.update(
            {f"{prefix}/{position}/{name}": value for name, value in known.items() if isinstance(value, torch.Tensor)}
        )
    for number, group in enumerate(optimizer.param_groups):
        found.update(
            {
                f"{prefix}/rates/{number}/{name}": torch.as_tensor(group[name], dtype=torch.float64)
                for name in RATES
                if name in group
            }
        )
    return found


def put_optimizer(optimizer: torch.optim.Optimizer, prefix: str, tensors: Tensors) -> None:
    """Give an optimiser of the same kind over the same parameters what `take_optimizer` gave."""
    for number, group in enumerate(optimizer.param_groups):
        for name in RATES:
            if name in group:
                rates = tensors[f"{prefix}/rates/{number}/{name}"].tolist()
                group[name] = tuple(rates) if isinstance(rates, list) else rates
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    on_device = optimizer.defaults.get("fused") or optimizer.defaults.get("capturable")
    for key, value in tensors.items():
        place, _, name = key.removeprefix(f"{prefix}/").partition("/")
        if key.startswith(f"{prefix}/") and place.isdigit():
            of = parameters[int(place)]
            # steps are counted on the CPU, but for kernels that want them beside the weights
            device = of.device if on_device or name != "step" else value.device
            optimizer.state[of][name] = value.to(device).clone()
