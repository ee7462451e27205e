"""Discovery on digits: the agreement rises, margins do not depend on neighbours, the seed fixes all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from unrolled import BATCH, HELD_OUT, N_STEPS, POOL, SMOOTH, draw_first_rows, share_that_went_down, train_unrolled

from splitgen import (
    AgreementConfig,
    DiscoveryConfig,
    MemoryImages,
    discover_tasks,
    find_model,
    make_bench,
    score_agreement,
)
from splitgen.random import stream_seed
from splitgen.tasks.agreement import read_task_labels
from splitgen.tasks.encoder import TaskEncoder, load_encoder, score_margins
from splitgen.tasks.heads import orthonormal_directions
from splitgen.tasks.meta import draw_rows
from splitgen.tasks.problem import pose_problem
from splitgen.tasks.terms import boundary_crowding, class_imbalance, divergence, uniformity


def discover(dataset, config, model="conv", seed=0):
    return discover_tasks(make_bench(dataset, find_model(model), seed=seed), config)


def test_discovery_lowers_the_divergence_and_keeps_every_class_halved(digits):
    found = discover(digits, DiscoveryConfig(meta_steps=20, inner_steps=30, n_tasks=1), seed=2)
    divergences = [step.divergence for step in found.history]
    assert np.mean(divergences[-5:]) < np.mean(divergences[:5])
    assert (found.meta_steps, found.stopped_by, found.margins.shape) == (20, "meta-steps", (1797, 1))
    for c in range(10):
        assert 0.2 < (found.margins[digits.labels == c] > 0).mean() < 0.8


def discover_by(digits, method):
    config = DiscoveryConfig(meta_steps=2, inner_steps=10, n_tasks=1, batch_size=32, meta_gradient=method)
    return discover(digits, config, seed=1).margins[:, 0]


@pytest.fixture(scope="module")
def exact(digits):
    return discover_by(digits, "exact")


@pytest.mark.parametrize("method", ["one-sided", "central"])
def test_a_meta_gradient_by_differences_moves_the_encoder_as_the_exact_one_does(digits, exact, method):
    found = discover_by(digits, method)
    assert np.corrcoef(found, exact)[0, 1] > 0.99
    assert not np.array_equal(found, exact)


@pytest.mark.parametrize("n_values", [2, 3])
def test_the_encoder_moves_down_the_whole_objective_with_the_inner_trainings_in_it(digits, n_values):
    """By weights that give all four terms slopes of about the same size; with half of D, 0.95 would go down."""
    weights = {"uniformity_weight": 6.0, "imbalance_weight": 600.0, "crowding_weight": 6.0}
    sizes = {"inner_steps": N_STEPS, "batch_size": BATCH, "pool_size": POOL, "held_out_size": HELD_OUT}
    config = DiscoveryConfig(
        n_tasks=2,
        task_values=n_values,
        meta_steps=1,
        inner_learning_rate=0.5,
        meta_gradient="exact",
        **sizes,
        **weights,
    ).for_images(8)
    still = replace(config, encoder_learning_rate=1e-30)  # the weights stay as they are
    bench = make_bench(digits, SMOOTH, seed=4)
    before, after = (discover_tasks(bench, each).encoder_state for each in (still, config))

    encoder, rows = load_encoder(bench, config, before), draw_first_rows(len(digits), "discovery", 4)
    pool, pool_labels = bench.batch(rows.pool), torch.from_numpy(digits.labels)[rows.pool]
    embeddings = encoder(pool, pool_labels)
    margins = encoder.margins(embeddings)
    logits_of_task = torch.stack([-margins[:, 0], margins[:, 0]], dim=1) if n_values == 2 else margins[:, 0]
    soft_labels = (config.temperature * logits_of_task).softmax(dim=1)
    logits = []
    for which in range(2):
        network = bench.build(n_values, stream_seed(4, "inner", 0, which))
        logits.append(train_unrolled(network, pool, soft_labels, rows.batches, 0.5)(bench.batch(rows.held_out)))
    objective = (
        divergence(*logits)
        + 6 * uniformity(embeddings)
        + 600 * class_imbalance(margins, pool_labels, 10)
        + 6 * boundary_crowding(margins, config.crowding_width)
    )
    assert share_that_went_down(objective, dict(encoder.named_parameters()), after) > 0.99


def test_a_weight_on_crowding_clears_the_boundary(digits):
    config = DiscoveryConfig(meta_steps=10, n_tasks=1, inner_steps=2)
    free, cleared = (
        discover(digits, replace(config, crowding_weight=weight), seed=1).history for weight in (0.0, 50.0)
    )
    assert cleared[-1].boundary_crowding < cleared[0].boundary_crowding - 0.05
    assert cleared[-1].boundary_crowding < free[-1].boundary_crowding - 0.05


def test_several_tasks_share_an_encoder_and_differ(digits):
    config = DiscoveryConfig(dim=4, n_tasks=3, meta_steps=6, inner_steps=10)
    found = discover(digits, config)
    assert found.n_tasks == 3
    assert np.abs(np.corrcoef(found.margins.T)[0, 1]) < 0.9
    assert found.history[0].uniformity < 0


@pytest.mark.parametrize("n_values", [3, 4])
def test_a_task_of_more_values_has_all_of_them_in_equal_shares_and_networks_agree_on_it(digits, n_values):
    """Over the seeds 0..2 after 24 meta-steps: agreement 0.91 to 0.96, kappa from 0.88; shares within 0.03 of 1 / V."""
    config = DiscoveryConfig(meta_steps=12, task_values=n_values)
    found = discover(digits, config, seed=1)
    assert (found.margins.shape, config.for_images(8).dim) == ((1797, 1, n_values), 2)
    labels = read_task_labels(found.margins[:, 0])
    shares = np.bincount(labels, minlength=n_values) / len(labels)
    assert np.abs(shares - 1 / n_values).max() < 0.06
    for c in range(10):
        assert np.bincount(labels[digits.labels == c], minlength=n_values).max() < 0.7 * (digits.labels == c).sum()
    score = score_agreement(make_bench(digits, find_model("conv"), seed=1), labels, AgreementConfig(epochs=10))
    assert score.kappa > 0.7
    assert np.allclose(score.class_balance, shares)


def test_the_seed_fixes_the_margins(digits):
    config = DiscoveryConfig(meta_steps=2, inner_steps=5)
    first, second = (discover(digits, config, seed=9).margins for _ in range(2))
    assert np.array_equal(first, second)


def test_a_users_network_with_dropout_can_be_the_target(digits, tmp_path, monkeypatch):
    (tmp_path / "dropping.py").write_text(
        "from torch import nn\n"
        "def net(n_classes, in_channels):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64 * in_channels, 32), nn.Dropout(), nn.ReLU(),\n"
        "                         nn.Linear(32, n_classes))\n"
    )
    monkeypatch.chdir(tmp_path)
    config = DiscoveryConfig(meta_steps=2, inner_steps=5)
    assert np.isfinite(discover(digits, config, "dropping:net").margins).all()


def test_pool_and_held_out_rows_are_disjoint(digits):
    bench = make_bench(digits, find_model("conv"))
    settings = pose_problem(bench, DiscoveryConfig(batch_size=32, inner_steps=80)).discovery_loop
    rows = draw_rows(bench, settings, torch.Generator().manual_seed(0))
    assert not torch.isin(rows.pool, rows.held_out).any()
    assert rows.batches.shape == (80, 32)
    assert int(rows.batches.max()) < len(rows.pool)


def take_rows(dataset, rows):
    return replace(dataset, images=MemoryImages(dataset.images.take(rows)), labels=dataset.labels[rows.numpy()])


def test_margins_follow_their_rows_when_the_rows_are_reordered(digits):
    torch.manual_seed(0)
    encoder = TaskEncoder(1, 8, dim=2, n_tasks=2, width=8, centring="class", n_classes=10)
    order = torch.randperm(1024)
    margins, reordered = (
        score_margins(encoder, make_bench(take_rows(digits, rows), find_model("conv")))
        for rows in (torch.arange(1024), order)
    )
    torch.testing.assert_close(margins[order], reordered, atol=1e-4, rtol=1e-4)
    for c in range(10):
        assert margins[digits.labels[:1024] == c].mean(dim=0).abs().max() < 1e-4


def test_directions_are_orthonormal():
    directions = orthonormal_directions(5, 8)
    torch.testing.assert_close(directions @ directions.T, torch.eye(5), atol=1e-5, rtol=0)
