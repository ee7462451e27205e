"""What the stages of a run share out among them."""

from __future__ import annotations

import pytest

from splitgen.models.registry import find_model
from splitgen.runs.run import open_run, share_budget
from splitgen.screen.console import Screen
from splitgen.settings.layers import build_config
from splitgen.settings.stop import Stop


def open_digits(budget=None, **refinement):
    config = build_config({"refinement": refinement})
    return open_run(config, find_model("conv"), Screen(quiet=True), "cpu", None, "make", budget_seconds=budget)


@pytest.mark.parametrize(
    ("refinement", "budget", "discovery", "rest"),
    [
        ({}, 100.0, Stop(None, 30.0), Stop(None, 70.0)),
        ({"budget_share": 0.2}, 100.0, Stop(None, 80.0), Stop(None, 20.0)),
        ({"meta_steps": 0}, 100.0, Stop(None, 100.0), Stop(0)),
        ({"meta_steps": 9}, 100.0, Stop(None, 30.0), Stop(9, 70.0)),
        ({}, None, Stop(24), Stop(35)),
    ],
    ids=["refinement's share is the larger", "a share", "no refinement", "steps beside it", "no budget: by size"],
)
def test_a_budget_is_shared_and_is_the_only_stop_where_no_steps_are_given(refinement, budget, discovery, rest):
    stops = share_budget(open_digits(budget, **refinement))
    for found, wanted in ((stops.discovery, discovery), (stops.refinement, rest)):
        assert found.meta_steps == wanted.meta_steps
        assert found.seconds == (wanted.seconds if wanted.seconds is None else pytest.approx(wanted.seconds))


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
