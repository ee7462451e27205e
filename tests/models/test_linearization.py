"""A network that is linear in its weights: its features are its gradients, and its training is a ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from torch import nn

from splitgen import ModelFactory, find_model, make_bench
from splitgen.models import linearization
from splitgen.models.linearization import GradientError, RidgeFit, predict_by_ridge, tangent_features

RIDGE = 0.1


@pytest.fixture(scope="module")
def bench(digits):
    return make_bench(digits, find_model("conv"), seed=3)


def features_of(bench, network, dim):
    return tangent_features(bench, network, dim, torch.Generator().manual_seed(0))


def inner_products_one_by_one(bench, network, rows):
    """Twin: the gradient of each image by itself, by backpropagation, of the mix that the same generator draws."""
    generator, network = torch.Generator().manual_seed(0), network.eval()
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    n_weights = sum(weight.numel() for weight in trained)
    torch.randint(0, 2, (n_weights,), generator=generator)
    mix = torch.randn(bench.target.n_outputs, generator=generator)
    gradients = []
    for row in range(bench.n_points):
        network.zero_grad()
        (network(bench.batch(torch.tensor([row])))[0] * mix).sum().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in trained]).clone())
    all_of_them = torch.stack(gradients)
    all_of_them = all_of_them / all_of_them.square().sum(dim=1).mean().sqrt()
    return (all_of_them @ all_of_them.T)[rows][:, rows]


def test_where_every_weight_has_its_own_sum_inner_products_are_those_of_the_gradients(digits):
    bench = make_bench(digits, find_model("linear"), seed=3)
    network, rows = bench.build(10, 1), torch.arange(0, 1797, 50)
    found = features_of(bench, network, 700)  # of 650 weights
    torch.testing.assert_close(found[rows] @ found[rows].T, inner_products_one_by_one(bench, network, rows))


def test_a_projection_keeps_the_inner_products_of_a_convolutional_net(bench):
    network, rows = bench.build(10, 1), torch.arange(0, 1797, 50)
    exact = inner_products_one_by_one(bench, network, rows)
    for dim, allowed in ((512, 0.06), (8192, 0.015)):  # about 1 / sqrt(dim)
        found = features_of(bench, network, dim)[rows]
        assert (found @ found.T - exact).square().mean().sqrt() < allowed
    assert found.dtype == torch.float32


class Stubborn(nn.Module):
    """Asks for a number in the middle of its pass, which no vectorised pass can give."""

    def __init__(self, n_outputs, channels, size):
        super().__init__()
        self.stubborn = True
        self.layer = nn.Linear(channels * size * size, n_outputs)

    def forward(self, images):
        pixels = images.flatten(1)
        if self.stubborn and float(pixels.sum()) == float("inf"):
            raise AssertionError
        return self.layer(pixels)


def test_a_model_that_cannot_be_vectorised_is_looked_at_image_by_image(digits):
    bench = make_bench(digits, ModelFactory("stubborn", Stubborn), seed=3)
    network = bench.build(10, 1)
    slowly = features_of(bench, network, 700)
    for module in network.modules():
        module.stubborn = False
    torch.testing.assert_close(slowly, features_of(bench, network, 700))


class Rooted(Stubborn):
    """Logits whose slope at 0 is infinite, where an image of zeros puts them."""

    def forward(self, images):
        return self.layer(images.flatten(1)).abs().sqrt()


def test_gradients_that_are_no_numbers_are_refused(digits):
    bench = make_bench(digits, ModelFactory("rooted", Rooted), seed=3)
    network = bench.build(10, 1)
    torch.nn.init.zeros_(network.layer.weight)
    torch.nn.init.zeros_(network.layer.bias)
    with pytest.raises(GradientError, match="gradients of rooted are NaN or infinite"):
        features_of(bench, network, 700)


def test_weights_that_are_not_trained_have_no_part_in_it(bench):
    network = bench.build(10, 1)
    for weight in network[0].parameters():
        weight.requires_grad_(False)
    found = features_of(bench, network, 1024)
    assert (found != 0).sum(dim=1).max() <= 4 * 16 * 10 + 10  # those of the last layer


def test_gradients_take_no_more_memory_than_a_chunk_may(bench, monkeypatch):
    network, asked = bench.build(10, 1), []
    whole = features_of(bench, network, 512)
    monkeypatch.setattr(linearization, "CHUNK_BYTES", 30 * 4 * sum(weight.numel() for weight in network.parameters()))
    monkeypatch.setattr(
        type(bench.pixels), "chunks", lambda self, n: asked.append(n) or iter(torch.split(self.in_memory, n))
    )
    torch.testing.assert_close(features_of(bench, network, 512), whole)
    assert asked == [30]


@pytest.fixture(scope="module")
def regression():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 12, dtype=torch.double, generator=generator)
    values = torch.randn(40, 3, dtype=torch.double, generator=generator)
    return features @ features.T, torch.rand(40, dtype=torch.double, generator=generator) + 0.01, values


def test_a_weighted_ridge_regression_predicts_what_scikit_learns_does(regression):
    kernel, weights, values = regression
    model = KernelRidge(alpha=RIDGE, kernel="precomputed").fit(kernel.numpy(), values.numpy(), weights.numpy())
    np.testing.assert_allclose(RidgeFit.apply(weights, kernel, values, RIDGE), model.predict(kernel.numpy()))


def test_its_gradient_is_that_of_solving_the_equations(regression):
    kernel, weights, values = regression
    upstream = torch.randn(40, 3, dtype=torch.double, generator=torch.Generator().manual_seed(1))

    def differentiate(predict):
        of = weights.clone().requires_grad_()
        return torch.autograd.grad((predict(of) * upstream).sum(), of)[0]

    plainly = differentiate(lambda of: kernel @ torch.linalg.solve(kernel + RIDGE * torch.diag(1 / of), values))
    torch.testing.assert_close(differentiate(lambda of: RidgeFit.apply(of, kernel, values, RIDGE)), plainly)


def test_a_row_of_weight_zero_teaches_next_to_nothing(regression):
    kernel, weights, values = regression
    without = weights.clone()
    without[:10] = 0
    learned = KernelRidge(alpha=RIDGE, kernel="precomputed").fit(
        kernel[10:, 10:].numpy(), values[10:].numpy(), weights[10:].numpy()
    )
    predicted = predict_by_ridge(kernel, without, values, RIDGE)
    np.testing.assert_allclose(predicted, learned.predict(kernel[:, 10:].numpy()), atol=0.05)
