"""Cheap ways on digits: each gives margins, and the simple ones are what their names say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from splitgen import Bench, Target, TrainingConfig, find_model, make_bench
from splitgen.data import images as seam
from splitgen.errors import SettingError
from splitgen.splits.provenance import DISCOVERED
from splitgen.tasks.ways import baselines
from splitgen.tasks.ways.baselines import (
    clusters_within_class,
    flatten_pixels,
    highest_loss,
    partition_margins,
    principal_components,
)
from splitgen.tasks.ways.registry import GIVEN, WAYS
from splitgen.tasks.ways.request import WayRequest

CHEAP = [name for name in WAYS if name not in (DISCOVERED, GIVEN)]
REQUEST = WayRequest()


def bench_of(digits) -> Bench:
    return make_bench(digits, find_model("conv"), training=TrainingConfig(epochs=8), seed=3)


@pytest.mark.parametrize("name", CHEAP)
def test_a_way_gives_finite_margins_that_differ_and_the_seed_fixes_them(digits, name):
    found = WAYS[name](bench_of(digits), REQUEST)
    margins = found.margins
    assert (found.way, found.meta_steps, found.encoder_state) == (name, 0, None)
    assert margins.ndim == 2
    assert len(margins) == digits.n_points
    assert np.isfinite(margins).all()
    assert (margins.std(axis=0) > 0).all()
    assert np.array_equal(margins, WAYS[name](bench_of(digits), REQUEST).margins)


def test_principal_components_are_those_of_a_singular_value_decomposition(digits):
    bench = bench_of(digits)
    pixels = flatten_pixels(bench, "a way")
    centred = pixels - pixels.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    slow = centred @ directions[:2].T
    for found, expected in zip(principal_components(bench, REQUEST).margins.T, slow.T, strict=False):
        assert abs(np.corrcoef(found, expected)[0, 1]) > 0.999


@pytest.mark.parametrize("name", ["principal components", "clusters within class"])
def test_a_way_fitted_on_a_part_of_the_images_gives_nearly_the_same_as_on_all(name, digits, monkeypatch):
    """As for images that do not fit into memory, which are looked at a chunk at a time."""
    expected = WAYS[name](bench_of(digits), REQUEST).margins
    monkeypatch.setattr(seam, "MEMORY_BYTES", 1700 * 64 * 4)
    monkeypatch.setattr(baselines, "FITTED_SHARE", 0.9)
    monkeypatch.setattr(baselines, "CHUNK", 500)
    found = WAYS[name](bench_of(digits), REQUEST).margins
    assert found.shape == expected.shape
    assert abs(np.corrcoef(found[:, 0], expected[:, 0])[0, 1]) > 0.9


def test_a_way_that_needs_all_pixels_says_so_where_they_do_not_fit(digits, monkeypatch):
    monkeypatch.setattr(seam, "MEMORY_BYTES", 1700 * 64 * 4)
    with pytest.raises(SettingError, match="the way 'mine' works on all pixels at once, of at most 1700 such images"):
        flatten_pixels(bench_of(digits), "mine")


def test_clusters_are_margins_within_each_class_with_the_larger_one_positive(digits):
    margins = clusters_within_class(bench_of(digits), REQUEST).margins[:, 0]
    for c in range(10):
        share = (margins[digits.labels == c] > 0).mean()
        assert 0.5 <= share < 1


def test_mislabelled_rows_have_the_highest_loss(digits):
    generator = np.random.default_rng(0)
    wrong = generator.permutation(digits.n_points)[:50]
    bench = bench_of(digits)
    values = bench.target.values.copy()
    values[wrong] = (values[wrong] + generator.integers(1, 10, 50)) % 10
    spoiled = replace(bench, target=Target("label", values, 10, None), seed=0)
    margins = highest_loss(spoiled, REQUEST).margins[:, 0]
    assert np.isin(wrong, np.argsort(margins)[:100]).mean() > 0.9


def test_a_partition_is_two_margins():
    assert partition_margins(np.array([0, 2]), 4)[:, 0].tolist() == [1, -1, 1, -1]
