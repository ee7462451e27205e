"""The one meta loop, with an objective of the test's own: what it draws, when it stops, and that it goes downhill."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from splitgen import DiscoveryConfig, MemoryImages, RefinementConfig, discover_tasks, find_model, make_bench
from splitgen.settings.stop import Stop
from splitgen.tasks.encoder import build_encoder
from splitgen.tasks.meta import LoopSettings, View, draw_rows, init_task, run_steps, take_step
from splitgen.tasks.objectives.registry import OBJECTIVES
from splitgen.tasks.problem import pose_problem
from splitgen.tasks.terms import soft_task_labels

CONFIG = DiscoveryConfig(n_tasks=1, dim=1, encoder_width=8)
SETTINGS = LoopSettings(
    inner_steps=10,
    batch_size=32,
    pool_size=256,
    held_out_size=128,
    inner_learning_rate=0.1,
    meta_gradient="one-sided",
    epsilon=0.005,
    uniformity_weight=0.0,
    imbalance_weight=0.0,
    crowding_weight=0.0,
    crowding_width=0.5,
)


@pytest.fixture(scope="module")
def bench(digits):
    return make_bench(digits, find_model("conv"), seed=1)


class Certainty:
    """D: the entropy of one network's outputs, or of other networks' in turn. Nothing but trainings lead to it."""

    def __init__(self, bench, sees_twice=False):
        self.bench, self.sees_twice, self.calls = bench, sees_twice, []

    @property
    def turn(self):
        self.calls.append("turn")
        return contextlib.nullcontext()

    def look(self, task, rows):
        self.calls.append(f"look {'with' if torch.is_grad_enabled() else 'without'} graph")
        labels = self.bench.labels[rows.pool]
        embeddings = task.encoder(self.bench.batch(rows.pool), labels)
        margins = task.encoder.margins(embeddings)
        return View(embeddings, margins, labels, soft_task_labels(margins[:, 0], 1.0))

    def networks(self, task):
        self.calls.append("networks")
        return [self.bench.build(2, 5)]

    def keep(self, task, meta):
        self.calls.append("keep")
        assert meta.soft_label_grad.shape == (SETTINGS.inner_steps, SETTINGS.batch_size, 2)

    def value(self, logits, view):
        log_probs = logits[0].log_softmax(dim=1)
        return -(log_probs.exp() * log_probs).sum(dim=1).mean()

    def direct(self, logits, view):
        return 0.0

    def record(self, task, meta, penalties, seconds):
        self.calls.append("record")
        return meta.value


def start(bench, objective, seed=0, learning_rate=5e-3):
    torch.manual_seed(seed)
    encoder = build_encoder(bench, CONFIG)
    return init_task(objective, encoder, learning_rate, torch.Generator().manual_seed(seed))


def weights(encoder):
    return torch.cat([p.detach().flatten() for p in encoder.parameters()])


@pytest.mark.parametrize("sees_twice", [False, True])
def test_an_objective_from_outside_lowers_its_own_value(bench, sees_twice):
    task = start(bench, Certainty(bench, sees_twice))
    assert run_steps(bench, SETTINGS, [task], Stop(30)) == "meta-steps"
    assert len(task.history) == 30
    assert np.mean(task.history[-5:]) < np.mean(task.history[:5]) - 0.02


def test_the_other_way_round_it_rises(bench):
    """It is the objective that leads, and not what any training of an encoder would do."""

    class Doubt(Certainty):
        def value(self, logits, view):
            return -super().value(logits, view)

    up, down = start(bench, Doubt(bench)), start(bench, Certainty(bench))
    for task in (up, down):
        run_steps(bench, SETTINGS, [task], Stop(30))
    assert up.history[0] == pytest.approx(-down.history[0])
    assert -np.mean(up.history[-5:]) > np.mean(down.history[-5:]) + 0.02


@pytest.mark.parametrize("sign", [1, -1])
def test_what_the_objective_says_directly_moves_the_encoder_too(bench, sign):
    """Margins of the pool's rows are asked to follow the brightness, or the darkness; the trainings say nothing."""

    class Brightness(Certainty):
        def look(self, task, rows):
            brightness = self.bench.batch(rows.pool).mean(dim=(1, 2, 3))
            return replace(super().look(task, rows), judged=brightness)

        def value(self, logits, view):
            return 0.0 * logits[0].sum()

        def direct(self, logits, view):
            return -sign * torch.corrcoef(torch.stack([view.margins[:, 0], view.judged]))[0, 1]

        def record(self, task, meta, penalties, seconds):
            with torch.no_grad():
                view = self.look(task, draw_rows(self.bench, SETTINGS, torch.Generator().manual_seed(9)))
                return float(self.direct((), view))

    task = start(bench, Brightness(bench))
    run_steps(bench, SETTINGS, [task], Stop(30))
    assert task.history[-1] < -0.9


