"""The stages in which the best candidate is found: what takes part in them, and what the record tells."""

from __future__ import annotations

import numpy as np
import pytest

from splitgen import find_model
from splitgen.models.linearization import GradientError
from splitgen.runs.budget import Clock
from splitgen.runs.finding import make_search_space, run_final, run_search, run_tangent
from splitgen.runs.run import open_run
from splitgen.screen.console import Screen
from splitgen.settings.layers import build_config

SMALL = {"tangent": {"starts": 2, "steps": [2], "rows": [60], "keep": []}}


def open_small(settings, quiet=True):
    settings = {"training": {"epochs": 2}, "search": {"rows": [60], "keep": []}, **SMALL, **settings}
    run = open_run(build_config(settings), find_model("mlp"), Screen(quiet=quiet), "cpu", None, "split")
    return run, make_search_space(run, np.zeros((1797, 1), np.float32))


def test_new_tasks_come_of_the_tangent_space_for_few_datapoints():
    run, space = open_small({})
    found = run_tangent(run, space, [np.array([1, -1] * 5)])
    assert [(task.name, len(task.test_accuracies)) for task in found] == [("tangent task 0", 1), ("tangent task 1", 1)]
    assert "tangent" in run.record["seconds"]


@pytest.mark.parametrize(
    "given", [{"refinement": {"meta_steps": 0}}, {"search": {"task": 0}}, {"tangent": {"starts": 0}}]
)
def test_there_are_none_where_no_new_task_is_wanted(given):
    run, space = open_small(given)
    assert run.config.tangent.starts == 0
    assert run_tangent(run, space, [np.array([1, -1] * 5)]) == []


def test_a_model_without_a_tangent_space_does_without_its_tasks(monkeypatch, capsys):
    def refuse(*_):
        raise GradientError("gradients are NaN", "there is no tangent space")

    monkeypatch.setattr("splitgen.runs.finding.find_tangent_tasks", refuse)
    run, space = open_small({}, quiet=False)
    assert run_tangent(run, space, [np.array([1, -1] * 5)]) == []
    assert "no task of the tangent space: gradients are NaN" in capsys.readouterr().err


CUTS = [np.array([1, -1] * 5), np.array([1] * 5 + [-1] * 5)]


def test_the_best_of_the_search_are_judged_once_more():
    run, space = open_small({})
    ranked = run_search(run, space, CUTS)
    found = run_final(run, space, ranked)
    assert sorted(len(each.final_accuracies) for each in found) == [0, 2, 2, 2]
    assert {each.class_sides for each in found[:3]} == {each.class_sides for each in ranked[:3]}
    assert "final" in run.record["seconds"]


def test_candidates_are_as_they_were_where_no_last_judging_is_wanted_or_there_is_no_time_for_one():
    for settings, seconds in (({"search": {"rows": [60], "keep": [], "finalists": 0}}, None), ({}, 0.0)):
        run, space = open_small(settings)
        ranked = run_search(run, space, CUTS)
        run.clock = Clock(seconds, {"final": 0.0})
        assert run_final(run, space, ranked) == ranked
        assert "final" not in run.record["seconds"]
        assert run.config.search.finalists == 0
    assert run.record["chosen"]["search"] == {"finalists": 0}
