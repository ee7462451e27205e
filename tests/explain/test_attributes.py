"""Associations against slow twins, and what a user's columns become."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from splitgen.explain.attributes import IMAGE, METADATA, Attribute, associate, list_metadata, read_column


def count_pairs(values: np.ndarray, sides: np.ndarray) -> float:
    """AUC by looking at every pair of one datapoint from each side; a tie counts half."""
    ones, zeros = values[sides == 1], values[sides == 0]
    return float(np.mean([[(a > b) + 0.5 * (a == b) for b in zeros] for a in ones]))


def test_the_auc_is_the_share_of_pairs_and_the_words_follow_its_direction():
    random = np.random.default_rng(0)
    sides = random.integers(0, 2, 80)
    values = np.round(random.normal(size=80) - sides, 1)
    found = associate(Attribute("brightness", IMAGE, values, "dark", "bright"), sides)
    assert found.auc == pytest.approx(1 - count_pairs(values, sides))
    assert (found.side_0, found.side_1) == ("bright", "dark")


def test_a_category_that_follows_the_side_is_named_for_it():
    sides = np.random.default_rng(0).integers(0, 2, 400)
    site = np.where(sides == 1, "north", "south").astype(object)
    found = associate(Attribute("site", METADATA, site), sides)
    assert found.auc == pytest.approx(1.0)
    assert found.ami == pytest.approx(1.0)
    assert (found.side_1, found.side_0) == ("site north", "site south")


def test_datapoints_that_halving_put_on_the_wrong_side_do_not_count_against_a_category():
    """A task that reads the site off the image, halved where the site is not."""
    site = np.array(["north"] * 180 + ["south"] * 220, dtype=object)
    margins = np.where(site == "north", 5.0, -5.0) + np.random.default_rng(0).normal(size=400)
    found = associate(Attribute("site", METADATA, site), margins - np.median(margins))
    assert found.auc == pytest.approx(1.0)
    assert found.ami < 1


def test_a_column_with_another_value_for_each_row_tells_nothing():
    sides = np.random.default_rng(0).integers(0, 2, 400)
    names = np.array([f"patient {k}" for k in range(400)], dtype=object)
    found = associate(Attribute("patient", METADATA, names), sides)
    assert found.auc < 0.55
    assert found.ami < 0.05


def test_what_does_not_vary_is_not_associated_and_missing_numbers_are_left_out():
    sides = np.array([0, 1] * 20)
    assert associate(Attribute("flat", IMAGE, np.ones(40)), sides) is None
    assert associate(Attribute("b", IMAGE, np.arange(40.0)), np.zeros(40, int)) is None
    values = np.where(np.arange(40) < 10, np.nan, sides)
    assert associate(Attribute("half known", METADATA, values, "low", "high"), sides).auc == 1.0


@pytest.mark.parametrize(
    ("column", "is_categorical"),
    [
        (pd.Series(np.arange(50) / 7), False),
        (pd.Series(np.arange(50) % 3), True),
        (pd.Series([True, False] * 25), True),
        (pd.Series(["a", None] * 25), True),
        (pd.Series(pd.date_range("2026-01-01", periods=50)), False),
    ],
)
def test_numbers_dates_and_words_are_read_as_what_they_are(column, is_categorical):
    assert read_column("x", column).is_categorical == is_categorical


def test_columns_that_say_nothing_are_left_out():
    frame = pd.DataFrame({"one": [1] * 20, "two": [0, 1] * 10, "empty": [None] * 20})
    assert [attribute.name for attribute in list_metadata(frame)] == ["two"]
