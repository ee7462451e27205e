"""The seam of images: in memory or made one by one, the same rows, and the statistics of all of them."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import splitgen
from splitgen import DatasetImages, MemoryImages, make_dataset
from splitgen.data import images as seam
from splitgen.data.images import NormalizedImages, to_pixels
from splitgen.errors import SourceError

ROOT = Path(splitgen.__file__).parent


class Pairs:
    """Pairs of an item and its class, as a user's torch dataset gives them."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        return self.items[row], row % 2


def hold(items) -> DatasetImages:
    return DatasetImages(Pairs(items), "dataset:Pairs")


def colourful(n_points: int, seed: int = 0) -> torch.Tensor:
    """Bytes [N, 3, 6, 8], each channel with a mean of its own."""
    generator = torch.Generator().manual_seed(seed)
    highest = torch.tensor([60, 250, 130]).view(1, 3, 1, 1)
    return (torch.rand(n_points, 3, 6, 8, generator=generator) * highest).to(torch.uint8)


@pytest.mark.parametrize("kind", [torch.uint8, torch.float32])
def test_the_same_rows_come_from_memory_and_from_a_dataset(kind):
    pixels = colourful(50).to(kind)
    memory, made = MemoryImages(pixels), hold(list(pixels))
    assert len(memory) == len(made) == 50
    assert memory.shape == made.shape == (3, 6, 8)
    assert memory.dtype == made.dtype == kind
    for rows in ([7], [3, 49, 3, 0], np.array([5, 2]), torch.tensor([48, 1]), np.arange(0), torch.arange(50)):
        assert torch.equal(made.take(rows), memory.take(rows))
        assert torch.equal(made.take(rows), pixels[rows])
        assert made.take(rows).dtype == kind


def test_statistics_of_both_are_those_of_numpy_on_real_images(digits, monkeypatch):
    """Chunks that do not divide the number of rows, and one of a single row."""
    pixels = digits.images.pixels
    assert len(pixels) % 449 == 1
    values = pixels.numpy().astype(np.float64).transpose(1, 0, 2, 3).reshape(1, -1)
    memory = MemoryImages(pixels).statistics()
    for chunk in (seam.CHUNK, 449, 1797, 5000):
        monkeypatch.setattr(seam, "CHUNK", chunk)
        streamed = hold(pixels).statistics()
        assert streamed.mean.dtype == streamed.std.dtype == torch.float32
        np.testing.assert_allclose(streamed.mean.numpy(), values.mean(axis=1), rtol=1e-6)
        np.testing.assert_allclose(streamed.std.numpy(), values.std(axis=1, ddof=1), rtol=1e-6)
        torch.testing.assert_close(streamed.mean, memory.mean, rtol=1e-5, atol=0)
        torch.testing.assert_close(streamed.std, memory.std, rtol=1e-5, atol=0)
        assert (streamed.low, streamed.high) == (memory.low, memory.high) == (0.0, 16.0)


def test_statistics_are_of_each_channel(monkeypatch):
    monkeypatch.setattr(seam, "CHUNK", 17)
    pixels = colourful(100)
    values = pixels.numpy().astype(np.float64).transpose(1, 0, 2, 3).reshape(3, -1)
    for found in (MemoryImages(pixels).statistics(), hold(pixels).statistics()):
        np.testing.assert_allclose(found.mean.numpy(), values.mean(axis=1), rtol=1e-5)
        np.testing.assert_allclose(found.std.numpy(), values.std(axis=1, ddof=1), rtol=1e-5)
        assert (found.low, found.high) == (values.min(), values.max())


