"""Which datapoints are shown, and as what."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from splitgen import MemoryImages, read_split
from splitgen.report.pictures import (
    MAX_CLASSES,
    THUMBNAIL_PIXELS,
    Album,
    choose_class_strips,
    choose_classes,
    choose_factor,
    choose_places,
    choose_side_strips,
    write_sheets,
)


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 5, 11, 12, 13, 400])
def test_places_are_in_order_and_never_show_a_row_twice(n_rows):
    places = np.concatenate(choose_places(n_rows))
    assert places.tolist() == sorted(set(places.tolist()))
    assert len(places) == min(n_rows, 12)
    if n_rows:
        assert (places[0], places[-1]) == (0, n_rows - 1)


def test_a_class_runs_from_its_most_train_like_row_to_its_most_test_like(run_folder):
    split = read_split(run_folder)
    strips = choose_class_strips(split, 3, "3")
    rows = [row for strip in strips for row in strip.rows]
    mine = (split.labels == 3) & (split.parts != "reserve")
    assert split.scores[rows[0]] == split.scores[mine].max()
    assert split.scores[rows[-1]] == split.scores[mine].min()
    assert (np.diff(split.scores[rows]) <= 0).all()
    assert all(strip.title.startswith(split.parts[row]) for strip in strips for row in strip.rows)


def test_both_sides_of_a_task_show_as_many_rows_of_each_class(run_folder):
    split = read_split(run_folder)
    plus, minus = choose_side_strips(split.margins, split.labels, split.ids, "0123456789")
    assert split.labels[list(plus.rows)].tolist() == split.labels[list(minus.rows)].tolist()
    assert (split.margins[list(plus.rows)] > 0).all()
    assert (split.margins[list(minus.rows)] < 0).all()


def test_of_many_classes_the_largest_are_shown():
    counts = np.arange(100)
    assert choose_classes(counts) == list(range(100 - MAX_CLASSES, 100))
    assert choose_classes(np.array([0, 5, 2])) == [1, 2]


def test_a_small_image_is_shown_by_its_very_pixels_and_a_large_one_made_small(digits):
    small = replace(digits, images=MemoryImages((digits.images.pixels * 15).to(torch.uint8)))
    picture = Album(small).picture(5, "five")
    shown = np.array(Image.open(io.BytesIO(base64.b64decode(picture.uri.partition(",")[2]))))
    assert np.array_equal(shown, small.images.pixels[5, 0].numpy())
    large = replace(digits, images=MemoryImages(torch.randint(256, (1, 3, 300, 200), dtype=torch.uint8)))
    picture = Album(large).picture(0, "noise")
    assert (picture.width, picture.height) == (43, THUMBNAIL_PIXELS)
    assert len(picture.uri) < 8_000


@pytest.mark.parametrize(
    ("longest", "shown"),
    [(1, 64), (3, 63), (8, 64), (12, 60), (24, 64), (27, 64), (28, 56), (32, 64), (48, 64), (64, 64)],
)
def test_a_small_image_is_shown_as_large_as_can_be_read(longest, shown):
    assert choose_factor(longest) * longest == pytest.approx(shown)


def test_an_image_of_other_channels_is_shown_as_their_mean(digits):
    pixels = torch.randint(256, (1, 5, 9, 9), dtype=torch.uint8)
    image = Album(replace(digits, images=MemoryImages(pixels))).image(pixels[0])
    assert np.array_equal(np.array(image), pixels[0].float().mean(dim=0).round().to(torch.uint8).numpy())


def test_contact_sheets_have_names_that_stay_in_their_folder(hostile, run_folder, tmp_path):
    split = read_split(run_folder)
    written = write_sheets(hostile, split, tmp_path / "sheets")
    assert len(written) == 11
    assert sorted(written) == sorted((tmp_path / "sheets").iterdir())
    assert written[0].name == "class-0-script-alert-0-script-x-2-a-very-long-na.png"
    with Image.open(written[0]) as sheet:
        assert sheet.width > 4 * THUMBNAIL_PIXELS


def test_a_class_that_is_in_reserve_has_no_sheet(hostile, run_folder, tmp_path):
    split = read_split(run_folder)
    parts = np.where(split.labels == 3, "reserve", split.parts)
    written = write_sheets(hostile, replace(split, parts=parts), tmp_path / "sheets")
    assert len(written) == 10
    assert not any(path.name.startswith("class-3") for path in written)