@pytest.mark.parametrize(
    ("sees_twice", "looks"),
    [(False, ["look with graph"]), (True, ["look without graph"])],
)
def test_a_step_calls_the_objective_in_order_and_holds_the_graph_in_its_turn(bench, sees_twice, looks):
    objective = Certainty(bench, sees_twice)
    task = start(bench, objective)
    take_step(bench, SETTINGS, time.monotonic(), task)
    again = ["look with graph"] if sees_twice else []
    assert objective.calls == [*looks, "networks", "keep", "turn", *again, "record"]


def test_a_penalty_is_kept_low_by_its_weight(bench):
    class Crowding(Certainty):
        def value(self, logits, view):
            return 0.0 * logits[0].sum()

        def record(self, task, meta, penalties, seconds):
            assert float(penalties.spread) == 0.0  # of one dimension
            return float(penalties.crowding.detach())

    found = []
    for weight in (0.0, 10.0):
        task = start(bench, Crowding(bench))
        run_steps(bench, replace(SETTINGS, crowding_weight=weight), [task], Stop(20))
        found.append(task.history)
    assert found[0][0] == found[1][0]
    assert np.mean(found[1][-5:]) < np.mean(found[0][-5:]) - 0.01


def test_tasks_side_by_side_are_as_each_alone_and_the_average_lags_the_encoder(bench):
    together = [start(bench, Certainty(bench), seed) for seed in (0, 1)]
    steps = []
    run_steps(bench, SETTINGS, together, Stop(3), on_step=steps.append)
    assert [len(step) for step in steps] == [2, 2, 2]
    assert steps == [list(pair) for pair in zip(*(task.history for task in together), strict=True)]
    for seed, task in enumerate(together):
        alone = start(bench, Certainty(bench), seed)
        run_steps(bench, SETTINGS, [alone], Stop(3))
        assert alone.history == task.history
        assert torch.equal(weights(alone.encoder), weights(task.encoder))
        assert not torch.equal(weights(task.average.module), weights(task.encoder))


def test_it_goes_on_from_where_it_stopped(bench):
    whole, parts = start(bench, Certainty(bench)), start(bench, Certainty(bench))
    run_steps(bench, SETTINGS, [whole], Stop(4))
    for mark in (1, 1, 3, 4):
        run_steps(bench, SETTINGS, [parts], Stop(mark))
        assert len(parts.history) == mark
    assert parts.history == whole.history
    assert torch.equal(weights(parts.average.module), weights(whole.average.module))


@pytest.mark.parametrize(("seconds", "n_steps"), [(1.0, 1), (24.0, 2), (26.0, 3), (34.0, 3)])
def test_a_deadline_ends_at_the_step_that_is_nearest_to_it(bench, monkeypatch, seconds, n_steps):
    """Steps of ten seconds each."""
    task, now = start(bench, Certainty(bench)), [0.0]

    def take_ten_seconds(bench, settings, start, task):
        now[0] += 10.0
        task.history.append(None)

    monkeypatch.setattr("splitgen.tasks.meta.time.monotonic", lambda: now[0])
    monkeypatch.setattr("splitgen.tasks.meta.take_step", take_ten_seconds)
    assert run_steps(bench, SETTINGS, [task], Stop(None, seconds)) == "budget"
    assert len(task.history) == n_steps


@pytest.mark.parametrize("meta_steps", [50, None])
def test_a_deadline_that_is_past_stops_after_one_step(bench, meta_steps):
    tasks = [start(bench, Certainty(bench), seed) for seed in (0, 1)]
    assert run_steps(bench, SETTINGS, tasks, Stop(meta_steps, -1.0)) == "budget"
    assert [len(task.history) for task in tasks] == [1, 1]


