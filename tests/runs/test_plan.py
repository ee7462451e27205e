"""A budget is shared by stages, and each is made as large as its share allows by a pace that was measured."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from known_pace import CUTS, PACE, RECIPE, SIZES

from splitgen.runs.forecast import (
    foretell_agreement,
    foretell_refinement,
    foretell_search,
    foretell_sharpening,
    foretell_stages,
)
from splitgen.runs.plan import (
    FEWEST_ROWS,
    FEWEST_TEST_ROWS,
    FIXED_SECONDS,
    SMALLER,
    STEPS,
    Clock,
    choose_sizes,
    default_seconds,
    fit_agreement,
    fit_new_tasks,
    fit_search,
    fit_sharpening,
    fit_steps,
    fit_verification,
    foretell_least,
    share_out,
    share_seconds,
)
from splitgen.settings.layers import build_config
from splitgen.settings.presets import settled
from splitgen.settings.stages import (
    AgreementConfig,
    RefinementConfig,
    SearchConfig,
    SharpeningConfig,
    VerificationConfig,
)

STAGES = ("discover", "agreement", "search", "refine", "sharpen", "agreement of the chosen")


def share(config=None, stages=STAGES):
    return share_out(build_config(config or {}), stages)


def test_discovery_and_refinement_share_what_is_theirs_as_the_setting_says():
    shares = share()
    assert list(shares) == list(STAGES)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["refine"] / shares["discover"] == pytest.approx(0.7 / 0.3)
    fewer = share({"refinement": {"budget_share": 0.2}})
    assert fewer["refine"] / fewer["discover"] == pytest.approx(0.2 / 0.8)


def test_stages_that_are_left_out_have_no_share():
    shares = share({"refinement": {"meta_steps": 0}, "sharpening": {"rounds": 0}})
    assert list(shares) == ["discover", "agreement", "search", "agreement of the chosen"]


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
    monkeypatch.setattr("splitgen.runs.plan.time.monotonic", lambda: now)
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


@pytest.mark.parametrize("seconds", [0.0, 3.0, 9.0, 12.0, 1e6, None])
def test_rows_are_as_many_as_the_time_allows(seconds):
    agreement, search = AgreementConfig(max_rows=9_000), SearchConfig(rows=(1_000, 4_000), keep=(3,))
    scored = fit_agreement(seconds, PACE, 10_000, 1, agreement, RECIPE)
    searched = fit_search(seconds, PACE, SIZES, 2, CUTS, search, RECIPE)
    if seconds is None or seconds > 1_000:
        assert (scored, searched) == (agreement, search)
        return
    for config, rows, foretold in (
        (scored, scored.max_rows, foretell_agreement(PACE, 10_000, 1, scored, RECIPE)),
        (searched, searched.rows[-1], foretell_search(PACE, SIZES, 2, CUTS, searched, RECIPE)),
    ):
        assert config not in (agreement, search)
        assert foretold <= seconds or rows == FEWEST_ROWS


def test_the_confusion_has_fewer_rows_with_the_search_and_none_gains_any():
    """It was left at 10,000 rows, which took a large network longer than its whole search."""
    whole = SearchConfig(rows=(300, 4_000), keep=(3,))
    found = [fit_search(float(seconds), PACE, SIZES, 2, CUTS, whole, RECIPE) for seconds in range(14, -1, -1)]
    confused = [config.confusion_rows for config in found]
    assert confused == sorted(confused, reverse=True)
    assert max(confused) == whole.confusion_rows
    assert min(confused) < FEWEST_ROWS / SMALLER  # of those of as many full batches, the most
    assert {config.rows[0] for config in found if len(config.rows) == 2} == {300}


def test_a_search_of_too_little_time_for_two_rounds_has_one_of_as_many_rows_as_fit():
    """Two rounds on the same 500 rows judged a candidate twice by the same measure."""
    whole = SearchConfig(rows=(1_000, 4_000), keep=(3,))
    found = [fit_search(seconds / 10, PACE, SIZES, 1, CUTS, whole, RECIPE) for seconds in range(100, -1, -1)]
    rounds = [len(config.rows) for config in found]
    assert rounds == sorted(rounds, reverse=True)
    assert set(rounds) == {1, 2}
    alone = [config.rows for config in found if len(config.rows) == 1]
    assert alone[0] > (FEWEST_ROWS,)
    assert (found[-1].rows, found[-1].keep, found[-1].test_rows) == ((FEWEST_ROWS,), (), FEWEST_TEST_ROWS)


@pytest.mark.parametrize(("seconds", "new_tasks"), [(None, 3), (1e6, 3), (21.0, 3), (19.0, 1), (11.0, 1), (9.0, 0)])
def test_a_refinement_begins_as_many_new_tasks_as_its_judging_leaves_time_for(seconds, new_tasks):
    """Judged two at a time, for five seconds each; half of the time is to be left."""
    refinement, search = RefinementConfig(candidates=1, new_tasks=3), SearchConfig(rows=(5_000,), keep=())
    found = fit_new_tasks(seconds, PACE, SIZES, refinement, search, RECIPE)
    assert found == replace(refinement, new_tasks=new_tasks)
    alone = fit_new_tasks(seconds, PACE, SIZES, replace(refinement, candidates=0), search, RECIPE)
    assert settled(alone.new_tasks) == max(1, alone.new_tasks)


def test_the_least_that_stages_take_is_that_of_the_smallest():
    config = build_config({"refinement": {"new_tasks": 3, "inner_steps": 80, "first_round": 35, "pool_size": 1024}})
    config = replace(
        config,
        training=replace(config.training, steps=1_000),
        discovery=replace(config.discovery, inner_steps=80, batch_size=50),
        sharpening=replace(config.sharpening, rounds=4),
    )
    least = foretell_least(PACE, SIZES, 10_000, config, list(share_out(config, STAGES)), 1)
    smallest = replace(config.search, rows=(500,), keep=(), confusion_rows=500, test_rows=1_000)
    assert least["search"] == foretell_search(PACE, SIZES, 1, CUTS, smallest, config.training)
    assert least["agreement"] == foretell_agreement(
        PACE, 10_000, 1, replace(config.agreement, max_rows=500), config.training
    )
    assert least["sharpen"] == 0
    alone = replace(config, search=smallest, refinement=replace(config.refinement, new_tasks=0))
    assert least["refine"] == foretell_refinement(PACE, SIZES, 10_000, alone, STEPS[0])


def test_a_sharpening_loses_late_rounds_first_and_all_of_it_last():
    whole = SharpeningConfig(rounds=4, folds=2, networks=3, candidates=2)

    def fit(seconds):
        return fit_sharpening(seconds, PACE, SIZES, 10_000, whole, SearchConfig(), RECIPE)

    assert fit(None) == fit(1e6) == whole
    found = [fit(seconds) for seconds in range(400, -1, -1)]
    sizes = [(config.rounds, config.networks, config.candidates) for config in found]
    assert [size for size, _ in itertools.groupby(sizes)] == [
        *[(4, 3, 2), (3, 3, 2), (2, 3, 2), (2, 3, 1), (2, 2, 1), (2, 1, 1), (1, 1, 1), (0, 3, 2)]
    ]
    for seconds, config in zip(range(400, -1, -1), found, strict=True):
        assert foretell_sharpening(PACE, SIZES, 10_000, config, SearchConfig(), RECIPE) <= seconds


def test_a_verification_has_fewer_seeds_and_then_fewer_rows():
    whole = VerificationConfig(seeds=3)

    def fit(seconds):
        return fit_verification(seconds, PACE, SIZES, whole, RECIPE)

    assert fit(None) == fit(1_000) == whole
    assert fit(20) == replace(whole, seeds=2)
    assert fit(14) == replace(whole, max_rows=5_000)
    assert fit(0) == replace(whole, seeds=2, max_rows=600)  # as small as it can be
    assert fit_verification(0, PACE, SIZES, VerificationConfig(seeds=2, max_rows=2_000), RECIPE).max_rows == FEWEST_ROWS


@pytest.mark.parametrize(
    ("n_pixels", "seconds"), [(1, 60), (120_000, 60), (1_000_000, 180), (50_000_000, 600), (10**12, 600)]
)
def test_the_default_time_goes_by_the_size_of_the_data(n_pixels, seconds):
    assert default_seconds(n_pixels) == pytest.approx(seconds - FIXED_SECONDS)
    assert default_seconds(n_pixels) <= default_seconds(2 * n_pixels) <= 2 * default_seconds(n_pixels)


@pytest.mark.parametrize(("seconds", "steps"), [(0, 4), (4, 4), (11.9, 8), (12, 12), (34, 32), (35, 35), (1e9, 35)])
def test_the_most_meta_steps_that_fit_are_of_a_few_numbers(seconds, steps):
    """At a second a meta-step: so a pace that is measured a little otherwise gives the same run."""
    assert fit_steps(seconds, 35, float) == steps


def test_never_more_meta_steps_are_chosen_than_asked_for():
    assert (fit_steps(0, 3, float), fit_steps(1e9, 3, float)) == (3, 3)


@pytest.mark.parametrize("seconds", [0.0, 100.0, 400.0, 1e9])
def test_sizes_are_chosen_that_are_foretold_to_fit(seconds):
    config = build_config(
        {
            "discovery": {"n_tasks": 1, "dim": 1, "meta_steps": 40, "batch_size": 50, "inner_steps": 80},
            "refinement": {"meta_steps": 70, "inner_steps": 80, "new_tasks": 3, "first_round": 35, "pool_size": 1024},
            "sharpening": {"rounds": 4},
            "training": {"steps": 1_000},
        }
    )
    chosen = replace(config, **choose_sizes(seconds, PACE, SIZES, 10_000, config, STAGES, 1))
    foretold = sum(foretell_stages(PACE, SIZES, 10_000, chosen, list(share_out(chosen, STAGES)), 1).values())
    steps = (chosen.discovery.meta_steps, chosen.refinement.meta_steps)
    if seconds == 1e9:
        assert chosen == config
    elif seconds == 0:
        assert (*steps, chosen.sharpening.rounds, chosen.agreement.max_rows) == (4, 4, 0, FEWEST_ROWS)
    else:
        assert 0.6 * seconds < foretold <= seconds
        assert set(steps) <= set(STEPS)
