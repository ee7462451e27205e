"""A budget is shared by stages, and each is made as large as its share allows by a pace that was measured."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from known_pace import CUTS, PACE, RECIPE, SIZES

from splitgen.runs.forecast import (
    foretell_agreement,
    foretell_search,
    foretell_sharpening,
    foretell_stages,
)
from splitgen.runs.plan import (
    FEWEST_ROWS,
    FIXED_SECONDS,
    STEPS,
    Clock,
    choose_sizes,
    default_seconds,
    fit_agreement,
    fit_search,
    fit_sharpening,
    fit_steps,
    fit_verification,
    share_out,
    share_seconds,
)
from splitgen.settings.layers import build_config
from splitgen.settings.stages import (
    AgreementConfig,
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
    ("most", "expected"),
    [
        ({}, {"a": 10, "b": 20, "c": 30}),
        ({"b": 5}, {"a": 13.75, "b": 5, "c": 41.25}),
        ({"b": 5, "c": 40}, {"a": 15, "b": 5, "c": 40}),
        ({"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}),
        ({"a": 100}, {"a": 10, "b": 20, "c": 30}),
    ],
)
def test_no_stage_is_given_more_than_it_can_use_and_the_others_have_the_rest(most, expected):
    found = share_seconds(60.0, {"a": 1, "b": 2, "c": 3}, most)
    assert list(found) == list(expected)
    assert found == pytest.approx(expected)


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
    assert (max(confused), min(confused)) == (whole.confusion_rows, FEWEST_ROWS)
    assert {config.rows[0] for config in found} == {300}
    assert found[-1].rows == (300, FEWEST_ROWS)


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
