"""Figures beside their bounds: unrounded, and written so that the difference can be seen."""

from __future__ import annotations

import pytest

from splitgen.check.baseline import Earlier, check_regression, standard_error
from splitgen.check.judgement import Judgement
from splitgen.check.thresholds import Thresholds, check_figures, write_apart
from splitgen.errors import SettingError


def test_accuracies_must_reach_their_bound_and_drops_must_not_pass_it():
    figures = {"test_accuracy": 0.6, "worst_class_accuracy": 0.2, "fair_drop": 0.3, "gap": 0.4}
    found = check_figures(figures, Thresholds(0.6, 0.3, 0.3, 0.3), {})
    assert [(outcome.check, outcome.passed) for outcome in found] == [
        ("fail_under", True),
        ("fail_under_class", False),
        ("max_drop", True),
        ("max_gap", False),
    ]
    assert str(found[1]) == "worst_class_accuracy 0.200, must be >= 0.300"


def test_a_figure_is_not_rounded_before_it_is_compared():
    (outcome,) = check_figures({"test_accuracy": 0.5999999}, Thresholds(fail_under=0.6), {})
    assert not outcome.passed
    assert str(outcome) == "test_accuracy 0.5999999, must be >= 0.6000000"
    assert write_apart(0.6, 0.6) == ("0.600", "0.600")


@pytest.mark.parametrize("figures", [{}, {"test_accuracy": float("nan")}])
def test_a_figure_that_is_missing_is_an_error_and_no_pass(figures):
    (outcome,) = check_figures(figures, Thresholds(fail_under=0.0), {"test_accuracy": "nobody knows"})
    assert (outcome.status, outcome.passed, str(outcome)) == ("error", False, "test_accuracy: nobody knows")


def test_all_bounds_out_of_range_are_named_at_once():
    with pytest.raises(SettingError, match="fail_under must be a fraction .* 60; max_gap .* -0.1"):
        Thresholds(fail_under=60, max_gap=-0.1)


def test_a_regression_is_a_fall_beyond_noise():
    baseline = {("a", "conv"): Earlier((0.70, 0.72), 1000)}
    for accuracy, passed in ((0.71, True), (0.69, True), (0.60, False), (0.90, True)):
        now = Judgement("conv", {"test_accuracy": (accuracy, accuracy)}, 1000, "0")
        assert check_regression(baseline, "a", now).passed is passed
    assert check_regression(baseline, "b", now).status == "error"


def test_noise_is_the_spread_over_seeds_and_that_of_the_rows():
    assert standard_error((0.5,), 100) == pytest.approx(0.05)
    assert standard_error((0.4, 0.6), 100) == pytest.approx((0.05**2 + 0.02 / 2) ** 0.5)
