"""What the stages of a run share out among them."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import replace

import pytest

from splitgen.models.pace import Pace
from splitgen.models.registry import find_model
from splitgen.runs.budget import FIXED_SECONDS
from splitgen.runs.fitting import foretell_least
from splitgen.runs.forecast import foretell_chosen_agreement
from splitgen.runs.run import list_changes, open_run, tell_chosen
from splitgen.runs.split import bound_agreement
from splitgen.runs.stages import MAKE, SPLIT, begin
from splitgen.screen.console import Screen
from splitgen.screen.outlook import tell_seconds
from splitgen.settings.layers import build_config
from splitgen.settings.stages import RunConfig
from splitgen.settings.stop import Stop


def open_digits(budget=None, **refinement):
    config = build_config({"refinement": refinement})
    return open_run(config, find_model("conv"), Screen(quiet=True), "cpu", None, "make", budget_seconds=budget)


def test_steps_that_a_budget_leaves_open_are_recorded_as_open():
    recorded = open_digits(100.0).record["config"]
    assert (recorded["discovery"]["meta_steps"], recorded["refinement"]["meta_steps"]) == (None, None)
    assert recorded["discovery"]["batch_size"] == 128  # the rest is filled in


def test_a_stop_foretells_by_whichever_comes_first():
    assert Stop(10).foretell(5, 20.0) == 20.0
    assert Stop(10, 30.0).foretell(5, 20.0) == 10.0
    assert Stop(None, 30.0).foretell(5, 40.0) == 0.0
    assert Stop(3, 30.0).after(10.0) == Stop(3, 20.0)
    assert (Stop(10).progress(4, 9.0), Stop(10, 30.0).progress(4, 9.0)) == (4, 9.0)


def test_settings_that_were_chosen_are_told_apart_from_those_asked_for():
    run = open_digits(100.0)
    assert "chosen" not in run.record
    run.settle(search=dataclasses.replace(run.config.search, rows=(9, 8)))
    assert run.record["chosen"] == {"search": {"rows": (9, 8)}}
    assert (run.asked.search.rows, run.config.search.rows) == ((4_000, 12_000), (9, 8))
    assert run.record["config"]["search"]["rows"] == (4_000, 12_000)


def test_a_file_tells_what_was_chosen_of_the_stages_that_it_depends_on_but_for_steps_which_it_tells_by_themselves():
    run = open_digits(100.0)
    assert tell_chosen(run, "refinement", "search") == {}
    run.settle(refinement=dataclasses.replace(run.config.refinement, meta_steps=5))
    run.settle(search=dataclasses.replace(run.config.search, test_rows=7))
    assert tell_chosen(run, "refinement", "search") == {"chosen": {"search": {"test_rows": 7}}}
    assert tell_chosen(run, "agreement") == {}
    run.settle(refinement=dataclasses.replace(run.config.refinement, new_tasks=0))
    assert tell_chosen(run, "refinement") == {"chosen": {"refinement": {"new_tasks": 0}}}


def test_changes_are_nested_and_none_is_a_value():
    before = {"a": 1, "b": {"c": None, "d": 2}, "e": {"f": 3}}
    assert list_changes(before, before) == {}
    assert list_changes(before, {"a": 1, "b": {"c": 4, "d": 2}, "e": {"f": None}}) == {"b": {"c": 4}, "e": {"f": None}}


def test_a_budget_is_shared_by_its_own_stages_and_the_verification_comes_after_it():
    run = open_digits(100.0)
    run.verify_seconds = 50.0
    begin(run, MAKE, 2)
    named = ["discover", "agreement", "search", "tangent", "refine", "final", "agreement of the chosen"]
    assert list(run.clock.shares) == named
    assert 95 < sum(run.clock.shares.values()) <= 100
    assert run.screen.outlook is not None
    assert list(run.screen.outlook.planned) == [*run.clock.shares, "verify"]
    assert run.screen.outlook.bounded == set(run.clock.shares)


def plan_with(pace, budget):
    run = open_run(RunConfig(), find_model("conv"), Screen(), "cpu", None, "make", budget_seconds=budget)
    run.__dict__["pace"] = pace
    begin(run, MAKE, 2)
    return run


def test_a_budget_below_the_least_that_its_stages_take_is_said_to_be_short(capsys):
    run = plan_with(SLOW, 100.0)
    told = " ".join(capsys.readouterr().err.split())
    least = foretell_least(SLOW, run.sizes, run.dataset.n_points, run.config, list(run.clock.shares), 2)
    assert run.clock.shares == pytest.approx(least)
    assert f"the budget of 2 min is short: the smallest stages of this model take about {tell(least)}" in told
    assert f"about {tell(least)} in all" in told
    assert run.screen.outlook.until - time.monotonic() == pytest.approx(sum(least.values()), abs=5)


def test_every_stage_of_a_budget_is_given_the_least_that_it_takes(capsys):
    """A search that takes a half of the time had a tenth of it."""
    run = plan_with(SLOW, 1_500.0)
    told = " ".join(capsys.readouterr().err.split())
    least = foretell_least(SLOW, run.sizes, run.dataset.n_points, run.config, list(run.clock.shares), 2)
    assert "short" not in told
    assert "25 min of the budget are left" in told
    assert sum(run.clock.shares.values()) == pytest.approx(1_500, abs=5)
    assert all(run.clock.shares[stage] >= 0.999 * least[stage] for stage in least)
    assert run.clock.shares["agreement"] == pytest.approx(least["agreement"])


@pytest.mark.parametrize(("stages", "is_smaller"), [(SPLIT, True), (MAKE, False)])
def test_the_chosen_task_is_scored_on_fewer_rows_where_its_own_time_is_short_and_no_others_were(stages, is_smaller):
    """`splitgen split --budget 1m` scored it on all rows, however long a large model took."""
    run = open_run(RunConfig(), find_model("conv"), Screen(quiet=True), "cpu", None, "split", budget_seconds=100.0)
    run.__dict__["pace"] = SLOW
    begin(run, stages, 2)
    bound_agreement(run)
    config = run.config.agreement
    found = foretell_chosen_agreement(SLOW, 1_797, config, run.config.training)
    assert (config.max_rows < 1_797) == is_smaller
    assert (found <= 100) == is_smaller


def tell(seconds):
    return tell_seconds(sum(seconds.values()))


SLOW = Pace(step_seconds=1.0, row_seconds=0.0, batch_size=128, workers=2)
FAST = Pace(step_seconds=1e-3, row_seconds=0.0, batch_size=128, workers=2)
STEPS = {"discovery": {"meta_steps": 24}, "refinement": {"meta_steps": 35}}


@pytest.mark.parametrize(
    ("pace", "given", "budget", "is_smaller"),
    [
        (SLOW, {}, None, True),
        (FAST, {}, None, False),
        (SLOW, {"discovery": STEPS["discovery"]}, None, False),
        (SLOW, {"refinement": STEPS["refinement"]}, None, False),
        (SLOW, {}, 100.0, False),
    ],
)
def test_a_run_that_nobody_bounds_is_made_smaller_where_the_machine_is_slow(pace, given, budget, is_smaller):
    run = open_run(
        build_config(given), find_model("conv"), Screen(quiet=True), "cpu", None, "make", budget_seconds=budget
    )
    run.__dict__["pace"] = pace
    before = run.config
    begin(run, MAKE, 2)
    if not is_smaller:
        assert run.config == before
        assert "chosen" not in run.record
        return
    assert run.config.discovery.meta_steps == run.config.refinement.meta_steps == 4
    assert run.record["chosen"]["discovery"] == {"meta_steps": 4}
    assert run.record["config"]["discovery"]["meta_steps"] == before.discovery.meta_steps == 24
    assert run.config.verification == before.verification


@pytest.mark.parametrize("step_seconds", [0.002, 0.004, 0.006, 0.007, 0.008, 0.01])
def test_a_run_that_nobody_bounds_is_foretold_to_take_no_longer_than_its_data_is_worth(step_seconds):
    """It was left whole where it took a quarter longer: Fashion-MNIST took eleven minutes for ten."""
    run = open_run(RunConfig(), find_model("conv"), Screen(), "cpu", None, "make")
    run.__dict__["pace"] = replace(FAST, step_seconds=step_seconds, look_seconds=3e-5)
    begin(run, MAKE, 2)
    assert sum(run.screen.outlook.planned.values()) <= 60 - FIXED_SECONDS + 1e-6


@pytest.mark.parametrize("chosen", [{}, {"refinement": {"meta_steps": 5}}])
def test_a_run_that_is_repeated_is_not_planned_again(chosen):
    run = open_run(RunConfig(), find_model("conv"), Screen(quiet=True), "cpu", None, "make", chosen=chosen)
    run.__dict__["pace"] = SLOW
    before = run.config
    begin(run, MAKE, 2)
    assert run.config == before


def test_where_nobody_is_told_and_steps_are_given_nothing_is_measured():
    run = open_digits(meta_steps=3)
    begin(run, MAKE, 2)
    assert "pace" not in run.__dict__
    assert "foretold_seconds" not in run.record