def test_streamed_statistics_hold_where_the_spread_is_small_beside_the_mean(monkeypatch):
    """A sum of squares would lose it all: the variance is 1e-8 of the squared mean."""
    monkeypatch.setattr(seam, "CHUNK", 7)
    pixels = 1000 + 0.1 * torch.randn(60, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    found, values = hold(pixels).statistics(), pixels.numpy().astype(np.float64)
    np.testing.assert_allclose(float(found.mean), values.mean(), rtol=1e-6)
    np.testing.assert_allclose(float(found.std), values.std(ddof=1), rtol=1e-5)


def test_normalized_images_are_alike_from_memory_and_from_a_dataset(digits):
    both = [
        NormalizedImages(images, images.statistics(), "cpu") for images in (digits.images, hold(digits.images.pixels))
    ]
    rows = torch.tensor([1700, 3, 3, 0])
    memory, made = (each.take(rows) for each in both)
    torch.testing.assert_close(memory, made, rtol=1e-5, atol=1e-5)
    assert memory.shape == made.shape == (4, 1, 8, 8)
    assert memory.dtype == made.dtype == torch.float32
    everything = [list(each.chunks(800)) for each in both]
    for chunks in everything:
        assert [len(chunk) for chunk in chunks] == [800, 800, 197]
    memory, made = (torch.cat(chunks) for chunks in everything)
    torch.testing.assert_close(memory, made, rtol=1e-5, atol=1e-5)
    for values in (memory, made):
        assert float(values.mean()) == pytest.approx(0, abs=1e-4)
        assert float(values.std()) == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(made[rows], both[1].take(rows), rtol=0, atol=0)


def test_a_channel_that_is_the_same_everywhere_is_normalised_to_zero():
    pixels = colourful(20)
    pixels[:, 1] = 77
    for images in (MemoryImages(pixels), hold(pixels)):
        normal = NormalizedImages(images, images.statistics(), "cpu").take(torch.arange(20))
        assert torch.isfinite(normal).all()
        assert normal[:, 1].abs().max() < 1e-3


def test_bytes_stay_bytes_and_all_else_becomes_float32():
    assert hold(list(colourful(3))).dtype == torch.uint8
    assert hold(list(colourful(3).numpy())).dtype == torch.uint8
    assert hold([Image.new("RGB", (8, 6))] * 3).take([0, 1]).dtype == torch.uint8
    for item in (np.zeros((6, 8)), np.zeros((6, 8), np.int64), torch.zeros(6, 8).double(), torch.zeros(6, 8).half()):
        images = hold([item] * 3)
        assert images.dtype == images.take([2]).dtype == torch.float32


def test_tensors_arrays_and_pictures_of_the_same_image_are_the_same_pixels():
    pixels = colourful(1)[0]
    last = pixels.numpy().transpose(1, 2, 0)
    for item in (pixels, pixels.numpy(), last, Image.fromarray(np.ascontiguousarray(last))):
        assert torch.equal(to_pixels(item, "x", 0), pixels)
    for item in (pixels[0], pixels[0].numpy(), pixels[:1], pixels[:1].numpy(), Image.fromarray(pixels[0].numpy())):
        assert torch.equal(to_pixels(item, "x", 0), pixels[:1])
    four = Image.new("RGBA", (8, 6), (1, 2, 3, 4))
    assert to_pixels(four, "x", 0)[:, 2, 3].tolist() == [1, 2, 3, 4]


def test_a_picture_with_a_palette_is_its_colours_and_not_their_numbers():
    red = Image.new("RGB", (8, 6), (250, 10, 20))
    assert to_pixels(red.quantize(4), "x", 0)[:, 2, 3].tolist() == pytest.approx([250, 10, 20], abs=8)


def test_a_picture_of_black_and_white_is_an_image():
    picture = Image.new("1", (8, 6))
    picture.putpixel((3, 2), 1)
    pixels = to_pixels(picture, "x", 0)
    assert pixels.shape == (1, 6, 8)
    assert pixels.nonzero().tolist() == [[0, 2, 3]]


@pytest.mark.parametrize("height", [1, 3, 4])
def test_a_picture_in_colour_has_its_channels_last_however_low_it_is(height):
    assert to_pixels(Image.new("RGB", (8, height)), "x", 0).shape == (3, height, 8)


def test_the_pixels_of_a_users_array_are_not_those_that_change_with_it():
    array = np.zeros((6, 8), np.uint8)
    taken = hold([array, array]).take([0])
    array += 9
    assert int(taken.max()) == 0


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("seven", "item 0 is no image but str"),
        (None, "item 0 is no image but NoneType"),
        ({"image": 1}, "item 0 is no image but dict"),
        (7, "item 0 is no image but int"),
        (np.zeros(64), "item 0 is no image but ndarray"),
        (np.zeros((1, 1, 8, 8)), "item 0 is no image but ndarray"),
        (np.zeros((8, 8), dtype=complex), "item 0 is no image but ndarray"),
        (torch.zeros(64), r"image 0 has the shape \(64,\)"),
        (torch.zeros(1, 1, 8, 8), r"image 0 has the shape \(1, 1, 8, 8\)"),
    ],
)
def test_an_item_that_is_no_image_is_refused_in_one_line(item, words):
    with pytest.raises(SourceError, match=words) as caught:
        hold([item] * 20)
    assert str(caught.value).startswith("dataset 'dataset:Pairs'")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (torch.zeros(1, 8, 9), r"image 5 is torch.float32 \(1, 8, 9\), the first torch.float32 \(1, 8, 8\)"),
        (torch.zeros(3, 8, 8), r"image 5 is torch.float32 \(3, 8, 8\), the first torch.float32 \(1, 8, 8\)"),
        (torch.zeros(1, 8, 8, dtype=torch.uint8), r"image 5 is torch.uint8 \(1, 8, 8\), the first torch.float32"),
        ("five", "item 5 is no image but str"),
    ],
)
def test_an_image_unlike_the_first_is_refused_in_one_line_when_it_is_asked_for(other, words):
    images = hold([torch.zeros(1, 8, 8)] * 5 + [other] + [torch.zeros(1, 8, 8)] * 5)
    assert len(images.take([0, 4, 6])) == 3
    for look in (lambda: images.take([2, 5]), images.statistics):
        with pytest.raises(SourceError, match=words) as caught:
            look()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_pixels_that_are_no_numbers_are_refused_wherever_they_come_from(bad, monkeypatch):
    monkeypatch.setattr(seam, "CHUNK", 7)
    pixels = colourful(40).float()
    pixels[18, 1, 2, 3] = pixels[30] = bad
    for images in (pixels, MemoryImages(pixels), hold(pixels)):
        with pytest.raises(SourceError, match=r"2 images have NaN or infinite pixels \(first: row 18\)"):
            make_dataset("made", images, np.arange(40) % 2, raw=[b""])


