"""A budget is shared by stages, and each is made as large as its share allows by a pace that was measured."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from splitgen.models.pace import ALONE, Pace
from splitgen.runs.plan import (
    FEWEST_ROWS,
    Clock,
    Sizes,
    fit_agreement,
    fit_search,
    fit_sharpening,
    fit_verification,
    foretell_agreement,
    foretell_search,
    foretell_sharpening,
    foretell_verification,
    share_out,
    share_seconds,
)
from splitgen.settings.layers import build_config
from splitgen.settings.stages import (
    AgreementConfig,
    SearchConfig,
    SharpeningConfig,
    TrainingConfig,
    VerificationConfig,
)

PACE = Pace(step_seconds=0.01, row_seconds=0.0, batch_size=100, workers=2)
RECIPE = TrainingConfig(batch_size=100, epochs=10)
SIZES = Sizes(train=5_000, validation=0, test=5_000)
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


def test_a_training_takes_its_steps_and_trainings_side_by_side_go_by_rounds():
    assert PACE.fit_seconds(1_000, RECIPE) == pytest.approx(10 * 10 * 0.01)
    assert PACE.fit_seconds(50, RECIPE) == pytest.approx(10 * 1 * 0.01 / 2)  # a step of half a batch
    assert PACE.fits_seconds(3, 1_000, RECIPE) == pytest.approx(2 * PACE.fit_seconds(1_000, RECIPE))
    assert PACE.fits_seconds(1, 1_000, RECIPE) == pytest.approx(
        ALONE * PACE.fit_seconds(1_000, RECIPE)
    )  # on two threads
    assert replace(PACE, workers=16).fits_seconds(2, 1_000, RECIPE) == PACE.fits_seconds(1, 1_000, RECIPE)
    asks = replace(PACE, row_seconds=0.001)
    assert asks.fit_seconds(1_000, RECIPE, 500) == pytest.approx(1.0 + 0.5)


def test_an_agreement_is_foretold_with_the_second_trainings_of_target_and_random_task():
    config = AgreementConfig(networks=2, max_rows=4_000, epochs=10)
    epoch = 30 * 0.01  # 3000 rows, two networks side by side
    assert foretell_agreement(PACE, 9_999, 1, config, RECIPE) == pytest.approx((1 + 2) * 10 * epoch)
    by_size = replace(config, epochs=None)  # 20 by the recipe, and 34, which are 1000 steps, to converge
    assert foretell_agreement(PACE, 9_999, 1, by_size, RECIPE) == pytest.approx((3 * 20 + 2 * 34) * epoch)


def test_a_search_is_foretold_as_the_confusion_and_its_rounds():
    config = SearchConfig(rows=(1_000, 8_000), keep=(3,), max_trained=8)
    confusion, first, last = 5.0 * ALONE, 4 * 1.0, 2 * 5.0  # 8 and 3 candidates, two at a time; train has 5000 rows
    assert foretell_search(PACE, SIZES, 20, config, RECIPE) == pytest.approx(confusion + first + last)


@pytest.mark.parametrize("seconds", [0.0, 3.0, 9.0, 12.0, 1e6, None])
def test_rows_are_as_many_as_the_time_allows(seconds):
    agreement, search = AgreementConfig(max_rows=9_000), SearchConfig(rows=(1_000, 4_000), keep=(3,))
    scored = fit_agreement(seconds, PACE, 10_000, 1, agreement, RECIPE)
    searched = fit_search(seconds, PACE, SIZES, 8, search, RECIPE)
    if seconds is None or seconds > 1_000:
        assert (scored, searched) == (agreement, search)
        return
    for config, rows, foretold in (
        (scored, scored.max_rows, foretell_agreement(PACE, 10_000, 1, scored, RECIPE)),
        (searched, searched.rows[-1], foretell_search(PACE, SIZES, 8, searched, RECIPE)),
    ):
        assert config not in (agreement, search)
        assert foretold <= seconds or rows == FEWEST_ROWS


def test_a_sharpening_loses_late_rounds_first_and_all_of_it_last():
    whole = SharpeningConfig(rounds=4, folds=2, networks=3, candidates=2)

    def fit(seconds):
        return fit_sharpening(seconds, PACE, SIZES, 10_000, whole, SearchConfig(), RECIPE)

    assert fit(None) == fit(1e6) == whole
    found = [fit(seconds) for seconds in range(400, -1, -5)]
    sizes = [(config.rounds, config.networks, config.candidates) for config in found]
    assert [size for size, _ in itertools.groupby(sizes)] == [
        *[(4, 3, 2), (3, 3, 2), (2, 3, 2), (2, 3, 1), (2, 2, 1), (2, 1, 2), (2, 1, 1), (1, 1, 1), (0, 3, 2)]
    ]
    for seconds, config in zip(range(400, -1, -5), found, strict=True):
        assert foretell_sharpening(PACE, SIZES, 10_000, config, SearchConfig(), RECIPE) <= seconds


def test_a_verification_is_foretold_by_its_trainings():
    whole = VerificationConfig(seeds=3)
    fits = 3 * (1 + 1 + 2)  # half and half: the test rows in two folds
    assert foretell_verification(PACE, SIZES, whole, RECIPE) == pytest.approx(fits / 2 * 10 * 45 * 0.01)
    with_validation = Sizes(4_000, 1_000, 5_000)
    assert foretell_verification(PACE, with_validation, whole, RECIPE) == pytest.approx(fits / 2 * 10 * 40 * 0.01)
    asks = replace(PACE, step_seconds=0.0, row_seconds=0.001)
    predicted = 3 * (500 + 3 * 5_000 + 2 * 1_000)
    assert foretell_verification(asks, replace(SIZES, own_test=1_000), whole, RECIPE) == pytest.approx(predicted / 2000)


def test_a_verification_has_fewer_seeds_and_then_fewer_rows():
    whole = VerificationConfig(seeds=3)

    def fit(seconds):
        return fit_verification(seconds, PACE, SIZES, whole, RECIPE)

    assert fit(None) == fit(1_000) == whole
    assert fit(20) == replace(whole, seeds=2)
    assert fit(14) == replace(whole, max_rows=5_000)
    assert fit(0) == replace(whole, seeds=2, max_rows=600)  # as small as it can be
    assert fit_verification(0, PACE, SIZES, VerificationConfig(seeds=2, max_rows=2_000), RECIPE).max_rows == FEWEST_ROWS
