"""Rows by class, against a look at each class."""

from __future__ import annotations

import numpy as np

from splitgen.strata import count_earlier, list_strata


def test_earlier_rows_of_the_same_stratum_are_counted():
    assert count_earlier(np.array([7, 2, 7, 7, 2, 0])).tolist() == [0, 0, 1, 2, 1, 0]


def test_the_rows_of_each_stratum_are_those_that_a_mask_finds():
    labels = np.random.default_rng(0).integers(0, 40, 300) * 3
    found = list(list_strata(labels))
    assert [c for c, _ in found] == np.unique(labels).tolist()
    assert all(rows.tolist() == np.flatnonzero(labels == c).tolist() for c, rows in found)
