"""Refinement on digits: the failure falls, the halves stay, and the weighted training is what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from unrolled import BATCH, HELD_OUT, N_STEPS, POOL, SMOOTH, draw_first_rows, share_that_went_down, train_unrolled

from splitgen import (
    DiscoveryConfig,
    ModelFactory,
    RefinementConfig,
    SelectionConfig,
    discover_tasks,
    find_model,
    make_bench,
    refine_tasks,
)
from splitgen.errors import SettingError
from splitgen.models.registry import build_network
from splitgen.random import stream_seed
from splitgen.settings.stop import Stop
from splitgen.tasks.encoder import AVERAGING, average_weights, build_encoder, load_encoder
from splitgen.tasks.inner_loop import InnerData, meta_gradient
from splitgen.tasks.meta import run_steps, snapshot_margins
from splitgen.tasks.objectives.failure import assign_sides, weigh_rows
from splitgen.tasks.problem import pose_problem
from splitgen.tasks.refinement import Start, start_refinement
from splitgen.tasks.terms import (
    boundary_crowding,
    class_imbalance,
    side_log_probs,
    soft_cross_entropy,
    soft_task_labels,
)

SIDES = np.where(np.arange(10) < 5, 1, -1)
CONFIG = DiscoveryConfig(meta_steps=4, n_tasks=3, inner_steps=30)
START = (Start(0, SIDES),)
WEIGHTS = {"imbalance_weight": 3.0, "crowding_weight": 0.3}


@pytest.fixture(scope="module")
def discovered(digits):
    return discover_tasks(make_bench(digits, find_model("conv"), seed=3), CONFIG)


def bench_of(digits, target="label", seed=0):
    return make_bench(digits, find_model("conv"), target, seed=seed)


def refine(digits, discovered, meta_steps, starts=START, target="0,1,2,3,4", **options):
    return refine_tasks(
        bench_of(digits, target, seed=3),
        starts,
        discovered.encoder_state,
        CONFIG,
        RefinementConfig(meta_steps=meta_steps, inner_steps=30),
        **options,
    )


def test_the_failure_falls_and_every_class_stays_halved(digits, discovered):
    (refined,) = refine(digits, discovered, 20)
    failures = [step.failure for step in refined.history]
    assert np.mean(failures[-5:]) < np.mean(failures[:5])
    assert (refined.meta_steps, refined.margins.shape) == (20, (1797, 1))
    for c in range(10):
        assert 0.2 < (refined.margins[digits.labels == c] > 0).mean() < 0.8


def test_the_encoder_moves_down_the_failure_with_the_training_on_the_target_in_it(digits, discovered):
    """By weights that give the terms slopes of about the same size; F depends on the encoder in two ways, by what the
    network is trained on and by what it is judged by. With half of the first, 0.91 would go down."""
    config = DiscoveryConfig(
        dim=3, n_tasks=3, held_out_size=HELD_OUT, inner_learning_rate=1.0, meta_gradient="exact", **WEIGHTS
    )
    refinement = RefinementConfig(inner_steps=N_STEPS, batch_size=BATCH, pool_size=POOL)
    bench = make_bench(digits, SMOOTH, seed=4)
    problem = pose_problem(bench, config, refinement)
    task = start_refinement(problem, START[0], discovered.encoder_state)
    run_steps(bench, problem.refinement_loop, [task], Stop(1))
    after = dict(task.encoder.named_parameters())

    labels, sides = torch.from_numpy(digits.labels), torch.from_numpy(SIDES)
    encoder = load_encoder(bench, config, discovered.encoder_state).keep_task(0)
    drawn = draw_first_rows(len(digits), "refinement", 4)
    rows = torch.cat([drawn.pool, drawn.held_out])
    margins = encoder.margins(encoder(bench.batch(rows), labels[rows]))
    scores = margins[:, 0] * sides[labels[rows]]
    threshold = scores.detach().median()  # half of the rows is train, the other half test
    train, test = (torch.sigmoid(sign * 10 * (scores - threshold)) for sign in (1, -1))
    weights, shares = train / train.detach().mean(), (train + test).detach()[POOL:]
    soft_labels = weights[:POOL, None] * F.one_hot(labels[drawn.pool], 10)
    network = bench.build(10, stream_seed(4, "refine", 0))
    trained = train_unrolled(network, bench.batch(drawn.pool), soft_labels, drawn.batches, 1.0)
    logits = trained(bench.batch(drawn.held_out))
    task_labels = soft_task_labels(margins[POOL:, 0], 5.0) * (shares / shares.mean())[:, None]
    objective = (
        soft_cross_entropy(side_log_probs(logits, sides), task_labels)
        + WEIGHTS["imbalance_weight"] * class_imbalance(margins, labels[rows], 10)
        + WEIGHTS["crowding_weight"] * boundary_crowding(margins, config.crowding_width)
    )
    assert share_that_went_down(objective, dict(encoder.named_parameters()), after) > 0.99


def test_a_weight_on_crowding_clears_the_boundary_in_refinement_too(digits, discovered):
    config, refinement = replace(CONFIG, crowding_weight=50.0), RefinementConfig(meta_steps=10, inner_steps=2)
    (refined,) = refine_tasks(bench_of(digits, seed=3), START, discovered.encoder_state, config, refinement)
    assert refined.history[-1].boundary_crowding < refined.history[0].boundary_crowding - 0.05


def test_tasks_side_by_side_are_refined_as_each_alone_and_by_as_many_steps(digits, discovered):
    starts = [Start(0, SIDES), Start(2, -SIDES)]
    seen = []
    both = refine(digits, discovered, 2, starts, target="label", on_step=seen.append)
    assert [len(steps) for steps in seen] == [2, 2]
    for start, together in zip(starts, both, strict=True):
        (alone,) = refine(digits, discovered, 2, [start], target="label")
        assert np.array_equal(alone.margins, together.margins)
        assert alone.history == together.history


def test_a_new_task_starts_from_an_untrained_encoder_and_learns_to_fail_too(digits, discovered):
    (new,) = refine(digits, discovered, 25, [Start(None, SIDES)])
    failures = [step.failure for step in new.history]
    assert np.mean(failures[-5:]) < np.mean(failures[:5]) - 0.1
    (again,) = refine(digits, discovered, 1, [Start(None, SIDES)])
    assert again.history[0] == new.history[0]


def test_a_budget_stops_all_tasks_at_the_same_step(digits, discovered):
    first, second = refine(digits, discovered, None, [Start(0, SIDES), Start(1, SIDES)], budget_seconds=0.01)
    assert first.meta_steps == second.meta_steps == 1


def test_side_log_probs_add_up_the_classes_of_a_side():
    logits, sides = torch.tensor([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0]]), torch.tensor([1, -1, 1])
    probs = logits.softmax(dim=1)
    expected = torch.stack([probs[:, 1], probs[:, 0] + probs[:, 2]], dim=1)
    torch.testing.assert_close(side_log_probs(logits, sides).exp(), expected)


def test_sides_of_rows_and_of_outputs_are_those_of_the_classes():
    rows, outputs = assign_sides(torch.tensor([0, 1, 0]), torch.tensor([2, 0, 1]), torch.tensor([1, -1, -1]))
    assert rows.tolist() == [-1, 1, -1]
    assert outputs.tolist() == [-1, 1]


def test_rows_weigh_in_train_and_test_by_the_quantiles_of_the_sizes(digits):
    scores = torch.linspace(-3, 3, 1001)

    def weights(test, reserve):
        sizes = SelectionConfig("label", test, reserve)
        problem = pose_problem(bench_of(digits), CONFIG, selection=sizes)
        return weigh_rows(scores, problem)

    train, test = weights(0.5, 0.0)
    torch.testing.assert_close(train, 2 * torch.sigmoid(10 * scores), atol=1e-3, rtol=0)
    torch.testing.assert_close(train + test, torch.full_like(scores, 2.0), atol=1e-3, rtol=0)
    train, test = weights(0.3, 0.2)  # train 0.5
    assert train[600:].min() > 1.9
    assert train[:400].max() < 0.1
    assert test[:200].min() > 1.7
    assert test[400:].max() < 0.1
    assert (train + test)[350:450].min() < 0.1  # the reserve weighs nothing
    assert float(test.sum() / train.sum()) == pytest.approx(0.6, abs=0.02)
    train, _ = weights(0.2, 0.0)  # train 0.8, so part of it lies on the other side
    assert train[300:].min() > 1.2


def test_by_the_rule_equality_a_row_is_parted_at_zero_wherever_the_quantiles_lie(digits):
    sizes = SelectionConfig("label", rule="equality")
    scores = torch.linspace(-0.4, 1.2, 801)  # three quarters of them above 0
    train, test = weigh_rows(scores, pose_problem(bench_of(digits), CONFIG, selection=sizes))
    share = torch.sigmoid(10 * scores)
    torch.testing.assert_close(train, share / share.mean())
    torch.testing.assert_close(test, (1 - share) / share.mean())
    assert float(train[200]) == pytest.approx(float(test[200]))  # the row with score 0


def test_a_snapshot_leaves_the_refinement_as_it_was(digits, discovered):
    problem = pose_problem(bench_of(digits), CONFIG, RefinementConfig(inner_steps=10))
    states = []
    for looks in (False, True):
        task = start_refinement(problem, START[0], discovered.encoder_state)
        for step in (1, 2, 3):
            run_steps(problem.bench, problem.refinement_loop, [task], Stop(step))
            if looks:
                snapshot_margins(problem.bench, task)
        states.append((task.history, snapshot_margins(problem.bench, task)[0]))
    assert states[0][0] == states[1][0]
    assert np.array_equal(states[0][1], states[1][1])


def test_a_network_lives_for_its_lifetime_and_learns_on(digits, discovered):
    problems = [
        pose_problem(bench_of(digits), CONFIG, RefinementConfig(inner_steps=20, lifetime=lifetime))
        for lifetime in (1, 3)
    ]
    networks = []
    for problem in problems:
        task = start_refinement(problem, START[0], discovered.encoder_state)
        seen = []
        for step in (1, 2, 3, 4):
            run_steps(problem.bench, problem.refinement_loop, [task], Stop(step))
            seen.append(task.networks[0])
        networks.append(seen)
    fresh, lasting = networks
    assert len({id(network) for network in fresh}) == 4
    assert lasting[0] is lasting[1] is lasting[2]
    assert lasting[3] is not lasting[2]


def test_a_network_goes_on_from_where_its_training_ended(digits, discovered, monkeypatch):
    seen = []

    def spy(networks, data, *args, **kwargs):
        seen.append((data, meta_gradient(networks, data, *args, **kwargs)))
        return seen[-1][1]

    monkeypatch.setattr("splitgen.tasks.meta.meta_gradient", spy)
    problem = pose_problem(bench_of(digits), CONFIG, RefinementConfig(inner_steps=20, lifetime=3))
    task = start_refinement(problem, START[0], discovered.encoder_state)
    run_steps(problem.bench, problem.refinement_loop, [task], Stop(1))
    (data, meta) = seen[0]
    torch.testing.assert_close(task.networks[0](data.held_out), meta.logits[0])


def test_a_network_with_frozen_weights_goes_on_with_the_others(digits, discovered):
    def build(n_classes, in_channels, image_size):
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.SiLU(), nn.Linear(16, n_classes))
        network[1].weight.requires_grad_(False)
        return network

    bench = make_bench(digits, ModelFactory("frozen", build))
    problem = pose_problem(bench, CONFIG, RefinementConfig(inner_steps=20, lifetime=3))
    task = start_refinement(problem, START[0], discovered.encoder_state)
    run_steps(bench, problem.refinement_loop, [task], Stop(1))
    fresh = bench.build(len(task.objective.output_sides), stream_seed(bench.seed, "refine", 0))
    assert torch.equal(task.networks[0][1].weight, fresh[1].weight)
    assert not torch.equal(task.networks[0][3].weight, fresh[3].weight)


def test_new_tasks_differ_by_their_draw(digits, discovered):
    first, second = refine(digits, discovered, 1, [Start(None, SIDES), Start(None, SIDES, draw=1)])
    assert not np.array_equal(first.margins, second.margins)


def test_the_adjoint_holds_for_weighted_labels_of_ten_classes(digits):
    """Soft labels that do not sum to one: the cross-entropy is linear in them."""
    images = bench_of(digits).batch(torch.arange(digits.n_points)).double()
    generator = torch.Generator().manual_seed(0)
    rows = torch.randperm(1280, generator=generator).view(20, 64)
    weights = 2 * torch.rand(20, 64, 1, generator=generator).double()
    soft_labels = weights * F.one_hot(torch.from_numpy(digits.labels)[rows], 10)
    data = InnerData([images[row] for row in rows], soft_labels, images[1280:1500])
    sides = torch.from_numpy(SIDES)
    held_labels = soft_task_labels(torch.randn(220, generator=generator).double(), 5.0)

    def gradient(method: str) -> torch.Tensor:
        network = build_network(find_model("conv"), 10, (1, 8, 8), 4).double()
        objective = lambda logits: soft_cross_entropy(side_log_probs(logits[0], sides), held_labels)  # noqa: E731
        found = meta_gradient([network], data, objective, learning_rate=0.1, method=method, epsilon=1e-5)
        return found.soft_label_grad.flatten()

    rough, exact = gradient("one-sided"), gradient("exact")
    assert float(torch.cosine_similarity(rough, exact, dim=0)) > 0.999
    assert abs(float(rough.norm() / exact.norm()) - 1) < 0.01


def test_the_average_leans_to_recent_weights(digits):
    encoder = build_encoder(bench_of(digits), CONFIG.for_images(8))
    average = average_weights(encoder)
    values = [1.0, 5.0, -2.0, 4.0]
    expected = 0.0
    for step, value in enumerate(values, start=1):
        with torch.no_grad():
            encoder.projection.weight.fill_(value)
        average.update_parameters(encoder)
        share = (AVERAGING + 1) / (step + AVERAGING)
        expected = (1 - share) * expected + share * value
    torch.testing.assert_close(average.module.projection.weight, torch.full_like(encoder.projection.weight, expected))


def test_a_loaded_encoder_is_the_one_that_was_saved(digits, discovered):
    encoder = load_encoder(bench_of(digits), CONFIG.for_images(8), discovered.encoder_state)
    one = encoder.keep_task(1)
    assert one.directions.shape == (1, 3)
    torch.testing.assert_close(one.directions[0], discovered.encoder_state["directions"][1])


def test_an_encoder_of_other_settings_is_refused_in_one_line(digits, discovered):
    config = DiscoveryConfig(n_tasks=2).for_images(8)
    with pytest.raises(SettingError, match="not one of dim 2, n_tasks 2"):
        load_encoder(bench_of(digits), config, discovered.encoder_state)
