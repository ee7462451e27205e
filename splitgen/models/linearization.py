"""A network close to its weights: linear in them, so that its training has a closed form.

f(x; w + d) is about f(x; w) + <d, df/dw(x)>. With squared error and a penalty on |d|^2 that is a ridge regression on
the gradients, and needs their inner products alone: the tangent kernel (Jacot, Gabriel, Hongler, "Neural Tangent
Kernel: Convergence and Generalization in Neural Networks", NeurIPS 2018).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from splitgen.errors import TrainingError
from splitgen.models.bench import Bench
from splitgen.settings.presets import FEW_POINTS

CHUNK_BYTES = 1 << 28  # of the gradients of some rows, in memory at a time
MAX_CHUNK = 128  # rows
LEAST_WEIGHT = 1e-4  # of a row: of none at all, its share in the weights would have no gradient
MEASURED_ROWS = 450
MEASURED_GRADIENTS = 32
MEASURED_TIMES = 8


class GradientError(TrainingError):
    """A network of which gradients are no numbers."""


def tangent_features(bench: Bench, network: nn.Module, dim: int, generator: torch.Generator) -> torch.Tensor:
    """What the network is linear in, of all rows in their order: float32 [N, dim] on the CPU, of mean square length 1.

    The gradient of a random mix of the logits by the weights that are trained, projected at random: each weight is
    added with a random sign to one of `dim` sums, which they take in turn. Inner products are those of the gradients,
    up to 1 / sqrt(dim).
    Raises `GradientError` where one is NaN or infinite.
    """
    network.eval()
    weights = take_weights(network)
    n_weights = sum(weight.numel() for weight in weights.values())
    signs = torch.randint(0, 2, (n_weights,), generator=generator).mul_(2).sub_(1).float().to(bench.device)
    differentiate = mix_gradients(network, generator, bench)
    found = []
    for images in bench.pixels.chunks(count_rows(weights)):
        gradients = torch.cat([part.flatten(1) for part in differentiate(weights, images).values()], dim=1)
        padded = nn.functional.pad(gradients * signs, (0, -n_weights % dim))
        found.append(padded.view(len(images), -1, dim).sum(dim=1).float().cpu())
    features = torch.cat(found)
    if not torch.isfinite(features).all():
        problem = f"gradients of {bench.model.title} are NaN or infinite"
        raise GradientError(problem, "where it is not smooth there is no tangent space")
    return features / features.square().sum(dim=1).mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny)


def take_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """Those that are trained, by name."""
    return {name: weight.detach() for name, weight in network.named_parameters() if weight.requires_grad}


def count_rows(weights: dict[str, torch.Tensor]) -> int:
    """Rows whose gradients are in memory at a time."""
    n_weights = sum(weight.numel() for weight in weights.values())
    return max(1, min(MAX_CHUNK, CHUNK_BYTES // (4 * n_weights)))


def measure_gradient(bench: Bench) -> float:
    """Seconds of the gradient of one row, among others. 0 for many datapoints: by default nothing asks for theirs."""
    if bench.n_points >= FEW_POINTS:
        return 0.0
    network = bench.build(bench.target.n_outputs, bench.seed).eval()
    weights = take_weights(network)
    n_rows = min(MEASURED_GRADIENTS, count_rows(weights), bench.n_points)
    images = bench.batch(torch.arange(n_rows, device=bench.device))
    differentiate = mix_gradients(network, torch.Generator().manual_seed(0), bench)
    differentiate(weights, images)  # what is loaded and laid out once does not count
    start = time.monotonic()
    differentiate(weights, images)
    return (time.monotonic() - start) / len(images)


def mix_gradients(
    network: nn.Module, generator: torch.Generator, bench: Bench
) -> Callable[[dict[str, torch.Tensor], torch.Tensor], dict[str, torch.Tensor]]:
    """A function of weights by name and images [n, ...]: the gradient of each image's mix of logits by each weight."""
    mix = torch.randn(bench.target.n_outputs, generator=generator).to(bench.device)

    def value(weights: dict[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = functional_call(network, weights, (image[None],))
        return (logits[0] * mix).sum()

    of_one: Callable[..., dict[str, torch.Tensor]] = grad(value)
    of_many: Callable[..., dict[str, torch.Tensor]] = vmap(of_one, in_dims=(None, 0), randomness="different")

    def differentiate(weights: dict[str, torch.Tensor], images: torch.Tensor) -> dict[str, torch.Tensor]:
        try:
            with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():  # of which every step can be vectorised
                warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
                return of_many(weights, images)
        except (RuntimeError, TypeError, ValueError):  # code of a user's model that cannot be vectorised
            each = [of_one(weights, image) for image in images]
            return {name: torch.stack([gradients[name] for gradients in each]) for name in weights}

    return differentiate


class RidgeFit(torch.autograd.Function):
    """Predictions [n, V] for all rows of a weighted ridge regression on them, with its gradient by the weights.

    kernel: [n, n]. weights: [n], positive. values: [n, V], what is regressed on. ridge: the penalty.
    With w the roots of the weights, B = w K w + ridge I and b = B^-1 w Y, the predictions are K w b. For a gradient G
    of these, that of a weight is ridge <b, B^-1 w K G> / weight, row by row: one factorisation is enough for both.
    """

    @staticmethod
    def forward(
        context: Any, weights: torch.Tensor, kernel: torch.Tensor, values: torch.Tensor, ridge: float
    ) -> torch.Tensor:
        roots = weights.sqrt()[:, None]
        weighted = kernel * roots * roots.T
        weighted.diagonal().add_(ridge)
        factor = torch.linalg.cholesky(weighted)
        duals = torch.cholesky_solve(roots * values, factor)
        context.save_for_backward(roots, kernel, factor, duals)
        context.ridge = ridge
        return kernel @ (roots * duals)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        roots, kernel, factor, duals = context.saved_tensors
        back = torch.cholesky_solve(roots * (kernel @ gradient), factor)
        return context.ridge * (duals * back).sum(dim=1) / roots[:, 0].square(), None, None, None


def predict_by_ridge(kernel: torch.Tensor, weights: torch.Tensor, values: torch.Tensor, ridge: float) -> torch.Tensor:
    """`RidgeFit`, of weights from 0 on."""
    predictions: torch.Tensor = RidgeFit.apply(weights.clamp_min(LEAST_WEIGHT), kernel, values, ridge)
    return predictions


def measure_ridge(n_values: int) -> Iterator[float]:
    """Seconds of fits of `MEASURED_ROWS` rows with their gradient, one after the other."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(MEASURED_ROWS, MEASURED_ROWS, generator=generator)
    kernel = features @ features.T / MEASURED_ROWS
    values = torch.randn(MEASURED_ROWS, n_values, generator=generator)
    for _ in range(MEASURED_TIMES):
        start = time.monotonic()
        weights = torch.full((MEASURED_ROWS,), 0.5, requires_grad=True)
        torch.autograd.grad(predict_by_ridge(kernel, weights, values, 0.1).square().sum(), weights)
        yield time.monotonic() - start