def name_uses(path: Path) -> set[str]:
    """Where a file asks for something that only images in memory have: attributes `in_memory`, `.images.pixels` (of
    whatever record), and checks for `MemoryImages`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            of_images = "images" in ast.unparse(node.value).rpartition(".")[2]
            if node.attr == "in_memory" or (node.attr == "pixels" and of_images):
                found.add(ast.unparse(node))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            found |= {ast.unparse(node)} if "MemoryImages" in ast.unparse(node) else set()
    return found


def test_only_the_seam_knows_whether_images_lie_in_memory():
    users = {path.relative_to(ROOT).as_posix(): uses for path in ROOT.rglob("*.py") if (uses := name_uses(path))}
    assert set(users) == {"data/images.py"}


def test_only_sources_of_data_put_images_into_memory():
    """All else takes what it is given: a name that is not imported cannot be made or looked at."""
    users = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "MemoryImages" for alias in node.names)
    }
    rest = {user for user in users if not user.startswith("data/sources/")}
    assert rest <= {"__init__.py", "data/dataset.py", "data/listings/listing.py"}


def test_no_stage_takes_all_images_at_once():
    """`take` of an `arange` over all points, as a stage that holds all images would write it."""
    for part in ("tasks", "splits", "explain", "report", "check"):
        for path in (ROOT / part).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".take", ".batch")):
                    assert "arange" not in ast.unparse(node), path
