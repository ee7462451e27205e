"""Statistics of places, of images whose values can be reckoned by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from splitgen.data import regions, statistics
from splitgen.data.regions import NINTHS, PARTS
from splitgen.data.statistics import STATISTICS, find_words, measure_images


def measure(image: torch.Tensor) -> dict[str, float | str]:
    """The statistics of one image of bytes [channels, height, width], with those of its places."""
    return {name: values[0] for name, values in measure_images(image[None], by_region=True).items()}


def black(height: int, width: int, channels: int = 3) -> torch.Tensor:
    return torch.zeros(channels, height, width, dtype=torch.uint8)


def test_an_image_that_is_red_at_the_border_is_so_there_alone():
    """16 pixels: the border is 2 wide, 112 of 256; a ninth at the corner has 6 x 6, of which 4 x 4 lie inside."""
    image = black(16, 16)
    image[0] = 255
    image[0, 2:-2, 2:-2] = 0
    found = measure(image)
    expected = {
        "red light at the border": 1,
        "red light": 112 / 256,
        "red light in the centre": 0,
        "red light in the upper half": 112 / 256,
        "red light top left": 20 / 36,
        "red light in the middle": 0,
        "green light at the border": 0,
        "red at the border": 2 / 3,
        "green at the border": -1 / 3,
        "red-green at the border": 1,
        "yellow-blue at the border": 0.5,
        "warmth at the border": 1,
        "saturation at the border": 1,
        "saturation in the centre": 0,
        "brightness at the border": 0.299,
        "contrast at the border": 0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert (found["hue at the border"], found["hue in the centre"]) == ("red", "grey")


def test_an_image_that_is_yellow_top_left_is_so_there_alone():
    image = black(12, 12)
    image[:2, :4, :4] = 255
    found = measure(image)
    told = {name: found[f"yellow-blue {name}"] for name in PARTS}
    halves = {"in the upper half": 16 / 72, "in the left half": 16 / 72}
    thirds = {"in the top third": 1 / 3, "in the left third": 1 / 3}
    inside = {"in the centre": 1 / 36, "at the border": 7 / 44, "top left": 1}
    expected = dict.fromkeys(PARTS, 0.0) | halves | thirds | inside
    assert told == pytest.approx(expected, abs=1e-5)
    assert found["hue top left"] == "yellow"
    assert found["blue"] < 0


@pytest.mark.parametrize(
    ("third", "rows", "columns"),
    [("top", (0, 5), (0, 13)), ("bottom", (8, 13), (0, 13)), ("left", (0, 13), (0, 5)), ("right", (0, 13), (8, 13))],
)
def test_a_third_of_a_length_that_3_does_not_divide_has_the_row_that_it_shares(third, rows, columns):
    image = black(13, 13, 1)
    image[:, slice(*rows), slice(*columns)] = 255
    found = measure(image)
    others = {name: found[f"brightness in the {name} third"] for name in ("top", "bottom", "left", "right")}
    across = 5 / 13
    expected = dict.fromkeys(others, across) | {third: 1}
    expected[{"top": "bottom", "bottom": "top", "left": "right", "right": "left"}[third]] = 0
    assert others == pytest.approx(expected, abs=1e-5)


def test_contrast_is_that_of_the_place():
    image = black(12, 12, 1)
    image[0, :, 0:6:2] = 255
    found = measure(image)
    assert found["contrast in the left half"] == pytest.approx(0.5, abs=1e-5)
    assert found["contrast in the right half"] == 0


def test_a_step_is_texture_where_it_is_fine_and_coarse():
    image = black(12, 12, 1)
    image[0, :, 6:] = 255
    found = measure(image)
    expected = {
        "fine texture": 1 / 12,
        "fine texture in the left half": 1 / 6,
        "fine texture in the right half": 0,
        "fine texture in the middle": 1 / 4,
        "fine texture top left": 0,
        "coarse texture": 1 / 6,
        "coarse texture top right": 0,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-5)


def test_a_pattern_from_pixel_to_pixel_is_fine_texture_and_not_coarse():
    image = black(16, 16, 1)
    rows, columns = np.indices((16, 16))
    image[0][torch.from_numpy((rows + columns) % 2 == 0)] = 255
    found = measure(image)
    assert found["fine texture in the middle"] == pytest.approx(2**0.5, abs=1e-5)
    assert found["coarse texture in the middle"] == 0


def test_plain_images_differ_in_light_and_in_nothing_that_rounding_makes():
    images = torch.arange(1, 255, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 20, 20).clone()
    images[0, 0] += 1  # so that they count as images in colour
    for name, values in measure_images(images, by_region=True).items():
        if name not in STATISTICS and not name.startswith(("brightness", "hue")) and " light" not in name:
            assert len(np.unique(values[1:])) == 1, name


def test_grey_images_have_places_too_and_no_colour(digits):
    names = set(measure_images(digits.images.pixels[:5], by_region=True)) - set(STATISTICS)
    assert {name.split(" in ")[0].split(" at ")[0] for name in names} >= {"brightness", "contrast", "fine texture"}
    assert not any(word in name for name in names for word in ("red", "blue", "hue", "light", "saturation"))


@pytest.mark.parametrize("channels", [2, 5])
def test_images_of_other_channels_are_told_of_by_channel(channels):
    images = torch.randint(0, 256, (4, channels, 9, 9), dtype=torch.uint8)
    found = measure_images(images, by_region=True)
    mean = images[:, 1].float().mean(dim=(1, 2)).numpy() / 255
    assert found["channel 2"] == pytest.approx(mean, abs=1e-5)
    assert found["brightness"] == pytest.approx(images.float().mean(dim=(1, 2, 3)).numpy() / 255, abs=1e-5)
    assert find_words("channel 2 at the border") == (
        "little of channel 2 at the border",
        "much of channel 2 at the border",
    )
    assert "hue" not in found


@pytest.mark.parametrize("size", [(3, 3), (4, 9), (31, 17), (64, 64)])
def test_every_number_of_every_size_is_finite_and_has_words(size):
    images = torch.randint(0, 256, (3, 3, *size), dtype=torch.uint8)
    found = measure_images(images, by_region=True)
    for name, values in found.items():
        assert len(values) == 3
        if values.dtype == object:
            assert name.startswith("hue")
        else:
            assert np.isfinite(values).all(), name
            low, high = find_words(name)
            assert low != high
    assert ("coarse texture" in found) == (min(size) >= 6)
    assert all(f"fine texture {place}" in found for row in NINTHS for place in row)


def test_places_measured_in_parts_measure_as_in_one(monkeypatch):
    images = torch.randint(0, 256, (30, 3, 16, 16), dtype=torch.uint8)
    whole = measure_images(images, by_region=True)
    monkeypatch.setattr(statistics, "CHUNK_VALUES", 3 * 256 * 7)
    for name, values in measure_images(images, by_region=True).items():
        if values.dtype == object:
            assert values.tolist() == whole[name].tolist()
        else:
            assert np.allclose(values, whole[name], atol=2 * 10.0**-regions.DECIMALS), name
