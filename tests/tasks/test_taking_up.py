"""Meta loops that are taken up between any two of their meta-steps end in the same tasks, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from recording import Recorder

from splitgen import DiscoveryConfig, RefinementConfig, discover_tasks, find_model, make_bench
from splitgen.keeping import Keeper, Slot
from splitgen.settings.stop import Stop
from splitgen.tasks.meta import run_steps, snapshot_margins, take_up
from splitgen.tasks.problem import pose_problem
from splitgen.tasks.refinement import Start, start_refinement

CONFIG = DiscoveryConfig(meta_steps=4, inner_steps=4, batch_size=16, pool_size=96, held_out_size=48, n_tasks=2, dim=3)
REFINEMENT = RefinementConfig(meta_steps=5, inner_steps=3, batch_size=16, pool_size=96, lifetime=2)


class RecordingKeeper(Keeper):
    def __init__(self, recorder):
        self.recorder = recorder

    def slot(self, name):
        return self.recorder if name == "discovery" else Slot()


def without_seconds(history):
    return [replace(step, elapsed_seconds=0.0) for step in history]


@pytest.mark.parametrize("model", ["conv", "mlp"])
def test_a_discovery_that_is_taken_up_finds_the_same_tasks(model, digits, tmp_path):
    bench = make_bench(digits, find_model(model), seed=2)
    whole = Recorder(tmp_path)
    expected = discover_tasks(replace(bench, keeper=RecordingKeeper(whole)), CONFIG)
    assert whole.n_kept == 5  # after each meta-step, and at the end
    for begin_with, n_kept in ((1, 4), (2, 3), (3, 2), (4, 0), (5, 0)):
        rest = Recorder(tmp_path, begin_with)
        found = discover_tasks(replace(bench, keeper=RecordingKeeper(rest)), CONFIG)
        assert rest.n_kept == n_kept
        np.testing.assert_array_equal(found.margins, expected.margins)
        assert without_seconds(found.history) == without_seconds(expected.history)
        assert found.stopped_by == expected.stopped_by
        for name, value in expected.encoder_state.items():
            assert torch.equal(found.encoder_state[name], value)
    assert found.history[-1].elapsed_seconds == expected.history[-1].elapsed_seconds  # which is taken up as well


@pytest.mark.parametrize("begin_with", [1, 2, 3, 4, 5])
def test_refinements_side_by_side_go_on_with_their_networks(begin_with, digits, tmp_path):
    """A network lives for two meta-steps, so that some of the states have one in the middle of its life."""
    bench = make_bench(digits, find_model("conv"), seed=2)
    problem = pose_problem(bench, CONFIG, REFINEMENT)
    state = discover_tasks(bench, CONFIG).encoder_state
    sides = np.where(np.arange(10) < 5, 1, -1)

    def start():
        starts = (Start(1, sides), Start(None, -sides))
        return [start_refinement(problem, each, state, name=str(which)) for which, each in enumerate(starts)]

    tasks = start()
    run_steps(bench, problem.refinement_loop, tasks, Stop(5), slot=Recorder(tmp_path))
    rest = start()[::-1]  # they are known by their names
    standing = take_up(rest, Recorder(tmp_path, begin_with))
    assert [len(task.history) for task in rest] == [begin_with, begin_with]
    assert standing.elapsed > 0
    run_steps(bench, problem.refinement_loop, rest, Stop(5))
    for task, other in zip(tasks, rest[::-1], strict=True):
        assert other.history == task.history
        np.testing.assert_array_equal(snapshot_margins(bench, other)[0], snapshot_margins(bench, task)[0])


def test_a_loop_that_its_budget_had_stopped_is_over(digits, tmp_path):
    bench = make_bench(digits, find_model("mlp"), seed=2)
    config = replace(CONFIG, meta_steps=None)
    expected = discover_tasks(replace(bench, keeper=RecordingKeeper(Recorder(tmp_path))), config, budget_seconds=0.01)
    assert expected.stopped_by == "budget"
    kept = Recorder(tmp_path, 1)
    found = discover_tasks(replace(bench, keeper=RecordingKeeper(kept)), config, budget_seconds=500.0)
    assert (found.stopped_by, found.meta_steps) == ("budget", expected.meta_steps)
    np.testing.assert_array_equal(found.margins, expected.margins)
