"""Augmentation: what a training does to its images, and nothing else; the same again from the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from splitgen import TrainingConfig, find_model, make_bench, make_dataset
from splitgen.errors import SettingError
from splitgen.models.augmentation import AUGMENTATIONS, check_augmentation, choose_augmentation, crop, flip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images(digits):
    return make_bench(digits, find_model("conv")).batch(torch.arange(64))


@pytest.fixture(scope="module")
def colour():
    """Forty colour images of 16 pixels a side, no row or column of which is like another."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 16, 16), dtype=np.uint8)
    return make_bench(make_dataset("made", torch.from_numpy(pixels), np.arange(40) % 2), find_model("mlp"))


def test_a_flip_exchanges_left_and_right_of_about_half_of_the_images(images):
    changed = flip(images, seeded())
    mirrored = images.flip(3)
    is_flipped = [bool(torch.equal(a, b)) for a, b in zip(changed, mirrored, strict=True)]
    is_same = [bool(torch.equal(a, b)) for a, b in zip(changed, images, strict=True)]
    assert all(a or b for a, b in zip(is_flipped, is_same, strict=True))
    assert 20 < sum(is_flipped) < 44


def test_a_crop_is_a_flip_and_a_shift_by_up_to_an_eighth_of_the_side(colour):
    images = colour.batch(torch.arange(40))
    changed, most = crop(images, seeded()), 2
    shifts = set()
    for image, found in zip(images, changed, strict=True):
        places = [
            (is_flipped, down, right)
            for is_flipped in (False, True)
            for down in range(-most, most + 1)
            for right in range(-most, most + 1)
            if torch.equal(found, shift_slowly(image.flip(2) if is_flipped else image, down, right))
        ]
        assert len(places) == 1
        shifts.add(places[0])
    assert len({down for _, down, _ in shifts}) == len({right for _, _, right in shifts}) == 2 * most + 1
    assert changed.is_contiguous(memory_format=torch.channels_last)


def shift_slowly(image, down, right):
    moved = torch.zeros_like(image)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            if 0 <= y + down < image.shape[1] and 0 <= x + right < image.shape[2]:
                moved[:, y + down, x + right] = image[:, y, x]
    return moved


def test_randaugment_gives_images_of_the_same_range_most_of_them_changed(colour):
    images = colour.batch(torch.arange(40))
    changed = choose_augmentation("randaugment", colour.pixels)(images, seeded())
    assert changed.shape == images.shape
    unit = colour.pixels.unit_statistics
    shown = changed * unit.std[:, None, None] + unit.mean[:, None, None]
    assert shown.min() > -1e-3
    assert shown.max() < 1 + 1e-3
    assert sum(not torch.allclose(a, b, atol=0.05) for a, b in zip(changed, images, strict=True)) > 20


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_training_is_the_same_again_whatever_it_does_to_its_images(name, colour):
    recipe = TrainingConfig(epochs=2, batch_size=8, augment=name)
    first, second = (colour.fit(colour.labels, torch.arange(40), 2, 3, recipe).state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)
    without = TrainingConfig(epochs=2, batch_size=8, augment="none")
    plain = colour.fit(colour.labels, torch.arange(40), 2, 3, without).state_dict()
    assert (name == "none") == all(torch.equal(first[key], plain[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("flip", (512, 1, 1), "augment must be none for images under 2 pixels a side, as for features, got 'flip'"),
        ("crop", (1, 6, 6), "under 8 pixels a side"),
        ("randaugment", (5, 32, 32), "for images of 5 channels"),
    ],
)
def test_images_that_cannot_be_augmented_so_are_refused(name, shape, words):
    with pytest.raises(SettingError, match=words):
        check_augmentation(name, shape)


def test_a_model_is_checked_together_with_its_augmentation(digits):
    features = make_dataset("made", torch.rand(40, 6, 1, 1), np.arange(40) % 2)
    with pytest.raises(SettingError, match="augment must be none"):
        make_bench(features, find_model("mlp"), training=TrainingConfig(augment="flip")).check_model(2)


def test_tasks_are_trained_on_without_augmentation_and_trials_no_longer_than_they_need():
    recipe = TrainingConfig(augment="crop").for_images(32, 3)
    assert (recipe.steps, recipe.for_trials().steps, recipe.for_tasks().steps) == (4000, 1000, 1000)
    assert (recipe.for_trials().augment, recipe.for_tasks().augment) == ("crop", "none")
    assert TrainingConfig(steps=7).for_images(32, 3).for_trials().steps == 7


@pytest.mark.parametrize(
    ("model", "size", "channels", "rate", "steps", "augment"),
    [
        ("conv", 32, 3, 2e-2, 4000, "crop"),
        ("vit-small", 32, 3, 4e-3, 4000, "crop"),
        ("conv", 32, 1, 4e-3, 1000, "none"),
        ("conv", 8, 3, 4e-3, 1000, "none"),
        ("mlp", 1, 3, 4e-3, 1000, "none"),
    ],
)
def test_the_recipe_follows_model_size_and_colour(model, size, channels, rate, steps, augment):
    recipe = TrainingConfig().for_model(model, size, channels)
    assert (recipe.learning_rate, recipe.steps, recipe.augment) == (rate, steps, augment)
    assert TrainingConfig(learning_rate=0.1).for_model(model, size, channels).learning_rate == 0.1


def test_mixed_precision_changes_a_training_a_little_and_predicts_in_full(colour):
    rows = torch.arange(40)
    full, mixed = (
        colour.fit(colour.labels, rows, 2, 3, TrainingConfig(epochs=2, batch_size=8, precision=precision))
        for precision in ("float32", "bfloat16")
    )
    logits = [colour.predict_logits(network, rows) for network in (full, mixed)]
    assert all(each.dtype == torch.float32 for each in logits)
    assert 0 < (logits[0] - logits[1]).abs().max() < 0.5


def test_each_model_of_a_bench_has_its_own_learning_rate_unless_one_is_given(monkeypatch, digits):
    pixels = torch.zeros(40, 3, 16, 16)
    seen = []
    monkeypatch.setattr(
        "splitgen.models.training.fit", lambda *given, **_: seen.append((given[1], given[5].learning_rate))
    )
    for recipe in (TrainingConfig(), TrainingConfig(learning_rate=0.5)):
        bench = make_bench(make_dataset("made", pixels, np.arange(40) % 2), find_model("conv"), training=recipe)
        for each in (bench, bench.with_model(find_model("mlp"))):
            each.fit(each.labels, torch.arange(8), 2, 0)
    assert seen == [("conv", 2e-2), ("mlp", 4e-3), ("conv", 0.5), ("mlp", 0.5)]