def test_a_deadline_stops_at_the_nearest_step_and_a_far_one_does_not(bench):
    task, seen = start(bench, Certainty(bench)), []
    began = time.monotonic()
    assert run_steps(bench, SETTINGS, [task], Stop(None, 1.0), seen.append) == "budget"
    assert len(task.history) == len(seen) >= 1
    taken = time.monotonic() - began
    assert taken * (1 + 0.5 / len(seen)) >= 1.0
    assert run_steps(bench, SETTINGS, [start(bench, Certainty(bench))], Stop(1, 600.0)) == "meta-steps"


def test_pool_and_held_out_are_disjoint_and_every_pass_is_a_new_order_of_the_pool(bench):
    settings = replace(SETTINGS, inner_steps=20, pool_size=200)
    rows = draw_rows(bench, settings, torch.Generator().manual_seed(0))
    assert (len(rows.pool), rows.batches.shape, len(rows.held_out)) == (200, (20, 32), 128)
    both = torch.cat([rows.pool, rows.held_out])
    assert len(both.unique()) == 328
    assert 0 <= int(both.min()) <= int(both.max()) < bench.n_points
    passes = rows.batches.flatten().split(200)
    assert [len(each) for each in passes] == [200, 200, 200, 40]
    for each in passes[:3]:
        assert torch.equal(each.sort().values, torch.arange(200))
    assert len(passes[3].unique()) == 40
    assert not torch.equal(passes[0], passes[1])


def test_the_generator_fixes_the_draws_and_each_step_has_its_own(bench):
    one, other = torch.Generator().manual_seed(4), torch.Generator().manual_seed(4)
    first, again, second = (draw_rows(bench, SETTINGS, generator) for generator in (one, other, one))
    for name in ("pool", "batches", "held_out"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.equal(getattr(first, name), getattr(second, name))


def test_every_row_comes_into_the_pool_and_is_held_out_alike(bench):
    generator, n = torch.Generator().manual_seed(0), bench.n_points
    pools, held = torch.zeros(n), torch.zeros(n)
    for _ in range(400):
        rows = draw_rows(bench, SETTINGS, generator)
        pools[rows.pool] += 1
        held[rows.held_out] += 1
    for counts, size in ((pools, 256), (held, 128)):
        share = size / n
        deviation = (counts - 400 * share) / (400 * share * (1 - share)) ** 0.5
        assert abs(float(deviation.square().mean()) - 1) < 0.2  # binomial
        assert counts.min() >= 1


def test_few_rows_are_parted_into_a_quarter_held_out_and_the_pool(digits, bench):
    few = replace(digits, images=MemoryImages(digits.images.pixels[:100]), labels=digits.labels[:100])
    small = make_bench(few, bench.model)
    settings = pose_problem(bench, DiscoveryConfig(batch_size=32, inner_steps=80)).discovery_loop
    rows = draw_rows(small, settings, torch.Generator().manual_seed(0))
    assert (len(rows.pool), len(rows.held_out)) == (75, 25)
    assert torch.cat([rows.pool, rows.held_out]).sort().values.tolist() == list(range(100))
    assert rows.batches.shape == (80, 32)
    assert int(rows.batches.max()) < 75


def test_the_loops_settings_are_those_of_discovery_with_the_stages_own(bench):
    config = DiscoveryConfig(
        uniformity_weight=2.0, crowding_weight=3.0, held_out_size=77, epsilon=0.01, batch_size=21, inner_steps=22
    )
    problem = pose_problem(bench, config, RefinementConfig(batch_size=11, inner_steps=12, pool_size=13))
    for settings in (problem.discovery_loop, problem.refinement_loop):
        assert (settings.uniformity_weight, settings.crowding_weight, settings.held_out_size) == (2.0, 3.0, 77)
        assert settings.epsilon == 0.01
    found = [(s.batch_size, s.inner_steps, s.pool_size) for s in (problem.discovery_loop, problem.refinement_loop)]
    assert found == [(21, 22, 1024), (11, 12, 13)]


def test_an_objective_from_outside_is_one_entry_and_discovery_goes_by_it(bench, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "certainty", lambda problem, class_sides: Certainty(problem.bench))
    found = discover_tasks(bench, replace(CONFIG, meta_steps=3, inner_steps=10, batch_size=32), objective="certainty")
    assert len(found.history) == 3
    assert all(0 < entropy <= np.log(2) for entropy in found.history)  # what this objective measures, in nats
    assert found.margins.shape == (bench.n_points, 1)
