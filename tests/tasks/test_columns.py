"""Labellings by people that discovered tasks are to be dissimilar to: read from the metadata, and avoided."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from splitgen import DiscoveryConfig, discover_tasks, find_model, make_bench
from splitgen.errors import MetadataError, SettingError
from splitgen.tasks.columns import read_avoided

CONFIG = DiscoveryConfig(meta_steps=16, inner_steps=25, n_tasks=1)


def discover(dataset, config=CONFIG):
    return discover_tasks(make_bench(dataset, find_model("conv")), config).margins


def with_columns(digits, **columns):
    return dataclasses.replace(digits, metadata=pd.DataFrame(columns, index=list(digits.ids)))


@pytest.fixture(scope="module")
def found(digits) -> np.ndarray:
    """Margins [N] of the task that discovery finds where nothing is to be avoided."""
    return discover(digits)[:, 0]


def test_the_task_that_would_be_found_is_not_found_once_people_have_it(digits, found):
    dataset = with_columns(digits, human=np.where(found > 0, "yes", "no"))
    other = discover(dataset, dataclasses.replace(CONFIG, avoid_columns="human"))[:, 0]
    human = np.where(found > 0, 1, -1)
    before, after = (abs(np.corrcoef(margins, human)[0, 1]) for margins in (found, other))
    assert before > 0.7
    assert after < 0.2
    assert abs((np.sign(other) == human).mean() - 0.5) < 0.12  # similarity near that of tasks with nothing in common


def test_a_table_that_is_not_asked_for_changes_nothing(digits, found):
    dataset = with_columns(digits, human=np.where(found > 0, "yes", "no"))
    assert np.array_equal(discover(dataset)[:, 0], found)


def test_two_values_are_two_sides_and_numbers_are_margins_of_whatever_scale(digits):
    ink = digits.images.pixels.mean(dim=(1, 2, 3)).numpy().astype(np.float64)
    is_odd = digits.labels % 2 == 1
    read = read_avoided(with_columns(digits, odd=is_odd, ink=ink, far=1e30 * ink), "ink, odd,far")
    assert np.allclose(read[:, 0], (ink - ink.mean()) / ink.std(), atol=1e-5)
    assert np.allclose(read[:, 1], (is_odd - is_odd.mean()) / is_odd.std(), atol=1e-5)
    assert np.allclose(read[:, 2], read[:, 0], atol=1e-5)


def test_columns_that_are_no_labellings_are_told(digits):
    with pytest.raises(SettingError, match="avoid_columns must be given together with metadata"):
        read_avoided(digits, "ink")
    dataset = with_columns(digits, one=np.ones(digits.n_points))
    with pytest.raises(SettingError, match=r"avoid_columns must be columns of the metadata \(one\), got 'ink'"):
        read_avoided(dataset, "ink")
    with pytest.raises(MetadataError, match="column 'one' has 1 different values"):
        read_avoided(dataset, "one")
