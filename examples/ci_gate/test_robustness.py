"""The same gate in pytest: the fixture `splitgen_split` reads the split that pyproject.toml names."""

from __future__ import annotations

import pytest
from predict import predict

from splitgen import Split, assert_robust


def test_nearest_neighbours_are_robust(splitgen_split: Split) -> None:
    assert_robust(splitgen_split, predict("neighbours", splitgen_split), fail_under=0.75)


@pytest.mark.xfail(reason="leans on the shortcut that the split takes away", strict=True)
def test_logistic_regression_is_robust(splitgen_split: Split) -> None:
    assert_robust(splitgen_split, predict("logistic", splitgen_split), fail_under=0.75)
