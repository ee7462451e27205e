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


@pytest.mark.parametrize("bound", [0, 0.0, False, ""])
def test_a_bound_of_zero_is_a_bound_and_what_is_no_number_is_none(bound):
    if bound is False or bound == "":
        with pytest.raises(SettingError, match="max_drop must be a fraction"):
            Thresholds(max_drop=bound)
    else:
        (outcome,) = check_figures({"fair_drop": 0.2}, Thresholds(max_drop=bound), {})
        assert (outcome.status, str(outcome)) == ("FAILED", "fair_drop 0.200, must be <= 0.000")


def test_a_model_that_has_not_learned_is_not_judged_by_what_compares_it_with_itself():
    figures = {"test_accuracy": 0.1, "fair_drop": 0.0, "gap": 0.0}
    bounds = Thresholds(fail_under=0.5, max_drop=0.5, max_gap=0.5)
    found = check_figures(figures, bounds, {}, "it has not learned")
    assert [outcome.status for outcome in found] == ["FAILED", "error", "error"]
    assert str(found[1]) == "fair_drop: it has not learned"


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"train_holdout_accuracy": (0.1, 0.12)}, "accuracy 0.110 on held-out train rows"),
        ({"recoverable_accuracy": (0.32,)}, "accuracy 0.320 on the test rows in the control"),
        ({"train_holdout_accuracy": (0.9,), "recoverable_accuracy": (0.32,)}, "0.320 on the test rows in the control"),
        ({"train_holdout_accuracy": (0.9,), "recoverable_accuracy": (0.5,)}, None),
        ({}, None),
    ],
)
def test_whether_a_model_has_learned_is_read_off_the_figures_that_are_there(figures, words):
    judgement = Judgement("conv", {"test_accuracy": (0.1,), **figures}, 100, "0", 0.1)
    assert judgement.unlearned is None if words is None else words in judgement.unlearned


def test_a_regression_is_a_fall_beyond_noise():
    baseline = [Earlier("mlp", "rows", (0.1,), 1000), Earlier("conv", "rows", (0.70, 0.72), 1000)]
    for accuracy, passed in ((0.71, True), (0.69, True), (0.60, False), (0.90, True)):
        now = Judgement("conv", {"test_accuracy": (accuracy, accuracy)}, 1000, "0", 0.1)
        assert check_regression(baseline, "rows", now).passed is passed
    other = check_regression(baseline, "other rows", now)
    assert (other.status, "another split" in str(other)) == ("error", True)
    unlearned = Judgement("conv", {"test_accuracy": (0.9,), "train_holdout_accuracy": (0.1,)}, 1000, "0", 0.1)
    assert check_regression(baseline, "rows", unlearned).status == "error"


def test_noise_is_the_spread_over_seeds_and_that_of_the_rows():
    assert standard_error((0.5,), 100) == pytest.approx(0.05)
    assert standard_error((0.4, 0.6), 100) == pytest.approx((0.05**2 + 0.02 / 2) ** 0.5)
