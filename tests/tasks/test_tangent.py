"""Tasks in the tangent space: rows are weighed by the sizes wanted, and a descent finds what fails a linear model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from splitgen import find_model, make_bench
from splitgen.models.linearization import tangent_features
from splitgen.random import stream_generator
from splitgen.settings.stages import SelectionConfig, TangentConfig
from splitgen.tasks.tangent import (
    SHARPNESS,
    STEEPNESS,
    TangentSpace,
    descend,
    fit_for_a_moment,
    make_space,
    measure_failure,
    read_margins,
    standardize,
    weigh,
)

CONFIG = TangentConfig(starts=1, networks=2, dim=512, steps=(40,), rows=(300,), keep=())
HALVES = SelectionConfig()
SIDES = torch.tensor([1, -1] * 5)


@pytest.fixture(scope="module")
def space(digits):
    return make_space(make_bench(digits, find_model("conv"), seed=3), CONFIG, HALVES)


def random_scores(space, seed=0):
    return torch.randn(len(space.labels), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("test", "reserve"), [(0.5, 0.0), (0.4, 0.2), (0.2, 0.0)])
def test_each_class_has_as_many_rows_in_train_and_test_as_are_wanted(space, test, reserve):
    sized = dataclasses.replace(space, selection=SelectionConfig(test_fraction=test, reserve_fraction=reserve))
    in_train, in_test = (weights > 0.5 for weights in weigh(random_scores(space), sized))
    for c in range(10):
        of_class = space.labels == c
        assert int(in_test[of_class].sum()) == round(test * int(of_class.sum()))
        assert int((~in_train)[of_class].sum()) == round((test + reserve) * int(of_class.sum()))


def test_weights_fall_off_with_the_distance_in_standard_deviations_of_the_class(space):
    scores = random_scores(space)
    train, test = weigh(7 * scores + 3, space)
    torch.testing.assert_close(train + test, torch.ones_like(train))
    for c in range(10):
        of_class = scores[space.labels == c]
        n_below = round(len(of_class) / 2)
        middle = of_class.sort().values[n_below - 1 : n_below + 1].mean()
        expected = torch.sigmoid(STEEPNESS * (of_class - middle) / of_class.std(unbiased=False))
        torch.testing.assert_close(train[space.labels == c], expected)


def test_by_the_rule_equality_the_boundary_is_0(space):
    scores = random_scores(space) + 0.3
    train, _ = weigh(scores, dataclasses.replace(space, selection=SelectionConfig(rule="equality")))
    assert torch.equal(train > 0.5, scores > 0)


def test_the_failure_is_that_of_a_ridge_regression_of_the_train_rows(space):
    scores, rows = random_scores(space), torch.arange(0, 1797, 9)
    train, test = (weights[rows].numpy().astype(np.float64) for weights in weigh(scores, space))
    features = space.features[rows].double().numpy()
    one_hot = np.eye(10)[space.targets[rows]]
    model = KernelRidge(alpha=0.1, kernel="linear").fit(features, one_hot - 0.1, sample_weight=train)
    exponents = np.exp(SHARPNESS * model.predict(features))
    right = (exponents / exponents.sum(axis=1, keepdims=True))[np.arange(len(rows)), space.targets[rows]]
    expected = (test * right).sum() / test.sum()
    assert float(measure_failure(scores, rows, space, 0.1)) == pytest.approx(expected, rel=1e-3)


def test_a_descent_ends_where_a_linear_model_fails_on_rows_that_no_step_chose(space):
    row_sides, before = SIDES[space.labels], torch.randn(512, generator=torch.Generator().manual_seed(5))
    after, failure = descend(space, before, row_sides, CONFIG, 0, torch.Generator().manual_seed(6))
    rows = torch.arange(0, 1797, 3)
    was, now = (
        float(measure_failure((space.features @ weights) * row_sides, rows, space, 0.1)) for weights in (before, after)
    )
    assert now < was - 0.05
    assert failure == pytest.approx(now, abs=0.05)  # of other rows, and fewer of them


def test_steps_of_the_last_round_alone_shorten(space):
    start, row_sides = torch.zeros(512).index_fill(0, torch.arange(3), 1.0), SIDES[space.labels]
    two = dataclasses.replace(CONFIG, steps=(1, 1), rows=(300, 300), keep=(1,))
    moved = []
    for steps, round_ in ((two, 0), (dataclasses.replace(two, steps=(1, 2)), 1)):
        after, _ = descend(space, start, row_sides, steps, round_, torch.Generator().manual_seed(0))
        moved.append((after - start).abs().max().item())
    assert moved[0] == pytest.approx(0.3, rel=1e-3)  # Adam's first step is as long as its learning rate
    assert 0.3 < moved[1] < 0.6  # one whole step, and half of one


def test_margins_halve_each_class_at_0(space):
    margins = read_margins(space, torch.randn(512, generator=torch.Generator().manual_seed(1)))
    assert margins.dtype == np.float32
    for c in range(10):
        of_class = margins[space.labels == c]
        assert abs((of_class > 0).sum() - len(of_class) / 2) <= 0.5
        assert of_class.std() == pytest.approx(1, rel=1e-4)


def test_by_the_rule_equality_margins_keep_their_sign(space):
    weights = torch.randn(512, generator=torch.Generator().manual_seed(1))
    margins = read_margins(dataclasses.replace(space, selection=SelectionConfig(rule="equality")), weights)
    assert np.array_equal(margins > 0, ((space.features @ weights) > 0).numpy())


def test_a_class_of_a_single_row_and_one_of_none_are_no_trouble():
    labels = torch.tensor([0, 0, 0, 0, 2, 4, 4, 4])
    features = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    space = TangentSpace(features, features @ features.T, labels, labels, HALVES)
    scores = random_scores(space)
    assert torch.isfinite(standardize(scores, space)).all()
    row_sides = torch.tensor([1, 1, 1, 1, -1, 1, 1, 1])
    config = dataclasses.replace(CONFIG, steps=(5,))
    weights, failure = descend(space, torch.ones(5), row_sides, config, 0, torch.Generator().manual_seed(0))
    assert np.isfinite(read_margins(space, weights)).all()
    assert np.isfinite(failure)


def test_the_network_that_is_linearised_has_seen_the_target_for_a_moment(digits):
    """Rows of a class are more alike to it than to one that has seen nothing, and less than to one at its end."""
    bench = make_bench(digits, find_model("conv"), seed=3)
    alike = bench.targets[:, None] == bench.targets
    unseen = tangent_features(bench, bench.build(10, 0), CONFIG.dim, torch.Generator().manual_seed(0))
    moment, end = (make_space(bench, dataclasses.replace(CONFIG, epochs=n), HALVES).features for n in (2, 20))
    nothing, some, much = (
        float((features @ features.T)[alike].mean() / (features @ features.T)[~alike].mean())
        for features in (unseen, moment, end)
    )
    assert nothing < 1.15 < some < much


def test_its_kernel_is_the_mean_of_those_of_several_networks(digits):
    bench, config = make_bench(digits, find_model("conv"), seed=3), dataclasses.replace(CONFIG, networks=3, dim=500)
    assert config.share_dim() == [166, 167, 167]
    kernels = []
    for which, dim in enumerate(config.share_dim()):
        network = fit_for_a_moment(bench, config, which)
        features = tangent_features(bench, network, dim, stream_generator(3, "tangent", "features", which))
        kernels.append(features @ features.T)
    assert float((kernels[0] - kernels[1]).abs().mean()) > 0.05  # networks and projections are others
    torch.testing.assert_close(make_space(bench, config, HALVES).kernel, sum(kernels) / 3)
