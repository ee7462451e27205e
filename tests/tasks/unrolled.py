"""The objective of a meta-step by autograd through the whole inner training, which the package never does: slow, and
plainly right. The tests compare the way that an encoder moves with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call

from splitgen import ModelFactory
from splitgen.random import stream_generator


def build_smooth(n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    n_pixels = in_channels * image_size**2
    return nn.Sequential(nn.Flatten(), nn.Linear(n_pixels, 16), nn.Tanh(), nn.Linear(16, n_classes))


SMOOTH = ModelFactory("smooth", build_smooth)


@dataclass(frozen=True)
class FirstRows:
    """The rows of the first meta-step: pool [M], batches [T, B] as positions in it, held-out rows [B']."""

    pool: torch.Tensor
    batches: torch.Tensor
    held_out: torch.Tensor


N_STEPS, BATCH, POOL, HELD_OUT = 5, 32, 256, 128  # the batches are within one pass over the pool


def draw_first_rows(n_points: int, stage: str, seed: int) -> FirstRows:
    """stage: the name of its stream."""
    generator = stream_generator(seed, stage)
    order = torch.randperm(n_points, generator=generator)
    batches = torch.randperm(POOL, generator=generator)[: N_STEPS * BATCH].view(N_STEPS, BATCH)
    return FirstRows(order[:POOL], batches, order[POOL:][:HELD_OUT])


def train_unrolled(
    network: nn.Module, images: torch.Tensor, soft_labels: torch.Tensor, batches: torch.Tensor, learning_rate: float
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Plain gradient steps on soft labels [M, C] of images [M, ...], in a graph; gives the trained network."""
    weights = {name: value.detach().clone().requires_grad_() for name, value in network.named_parameters()}
    for batch in batches:
        log_probs = functional_call(network, weights, (images[batch],)).log_softmax(dim=1)
        loss = -(soft_labels[batch] * log_probs).sum(dim=1).mean()
        gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        weights = {
            name: value - learning_rate * gradient
            for (name, value), gradient in zip(weights.items(), gradients, strict=True)
        }
    return lambda held_out: functional_call(network, weights, (held_out,))


def share_that_went_down(
    loss: torch.Tensor, before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]
) -> float:
    """Of the weights of a network, the share that a step took down the gradient of the loss; the flattest tenth, where
    rounding decides, is left out.

    before: the weights, that the loss depends on; after: those after the step. The first step of Adam is as long for
    every weight, so that its signs are the gradient's.
    """
    slopes = torch.cat([slope.flatten() for slope in torch.autograd.grad(loss, list(before.values()))])
    moves = torch.cat([(after[name] - value.detach()).flatten() for name, value in before.items()])
    steep = slopes.abs() > slopes.abs().quantile(0.1)
    return float((moves[steep].sign() == -slopes[steep].sign()).double().mean())
