"""The linear template of a task shows what was planted, where it was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from splitgen import MemoryImages
from splitgen.explain import templates
from splitgen.explain.templates import fit_templates


@pytest.fixture(scope="module")
def planted(digits):
    """Digits in colour, brighter in green at the top right of a random half; and the margins of that half."""
    half = np.random.default_rng(0).integers(0, 2, digits.n_points) * 2 - 1
    images = (digits.images.pixels / digits.images.pixels.max() * 200).round().to(torch.uint8).repeat(1, 3, 1, 1)
    images[torch.from_numpy(half > 0), 1, :2, 6:] += 50
    return replace(digits, images=MemoryImages(images)), half.astype(np.float32)


def test_what_was_planted_has_the_largest_weights(planted):
    dataset, margins = planted
    (template,) = fit_templates(dataset, [margins])
    assert template.weights.shape == (3, 8, 8)
    assert set(zip(*np.where(template.weights >= np.sort(template.weights.ravel())[-4]), strict=True)) == {
        (1, row, column) for row in (0, 1) for column in (6, 7)
    }
    assert template.auc > 0.95


def test_the_opposite_task_has_the_opposite_template_and_chance_none(planted):
    dataset, margins = planted
    chance = np.random.default_rng(1).normal(size=dataset.n_points)
    found, opposite, by_chance = fit_templates(dataset, [margins, -margins, chance])
    assert np.allclose(found.weights, -opposite.weights, atol=1e-4)
    assert by_chance.auc == pytest.approx(0.5, abs=0.1)


def test_large_images_are_made_smaller_and_few_rows_are_taken(planted, monkeypatch):
    dataset, margins = planted
    large = replace(dataset, images=MemoryImages(dataset.images.pixels.repeat_interleave(6, 2).repeat_interleave(6, 3)))
    monkeypatch.setattr(templates, "TEMPLATE_VALUES", 3 * 64)
    (template,), (small,) = fit_templates(large, [margins]), fit_templates(dataset, [margins])
    assert np.allclose(template.weights, small.weights, atol=1e-4)


def test_images_without_room_for_a_picture_and_tasks_of_one_side_have_no_figure(planted):
    dataset, margins = planted
    features = replace(dataset, images=MemoryImages(dataset.images.pixels.reshape(-1, 192, 1, 1)))
    assert fit_templates(features, [margins]) == []
    (template,) = fit_templates(dataset, [np.ones(dataset.n_points)])
    assert np.isnan(template.auc)
