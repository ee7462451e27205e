"""The finite-difference adjoints against the exact reverse pass, and the exact one against autograd."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from splitgen import ImageDataset, find_model
from splitgen.data.images import NormalizedImages
from splitgen.models.registry import build_network
from splitgen.tasks.heads import HEADS
from splitgen.tasks.inner_loop import (
    FlatNetwork,
    InnerData,
    MetaGradient,
    meta_gradient,
    train_inner,
    use_batch_statistics,
)
from splitgen.tasks.terms import divergence, soft_cross_entropy

DEFAULT_EPSILON = 0.005


def normalized(dataset: ImageDataset) -> torch.Tensor:
    """All images as networks see them."""
    return NormalizedImages(dataset.images, dataset.statistics, "cpu").take(torch.arange(dataset.n_points))


def random_data(images: torch.Tensor, steps: int, batch: int, seed: int, n_values: int = 2) -> InnerData:
    """Batches of real images with the soft labels of a random linear task of so many values, and a held-out batch."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    rows = order[: steps * batch].view(steps, batch)
    n_pixels, head = images[0].numel(), HEADS["binary" if n_values == 2 else "fan"](n_values)
    n_directions = 1 if n_values == 2 else 2
    directions = torch.randn(n_directions, n_pixels, generator=generator).to(images.dtype)
    projected = images[rows].flatten(0, 1).flatten(1) @ directions.T
    fixed = torch.ones(1, 1) if n_values == 2 else head.draw_directions(1, 2)
    margins = head.read_margins(projected / projected.std(dim=0), fixed.to(images.dtype))[:, 0]
    soft_labels = head.soften(margins, 5.0).view(steps, batch, n_values)
    return InnerData([images[row] for row in rows], soft_labels, images[order[-2 * batch :]])


def pair_gradient(
    networks: list[nn.Module], data: InnerData, method: str, epsilon: float = DEFAULT_EPSILON
) -> MetaGradient:
    """The meta-gradient of the divergence between two networks."""
    objective = lambda logits: divergence(*logits)  # noqa: E731
    return meta_gradient(networks, data, objective, learning_rate=0.1, method=method, epsilon=epsilon)


def compare(
    method: str, data: InnerData, networks: Callable[[], list[nn.Module]], epsilon: float, exact: torch.Tensor
) -> tuple[float, float]:
    """Cosine and norm ratio of a method's gradient with the exact one."""
    rough = pair_gradient(networks(), data, method, epsilon).soft_label_grad
    cosine = torch.cosine_similarity(rough.flatten(), exact.flatten(), dim=0)
    return float(cosine), float(rough.norm() / exact.norm())


def pair_of(model: str, images: torch.Tensor, seed: int, n_outputs: int = 2) -> list[nn.Module]:
    shape = tuple(images.shape[1:])
    return [build_network(find_model(model), n_outputs, shape, 10 * seed + which) for which in range(2)]


def relu_pair(images: torch.Tensor, seed: int) -> list[nn.Module]:
    """The built-in conv net with ReLU in place of SiLU."""
    pair = pair_of("conv", images, seed)
    for network in pair:
        for parent in list(network.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.SiLU):
                    setattr(parent, name, nn.ReLU())
    return pair


@pytest.mark.parametrize("n_values", [2, 3, 4])
@pytest.mark.parametrize("method", ["one-sided", "central"])
def test_adjoint_of_a_smooth_net_in_float64_is_that_of_the_exact_pass(digits, method, n_values):
    images = normalized(digits).double()
    data = random_data(images, steps=20, batch=64, seed=3, n_values=n_values)
    networks = lambda: [network.double() for network in pair_of("conv", images, 1, n_values)]  # noqa: E731
    exact = pair_gradient(networks(), data, "exact").soft_label_grad
    cosine, ratio = compare(method, data, networks, 1e-5, exact)
    assert cosine > 0.999
    assert abs(ratio - 1) < 0.01


@pytest.fixture(
    scope="module",
    params=[(lambda images, seed: pair_of("conv", images, seed), 0.98, 0.05), (relu_pair, 0.93, 0.15)],
    ids=["smooth", "relu"],
)
def five_trainings(request, fashion):
    """Data, networks and exact gradient of five seeds; the least cosine and the tolerance of the ratio."""
    build, least_cosine, ratio_tolerance = request.param
    images = normalized(fashion)[:6000]
    trainings = []
    for seed in range(5):
        data = random_data(images, steps=30, batch=64, seed=seed)
        networks = partial(build, images, seed)
        trainings.append((data, networks, pair_gradient(networks(), data, "exact").soft_label_grad))
    return trainings, least_cosine, ratio_tolerance


