"""Image statistics against images drawn to have much or little of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from splitgen.data import statistics
from splitgen.data.statistics import STATISTICS, measure_images

SIZE = 12


def grey(draw) -> torch.Tensor:
    """A black image [1, SIZE, SIZE] of bytes that `draw` paints on."""
    image = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    draw(image[0])
    return image


def paint(rows: slice, columns: slice, value: int = 200):
    def draw(image: torch.Tensor) -> None:
        image[rows, columns] = value

    return draw


def ramp(image: torch.Tensor) -> None:
    image[3:9] = torch.linspace(0, 200, SIZE).byte()


def rise(image: torch.Tensor) -> None:
    """A stroke from the bottom left to the top right."""
    for k in range(SIZE):
        image[SIZE - 1 - k, k] = 200


def fall(image: torch.Tensor) -> None:
    """A stroke from the top left to the bottom right."""
    image.fill_diagonal_(200)


ALL, MIDDLE, BEGIN, END = slice(None), slice(4, 8), slice(0, 4), slice(8, 12)
# statistic: an image with less of it, and one with more.
PAIRS = {
    "brightness": (paint(MIDDLE, MIDDLE, 90), paint(MIDDLE, MIDDLE, 200)),
    "contrast": (paint(MIDDLE, ALL, 90), paint(MIDDLE, ALL, 200)),
    "background brightness": (paint(MIDDLE, MIDDLE), paint(ALL, ALL)),
    "foreground brightness": (paint(MIDDLE, MIDDLE, 90), paint(MIDDLE, MIDDLE, 200)),
    "ink mass": (paint(MIDDLE, MIDDLE, 90), paint(MIDDLE, MIDDLE, 200)),
    "ink area": (paint(MIDDLE, MIDDLE), paint(slice(3, 9), MIDDLE)),
    "ink centre across": (paint(MIDDLE, slice(1, 4)), paint(MIDDLE, slice(8, 11))),
    "ink centre down": (paint(slice(1, 4), MIDDLE), paint(slice(8, 11), MIDDLE)),
    "width": (paint(MIDDLE, MIDDLE), paint(MIDDLE, slice(2, 10))),
    "height": (paint(MIDDLE, MIDDLE), paint(slice(2, 10), MIDDLE)),
    "size": (paint(MIDDLE, MIDDLE), paint(slice(2, 10), slice(2, 10))),
    "aspect": (paint(MIDDLE, slice(2, 10)), paint(slice(2, 10), MIDDLE)),
    "slant": (fall, rise),
    "edge density": (paint(MIDDLE, MIDDLE), paint(ALL, slice(0, None, 3))),
    "sharpness": (ramp, paint(MIDDLE, MIDDLE)),
    "left-right symmetry": (paint(MIDDLE, slice(1, 4)), paint(MIDDLE, MIDDLE)),
    "top-bottom symmetry": (paint(slice(1, 4), MIDDLE), paint(MIDDLE, MIDDLE)),
    "brightness top left": (paint(END, END), paint(BEGIN, BEGIN)),
    "brightness in the middle": (paint(END, END), paint(MIDDLE, MIDDLE)),
    "brightness bottom right": (paint(BEGIN, BEGIN), paint(END, END)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_statistic_is_larger_for_the_image_that_has_more_of_it(name):
    less, more = measure_images(torch.stack([grey(draw) for draw in PAIRS[name]]))[name]
    assert more > less


@pytest.mark.parametrize(("channel", "name"), list(enumerate(("red", "green", "blue"))))
def test_colours_are_told_by_amount_and_by_word(channel, name):
    images = torch.full((2, 3, SIZE, SIZE), 60, dtype=torch.uint8)
    images[1, channel] = 250
    measured = measure_images(images)
    assert measured[name][1] > measured[name][0]
    assert measured["saturation"][1] > measured["saturation"][0]
    assert measured["hue"].tolist() == ["grey", name]


def test_grey_images_have_no_colour_however_many_channels_hold_them(digits):
    three = digits.images.pixels[:5].expand(-1, 3, -1, -1)
    for images in (digits.images.pixels[:5], three):
        names = set(measure_images(images))
        assert names == {name for name, statistic in STATISTICS.items() if not statistic.needs_colour}


def test_bytes_and_floats_of_the_same_images_measure_alike(digits):
    images = digits.images.pixels[:50]
    scaled = (images.float() / images.max() * 255).round().to(torch.uint8)
    as_bytes, as_floats = measure_images(scaled), measure_images(scaled.float() * 3 - 7)
    for name, values in as_bytes.items():
        assert np.allclose(values, as_floats[name], atol=1e-3), name


def test_images_measured_in_parts_measure_as_in_one(digits, monkeypatch):
    whole = measure_images(digits.images.pixels[:70])
    monkeypatch.setattr(statistics, "CHUNK_VALUES", 64 * 9)
    for name, values in measure_images(digits.images.pixels[:70]).items():
        assert np.allclose(values, whole[name], atol=1e-6), name


def test_an_empty_image_has_no_number_that_is_not_finite():
    for name, values in measure_images(torch.zeros(3, 1, 8, 8, dtype=torch.uint8)).items():
        assert np.isfinite(values).all(), name
