"""The pictures of what differs light up where something was planted."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
import torch
from PIL import Image

from splitgen import MemoryImages, Split
from splitgen.explain.templates import Template
from splitgen.report import contrasts
from splitgen.report.contrasts import (
    COLOURS,
    CONTRAST_PIXELS,
    average_images,
    contrast_classes,
    contrast_sides,
    draw_template,
)


def decode(picture) -> np.ndarray:
    """The pixels [height, width, 3] of a picture, as signed numbers."""
    return np.array(Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2])))).astype(int)


def read_scale(picture) -> np.ndarray:
    """The values [height, width] that the colours of a picture stand for, -1..1."""
    scale = mpl.colormaps[COLOURS](np.arange(256), bytes=True)[:, :3].astype(int)
    distances = np.abs(decode(picture)[:, :, None] - scale).sum(axis=3)
    return distances.argmin(axis=2) / 127.5 - 1


@pytest.fixture(scope="module")
def planted(digits):
    """Digits in colour with a red patch at the bottom left of a random half; that half is train."""
    half = np.random.default_rng(0).integers(0, 2, digits.n_points) == 1
    images = (digits.images.pixels / digits.images.pixels.max() * 60).round().to(torch.uint8).repeat(1, 3, 1, 1)
    images[torch.from_numpy(half), 0, 6:, :2] += 190
    dataset = replace(digits, images=MemoryImages(images))
    margins = np.where(half, 1.0, -1.0).astype(np.float32)
    parts = np.where(half, "train", "test")
    return dataset, Split(digits.ids, digits.labels, digits.labels, parts, margins, margins, {})


def test_a_mean_is_that_of_numpy_and_is_summed_in_parts(planted, monkeypatch):
    dataset, split = planted
    rows = np.flatnonzero(split.parts == "train")
    monkeypatch.setattr(contrasts, "MEAN_VALUES", 192 * 50)
    assert np.allclose(average_images(dataset, rows), dataset.images.pixels[rows].double().mean(dim=0).numpy())
    three = rows[[0, (len(rows) - 1) // 2, -1]]
    assert np.allclose(average_images(dataset, rows, 3), dataset.images.pixels[three].double().mean(dim=0).numpy())


def test_the_patch_of_train_is_orange_and_of_test_purple_in_every_class(planted):
    dataset, split = planted
    swapped = replace(split, parts=np.where(split.parts == "train", "test", "train"))
    for one, sign in ((split, 1), (swapped, -1)):
        found = contrast_classes(dataset, one, range(10))
        assert [each.title for each in found] == list(dataset.class_names)
        for each in found:
            brightness, colour = sign * read_scale(each.pictures[0]), decode(each.pictures[1])
            assert brightness[6:, :2].min() > 0.8
            assert abs(brightness[:5]).max() < 0.4
            assert (sign * (colour[6:, :2, 0] - colour[6:, :2, 1]) > 80).all()
            assert abs(colour[:5, :2] - 127).max() < 40
        assert "most bottom left" in found[0].pictures[0].alt
        assert "red" in found[0].pictures[1].alt


def test_a_class_that_lies_in_one_part_alone_is_left_out(planted):
    dataset, split = planted
    parts = np.where(split.labels == 4, "train", split.parts)
    assert len(contrast_classes(dataset, replace(split, parts=parts), range(10))) == 9


def test_sides_are_compared_within_class(planted):
    """A task that is nearly a group of classes, whose images differ far more than the patch does."""
    dataset, split = planted
    patch = split.parts == "train"
    few = np.random.default_rng(2).random(dataset.n_points) < 0.1
    margins = np.where(few, np.where(patch, 1.0, -1.0), np.where(dataset.labels < 5, 1.0, -1.0))
    assert contrast_sides(dataset, np.where(dataset.labels < 5, 1.0, -1.0)) is None
    found = read_scale(contrast_sides(dataset, margins).pictures[0])
    assert found[6:, :2].min() > 0.9
    assert abs(found[:5]).max() < 0.5


def test_grey_images_have_one_picture_and_those_without_room_none(digits):
    margins = np.random.default_rng(0).normal(size=digits.n_points)
    assert len(contrast_sides(digits, margins).pictures) == 1
    features = replace(digits, images=MemoryImages(digits.images.pixels.reshape(-1, 64, 1, 1)))
    assert contrast_sides(features, margins) is None


def test_a_template_is_drawn_by_channel_to_one_scale():
    weights = np.zeros((3, 9, 9))
    weights[0, :3, 6:], weights[2, 6:, :3] = 1.0, -0.5
    found = draw_template(Template(weights, 0.913))
    assert found.title == "linear template (AUC 0.91)"
    red, green, blue = (decode(picture) for picture in found.pictures)
    assert (red[0, 8] == (127, 59, 8)).all()  # the end of matplotlib's scale
    assert green.min() > 240
    assert blue[8, 0, 2] > blue[8, 0, 1] + 30
    assert "red: speaks most for side + top right" in found.pictures[0].alt
    assert CONTRAST_PIXELS - 9 < found.pictures[0].width <= CONTRAST_PIXELS
    assert draw_template(Template(weights[:1], float("nan"))).title == "linear template"
