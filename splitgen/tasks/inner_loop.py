"""Training a network for T plain SGD steps on soft labels, and the reverse pass through it.

The reverse pass gives dD/dp_t, the gradient of an objective D of the trained network with respect to
every soft label, for lambda_T = dD/dw_T (docs/method.md, section 3, "The meta-gradient without double backward"):

    lambda_t = lambda_{t+1} - eta * H_t lambda_{t+1}
    dD/dp_t  = eta / B * J_t lambda_{t+1}

`one-sided` and `central` take both products from forward-and-backward passes at shifted weights;
`exact` differentiates each step twice and is the reference that the tests compare with.

Axes: T steps, B batch, C outputs, P parameters.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call

from splitgen.errors import TrainingError
from splitgen.parallel import map_threads
from splitgen.random import draws_random_numbers, seed_global
from splitgen.tasks.terms import soft_cross_entropy


class FlatNetwork:
    """A network whose P parameters are one vector, for arithmetic on weights.

    Batch norm is set to use batch statistics only: running statistics would be a path from the
    labels to the divergence that the reverse pass does not see. A network that draws random numbers
    (dropout) draws the same ones at the same step in every pass.

    sample: a few images [n, channels, height, width], to find out whether it does.
    """

    def __init__(self, module: nn.Module, sample: torch.Tensor) -> None:
        self.module = use_batch_statistics(module.train())
        self.named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.parameters = list(self.named.values())
        self.orders = [memory_order(p) for p in self.parameters]
        self.sizes = [p.numel() for p in self.parameters]
        self.weights = self.flatten([p.detach() for p in self.parameters])
        self.draws_random_numbers = draws_random_numbers(self.module, sample)
        for parameter, view in zip(self.parameters, self.views(self.weights), strict=True):
            parameter.data = view

    def views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """The parameters' shapes over a vector [P], as they lie in memory: channels last stay so."""
        found = []
        for part, parameter, order in zip(torch.split(flat, self.sizes), self.parameters, self.orders, strict=True):
            found.append(part.view([parameter.shape[axis] for axis in order]).permute(invert(order)))
        return found

    def flatten(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """One vector [P] of tensors in the parameters' shapes: the reverse of `views`."""
        return torch.cat([part.permute(order).flatten() for part, order in zip(parts, self.orders, strict=True)])

    def noise(self, step: int) -> contextlib.AbstractContextManager[None]:
        """The random state of one step, the same in each pass; free for a network that draws none."""
        return seed_global(step) if self.draws_random_numbers else contextlib.nullcontext()

    def gradient(self, images: torch.Tensor, soft_labels: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradient [P] of the loss at the present weights, and the log-probabilities [B, C]."""
        log_probs = self.log_probs(images, step)
        loss = soft_cross_entropy(log_probs, soft_labels)
        return self.flat_grad(loss), log_probs.detach()

    def log_probs(self, images: torch.Tensor, step: int) -> torch.Tensor:
        """[B, C] at the present weights."""
        with self.noise(step):
            found: torch.Tensor = self.module(images).log_softmax(dim=1)
        return found

    def flat_grad(self, loss: torch.Tensor, retain_graph: bool = False) -> torch.Tensor:
        """d loss / d w as one vector [P]."""
        grads = torch.autograd.grad(
            loss, self.parameters, retain_graph=retain_graph, allow_unused=True, materialize_grads=True
        )
        return self.flatten(grads)


def memory_order(parameter: torch.Tensor) -> list[int]:
    """Its axes as they lie in memory, the outermost first."""
    strides = torch.empty_like(parameter).stride()  # dense, whatever the parameter is a view of
    return sorted(range(parameter.dim()), key=lambda axis: (-strides[axis], -parameter.shape[axis]))


def invert(order: Sequence[int]) -> list[int]:
    """The permutation that undoes another."""
    return sorted(range(len(order)), key=lambda axis: order[axis])


def use_batch_statistics(module: nn.Module) -> nn.Module:
    """Make every batch norm of the module that is in training mode forget its running statistics, in place."""
    for norm in module.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.training:
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None
    return module


@dataclass(frozen=True)
class InnerData:
    """What both networks are trained on, and the held-out batch on which they are compared.

    batches: T image batches [B, channels, height, width].
    soft_labels: [T, B, C].
    held_out: images [B', channels, height, width].
    """

    batches: Sequence[torch.Tensor]
    soft_labels: torch.Tensor
    held_out: torch.Tensor


@dataclass(frozen=True)
class Trajectory:
    """One network's inner training; the network is left at w_T.

    gradients: T vectors [P]; w_t = w_{t+1} + eta * gradients[t] walks back.
    log_probs: T outputs [B, C].
    """

    network: FlatNetwork
    learning_rate: float
    gradients: list[torch.Tensor]
    log_probs: list[torch.Tensor]


# What the trained networks are judged by: their logits [B', C] on the held-out batch, to a scalar.
Objective = Callable[[Sequence[torch.Tensor]], torch.Tensor]


@dataclass(frozen=True)
class MetaGradient:
    """The objective's value after the inner trainings, and its gradient for the soft labels.

    value: of the objective. logits: [B', C] of each network on the held-out batch.
    soft_label_grad: d value / dp, [T, B, C], summed over the networks.
    trained: w_T of each network, a tensor for each of its parameters that are trained.
    """

    value: float
    logits: tuple[torch.Tensor, ...]
    soft_label_grad: torch.Tensor
    trained: tuple[list[torch.Tensor], ...]


def train_inner(network: FlatNetwork, data: InnerData, learning_rate: float) -> Trajectory:
    """Train the network in place, one plain SGD step a batch."""
    gradients, log_probs = [], []
    for step, (images, soft_labels) in enumerate(zip(data.batches, data.soft_labels, strict=True)):
        gradient, outputs = network.gradient(images, soft_labels, step)
        network.weights.sub_(gradient, alpha=learning_rate)
        gradients.append(gradient)
        log_probs.append(outputs)
    return Trajectory(network, learning_rate, gradients, log_probs)


# A step's two products along lambda: the curvature H lambda [P], None at step 0 where nothing needs it, and the
# outputs' change J lambda [B, C].
Products = tuple[torch.Tensor | None, torch.Tensor]
StepProducts = Callable[[Trajectory, int, InnerData, torch.Tensor, float], Products]


def one_sided_products(path: Trajectory, step: int, data: InnerData, adjoint: torch.Tensor, radius: float) -> Products:
    """Forward difference: one pass at w_t + r lambda; the values at w_t are known from the training."""
    up = shifted_pass(path.network, step, data, adjoint, radius)
    return difference_quotient(up, (path.gradients[step], path.log_probs[step]), radius)


def central_products(path: Trajectory, step: int, data: InnerData, adjoint: torch.Tensor, radius: float) -> Products:
    """Central difference: two passes, at w_t + r lambda and w_t - r lambda."""
    up = shifted_pass(path.network, step, data, adjoint, radius)
    down = shifted_pass(path.network, step, data, adjoint, -radius)
    return difference_quotient(up, down, 2 * radius)


def exact_products(path: Trajectory, step: int, data: InnerData, adjoint: torch.Tensor, radius: float) -> Products:
    """Double backward through one step; `radius` is not used."""
    network, images = path.network, data.batches[step]
    weights = network.weights.clone().requires_grad_()
    soft_labels = data.soft_labels[step].detach().clone().requires_grad_()
    named = dict(zip(network.named, network.views(weights), strict=True))
    with network.noise(step):
        log_probs = functional_call(network.module, named, (images,)).log_softmax(dim=1)
    (gradient,) = torch.autograd.grad(soft_cross_entropy(log_probs, soft_labels), weights, create_graph=True)
    along = torch.dot(gradient, adjoint)
    curvature, label_grad = torch.autograd.grad(along, (weights, soft_labels))
    return curvature, -label_grad * len(images)


def shifted_pass(network: FlatNetwork, step: int, data: InnerData, adjoint: torch.Tensor, radius: float) -> Products:
    """Gradient and log-probabilities at w + radius * lambda, of step 0 the latter alone; the weights are put back
    exactly."""
    kept = network.weights.clone()
    network.weights.add_(adjoint, alpha=radius)
    products: Products
    if step == 0:
        with torch.no_grad():
            products = None, network.log_probs(data.batches[step], step)
    else:
        products = network.gradient(data.batches[step], data.soft_labels[step], step)
    network.weights.copy_(kept)
    return products


def difference_quotient(up: Products, down: Products, distance: float) -> Products:
    """Of gradients and log-probabilities at weights so many lambda apart."""
    curvature = None if up[0] is None or down[0] is None else (up[0] - down[0]) / distance
    return curvature, (up[1] - down[1]) / distance


STEP_PRODUCTS: dict[str, StepProducts] = {
    "one-sided": one_sided_products,
    "central": central_products,
    "exact": exact_products,
}


def reverse_inner(
    path: Trajectory, data: InnerData, adjoint: torch.Tensor, method: str, epsilon: float
) -> torch.Tensor:
    """dD/dp [T, B, C] of one network, from lambda_T = dD/dw_T [P].

    epsilon is the length of a shift as a fraction of |w_t|: |r lambda| = epsilon * |w_t|. The
    network is left at w_0.
    """
    products = STEP_PRODUCTS[method]
    learning_rate, weights = path.learning_rate, path.network.weights
    label_grads = torch.zeros_like(data.soft_labels)  # one table, as with many outputs it is the largest in memory
    for step in reversed(range(len(data.batches))):
        weights.add_(path.gradients[step], alpha=learning_rate)  # back to w_t
        length = float(adjoint.norm())
        if not math.isfinite(length) or length == 0.0:
            continue
        radius = epsilon * float(weights.norm()) / length
        curvature, outputs_change = products(path, step, data, adjoint, radius)
        torch.mul(outputs_change, learning_rate / len(data.batches[step]), out=label_grads[step])
        if curvature is not None:
            adjoint = adjoint - learning_rate * curvature
    return label_grads


def predict_held_out(network: FlatNetwork, data: InnerData) -> torch.Tensor:
    """Logits [B', C] of the trained network on the held-out batch."""
    with network.noise(len(data.batches)):
        logits: torch.Tensor = network.module(data.held_out)
    return logits


def meta_gradient(
    networks: Sequence[nn.Module],
    data: InnerData,
    objective: Objective,
    *,
    learning_rate: float,
    method: str,
    epsilon: float,
) -> MetaGradient:
    """Train networks side by side on the same batches, judge them, and reverse their trainings.

    networks: modules, differently initialised; their parameters are changed.
    Raises `KeyError` for a method that is not in `STEP_PRODUCTS`, `TrainingError` where the objective becomes NaN or
    infinite.
    """
    flat = [FlatNetwork(network, data.held_out[:2]) for network in networks]
    paths = list(map_threads(lambda network: train_inner(network, data, learning_rate), flat))
    logits = [predict_held_out(network, data) for network in flat]
    value = objective(logits)
    if not math.isfinite(float(value.detach())):
        problem = f"the inner training of a meta-step diverged: its objective is {float(value.detach())}"
        raise TrainingError(
            problem, f"give an inner_learning_rate below {learning_rate:g} in [discovery] of a TOML file"
        )
    adjoints = [network.flat_grad(value, retain_graph=True) for network in flat]
    trained = tuple(network.views(network.weights.clone()) for network in flat)
    label_grads = map_threads(
        lambda both: reverse_inner(both[0], data, both[1], method, epsilon), list(zip(paths, adjoints, strict=True))
    )
    label_grad = functools.reduce(torch.add, label_grads)
    return MetaGradient(float(value.detach()), tuple(out.detach() for out in logits), label_grad, trained)
