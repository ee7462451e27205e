"""A budget is shared by stages, to none more than it can use, nor less than it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitgen.runs.budget import FIXED_SECONDS, Clock, default_seconds, share_out, share_seconds
from splitgen.settings.layers import build_config

STAGES = ("discover", "agreement", "search", "tangent", "refine", "sharpen", "final", "agreement of the chosen")


def share(config=None, stages=STAGES):
    return share_out(build_config(config or {}), stages)


def test_discovery_and_refinement_share_what_is_theirs_as_the_setting_says():
    shares = share()
    assert list(shares) == list(STAGES)
    assert sum(shares.values()) - shares["tangent"] == pytest.approx(1)  # that is for few points, sharpening for many
    assert shares["refine"] / shares["discover"] == pytest.approx(0.7 / 0.3)
    fewer = share({"refinement": {"budget_share": 0.2}})
    assert fewer["refine"] / fewer["discover"] == pytest.approx(0.2 / 0.8)


def test_stages_that_are_left_out_have_no_share():
    shares = share({"refinement": {"meta_steps": 0}, "sharpening": {"rounds": 0}, "tangent": {"starts": 0}})
    assert list(shares) == ["discover", "agreement", "search", "final", "agreement of the chosen"]
    assert "final" not in share({"search": {"finalists": 0}})


@pytest.mark.parametrize(
    ("most", "least", "expected"),
    [
        ({}, {}, {"a": 10, "b": 20, "c": 30}),
        ({"b": 5}, {}, {"a": 13.75, "b": 5, "c": 41.25}),
        ({"b": 5, "c": 40}, {}, {"a": 15, "b": 5, "c": 40}),
        ({"a": 1, "b": 1, "c": 1}, {}, {"a": 1, "b": 1, "c": 1}),
        ({"a": 100}, {}, {"a": 10, "b": 20, "c": 30}),
        ({}, {"a": 35}, {"a": 35, "b": 10, "c": 15}),
        ({}, {"a": 35, "b": 15}, {"a": 35, "b": 15, "c": 10}),
        ({"c": 20}, {"a": 35}, {"a": 35, "b": 10, "c": 15}),  # what the first costs brings the last below its most
        ({"c": 10}, {"a": 25}, {"a": 25, "b": 25, "c": 10}),
        ({"c": 5}, {"a": 15}, {"a": 18 + 1 / 3, "b": 36 + 2 / 3, "c": 5}),  # and what the last saves feeds the first
        ({}, {"a": 50, "b": 50, "c": 0}, {"a": 50, "b": 50, "c": 0}),
    ],
)
def test_no_stage_is_given_more_than_it_can_use_nor_less_than_it_takes_and_the_others_have_the_rest(
    most, least, expected
):
    found = share_seconds(60.0, {"a": 1, "b": 2, "c": 3}, most, least)
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)


def share_by_bisection(seconds, shares, most, least):
    """Twin: the unit of time at which the bounded parts add up."""
    low, high = 0.0, 1e6
    for _ in range(100):
        unit = (low + high) / 2
        parts = {name: max(least[name], min(most[name], unit * share)) for name, share in shares.items()}
        low, high = (unit, high) if sum(parts.values()) < seconds else (low, unit)
    return parts


@given(
    bounds=st.lists(
        st.tuples(st.floats(0.1, 10), st.floats(0, 100), st.floats(0, 100)).map(
            lambda each: (each[0], *sorted(each[1:]))
        ),
        min_size=1,
        max_size=6,
    ),
    where=st.floats(0.0, 1.0),
)
def test_shares_with_bounds_are_those_of_one_unit_of_time(bounds, where):
    shares, least, most = ({number: each[k] for number, each in enumerate(bounds)} for k in range(3))
    seconds = sum(least.values()) + where * (sum(most.values()) - sum(least.values()))
    found = share_seconds(seconds, shares, most, least)
    assert sum(found.values()) == pytest.approx(seconds, abs=1e-6)
    assert found == pytest.approx(share_by_bisection(seconds, shares, most, least), abs=1e-4)


def test_what_a_stage_saves_or_overruns_is_shared_by_those_after_it(monkeypatch):
    now = 100.0
    monkeypatch.setattr("splitgen.runs.budget.time.monotonic", lambda: now)
    clock = Clock(60.0, {"a": 1, "b": 2, "c": 3}, start=now)
    assert (clock.left, clock.allot("a")) == (60.0, 10.0)
    now = 105.0  # a took 5 of 10
    assert clock.allot("b") == pytest.approx(55 * 2 / 5)
    now = 150.0  # b took far too long
    assert clock.allot("c") == 10.0
    now = 200.0
    assert (clock.left, clock.allot("c")) == (0.0, 0.0)
    assert Clock(60.0, {"a": 0.0}, start=now).allot("a") == 0.0  # a budget that was over before it was shared
    assert clock.allot("d") is None  # not of this budget
    assert (Clock(None, {"a": 1}).left, Clock(None, {"a": 1}).allot("a")) == (None, None)


@pytest.mark.parametrize(
    ("n_values", "seconds"),
    [(1, 60), (120_000, 60), (12_000_000, 180), (47_000_000, 580), (150_000_000, 700), (10**12, 700)],
)
def test_the_default_time_goes_by_the_size_of_the_data(n_values, seconds):
    assert default_seconds(n_values) == pytest.approx(seconds - FIXED_SECONDS)
    assert default_seconds(n_values) <= default_seconds(2 * n_values) <= 2 * default_seconds(n_values)