@pytest.mark.parametrize("method", ["one-sided", "central"])
def test_adjoint_in_float32_at_the_default_epsilon_is_close_in_the_median_of_five_seeds(five_trainings, method):
    trainings, least_cosine, ratio_tolerance = five_trainings
    found = [compare(method, data, networks, DEFAULT_EPSILON, exact) for data, networks, exact in trainings]
    assert statistics.median(cosine for cosine, _ in found) >= least_cosine
    assert abs(statistics.median(ratio for _, ratio in found) - 1) <= ratio_tolerance


@pytest.mark.parametrize("n_values", [2, 3])
def test_exact_pass_equals_autograd_through_the_whole_unrolled_training(digits, n_values):
    images = normalized(digits).double()
    data = random_data(images, steps=4, batch=32, seed=0, n_values=n_values)
    make = lambda: [network.double() for network in pair_of("conv", images, 2, n_values)]  # noqa: E731
    fast = pair_gradient(make(), data, "exact", epsilon=1.0)

    soft_labels = data.soft_labels.clone().requires_grad_()
    outputs = []
    for fresh in make():
        network = use_batch_statistics(fresh).train()
        weights = {name: p.detach().requires_grad_() for name, p in network.named_parameters()}
        for batch, labels in zip(data.batches, soft_labels, strict=True):
            log_probs = torch.func.functional_call(network, weights, (batch,)).log_softmax(dim=1)
            grads = torch.autograd.grad(
                soft_cross_entropy(log_probs, labels), list(weights.values()), create_graph=True
            )
            weights = {name: w - 0.1 * g for (name, w), g in zip(weights.items(), grads, strict=True)}
        outputs.append(torch.func.functional_call(network, weights, (data.held_out,)))
    loss = divergence(*outputs)
    (slow,) = torch.autograd.grad(loss, soft_labels)
    assert fast.value == pytest.approx(loss.item())
    torch.testing.assert_close(fast.soft_label_grad, slow, rtol=1e-6, atol=1e-12)


def test_moving_labels_against_the_meta_gradient_lowers_the_divergence(digits):
    images = normalized(digits)
    data = random_data(images, steps=20, batch=64, seed=5)
    before = pair_gradient(pair_of("conv", images, 4), data, "one-sided")
    step = 0.05 * before.soft_label_grad / before.soft_label_grad.abs().max()
    moved = InnerData(data.batches, data.soft_labels - step, data.held_out)
    after = pair_gradient(pair_of("conv", images, 4), moved, "one-sided")
    assert after.value < before.value


@pytest.mark.parametrize("model", ["mlp", "conv", "resnet18-small"])
def test_inner_training_is_plain_sgd(digits, model):
    images = normalized(digits)
    data = random_data(images, steps=3, batch=32, seed=1)
    flat = FlatNetwork(build_network(find_model(model), 2, (1, 8, 8), 7), images[:2])
    train_inner(flat, data, learning_rate=0.1)

    slow = use_batch_statistics(build_network(find_model(model), 2, (1, 8, 8), 7)).train()
    optimizer = torch.optim.SGD(slow.parameters(), lr=0.1)
    for batch, labels in zip(data.batches, data.soft_labels, strict=True):
        optimizer.zero_grad()
        soft_cross_entropy(slow(batch).log_softmax(dim=1), labels).backward()
        optimizer.step()
    for found, expected in zip(flat.views(flat.weights), slow.parameters(), strict=True):
        torch.testing.assert_close(found, expected.detach())


def test_weights_in_one_vector_lie_as_the_model_has_them(digits):
    """A convolution whose weights lost their layout is a quarter slower on grey images."""
    network = build_network(find_model("conv"), 2, (1, 8, 8), 7)
    before = {name: (p.stride(), p.detach().clone()) for name, p in network.named_parameters()}
    flat = FlatNetwork(network, normalized(digits)[:2])
    for name, parameter in network.named_parameters():
        stride, values = before[name]
        assert parameter.stride() == stride
        assert torch.equal(parameter, values)
        assert parameter.untyped_storage().data_ptr() == flat.weights.untyped_storage().data_ptr()
    assert any(not parameter.is_contiguous() for parameter in network.parameters())


def test_one_vector_of_tensors_in_another_layout_has_the_same_order(digits):
    flat = FlatNetwork(build_network(find_model("conv"), 2, (1, 8, 8), 7), normalized(digits)[:2])
    plain = [part.contiguous() for part in flat.views(flat.weights)]
    assert torch.equal(flat.flatten(plain), flat.weights)


def test_dropout_draws_the_same_numbers_in_every_pass(digits):
    images = normalized(digits).double()
    data = random_data(images, steps=5, batch=64, seed=2)

    def networks() -> list[nn.Module]:
        pair = []
        for seed in range(2):
            torch.manual_seed(seed)
            pair.append(
                nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.SiLU(), nn.Dropout(0.5), nn.Linear(32, 2)).double()
            )
        return pair

    exact = pair_gradient(networks(), data, "exact").soft_label_grad
    cosine, ratio = compare("one-sided", data, networks, 1e-5, exact)
    assert cosine > 0.999
    assert abs(ratio - 1) < 0.01
