"""Images that come as arrays take --image-size, with the pixels that pictures of files would have."""

import gzip
import struct

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from splitgen.data import images as seam
from splitgen.data.dataset import make_dataset
from splitgen.data.resizing import ResizedImages, resize_dataset
from splitgen.data.sources.registry import open_dataset
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

LABELS = np.arange(40) % 2
WAYS = ("crop", "pad", "squash")


def draw(channels: int, height: int = 9, width: int = 14) -> torch.Tensor:
    """Random bytes [40, channels, height, width]."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (len(LABELS), channels, height, width), generator=generator).to(torch.uint8)


def resize(images, **settings):
    dataset = make_dataset("made", images, LABELS, raw=[b"bytes"])
    return dataset, resize_dataset(dataset, DataConfig("made", **settings))


def write_pictures(pixels: torch.Tensor, root) -> str:
    for row, image in enumerate(pixels):
        folder = root / str(LABELS[row])
        folder.mkdir(exist_ok=True)
        array = image.permute(1, 2, 0).numpy()
        Image.fromarray(array[:, :, 0] if len(image) == 1 else array).save(folder / f"{row:03}.png")
    return f"folder:{root}"


def write_idx(path, array: np.ndarray) -> None:
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [5, 20])
def test_bytes_have_the_pixels_of_the_same_images_in_files(channels, way, size, tmp_path):
    pixels = draw(channels)
    settings = {"image_size": size, "resize": way, "background": "#1080f0"}
    expected = open_dataset(DataConfig(write_pictures(pixels, tmp_path), **settings))
    order = [int(name.removesuffix(".png")[-3:]) for name in expected.ids]
    given, found = resize(pixels, **settings)
    assert found.images.dtype == torch.uint8
    assert found.images.shape == (channels, size, size)
    assert torch.equal(found.images.take(order), expected.images.take(range(40)))
    assert (found.ids, found.fingerprint) == (given.ids, given.fingerprint)


@pytest.mark.parametrize("way", WAYS)
def test_floats_are_resized_as_floats_and_filled_up_between_their_least_and_greatest(way):
    pixels = draw(3)
    settings = {"image_size": 6, "resize": way, "background": "#ff00ff"}
    expected = resize(pixels, **settings)[1].images.take(range(40)).float()
    low, high = float(pixels.min()), float(pixels.max())
    assert (low, high) == (0, 255)
    found = resize(pixels / 255 * 4 - 2, **settings)[1].images
    assert found.dtype == torch.float32
    assert ((found.take(range(40)) + 2) / 4 * 255 - expected).abs().max() < 1.01  # bytes are rounded after each pass


def test_bands_are_filled_up_with_the_luma_of_the_background():
    found = resize(draw(5, 4, 8), image_size=8, resize="pad", background="red")[1].images.take([0])[0]
    assert (found[:, :2] == 76).all()
    assert (found[:, 6:] == 76).all()
    assert torch.equal(found[:, 2:6], draw(5, 4, 8)[0])


def test_images_of_the_size_that_is_asked_for_stay_as_they_are(digits):
    assert resize_dataset(digits, DataConfig("digits", image_size=8)) is digits
    assert resize_dataset(digits, DataConfig("digits")) is digits


def test_images_that_do_not_fit_into_memory_are_resized_when_they_are_asked_for(monkeypatch):
    pixels = draw(3)
    expected = resize(pixels, image_size=5)[1]
    monkeypatch.setattr(seam, "MEMORY_BYTES", 0)
    found = resize(pixels, image_size=5)[1]
    assert isinstance(found.images, ResizedImages)
    assert torch.equal(found.images.take([7, 2]), expected.images.take([7, 2]))
    assert found.statistics.low == expected.statistics.low
    assert torch.allclose(found.statistics.mean, expected.statistics.mean)


def test_digits_take_the_size():
    plain = open_dataset("digits")
    found = open_dataset(DataConfig("digits", image_size=16))
    assert found.images.shape == (1, 16, 16)
    means = [dataset.images.take(range(1797)).mean(dim=(1, 2, 3)) for dataset in (plain, found)]
    assert (means[0] - means[1]).abs().max() < 0.3  # of 16
    assert found.fingerprint == plain.fingerprint


def test_idx_files_take_the_size_with_their_own_test_set(tmp_path):
    pixels = draw(1, 12, 12)[:, 0].numpy()
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", pixels)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", LABELS)
    found = open_dataset(DataConfig(f"idx:{tmp_path}", image_size=6))
    assert found.own_test is not None
    assert found.images.shape == found.own_test.images.shape == (1, 6, 6)
    by_hand = np.asarray(Image.fromarray(pixels[3]).resize((6, 6), Image.Resampling.BILINEAR))
    for images in (found.images, found.own_test.images):
        assert np.array_equal(images.take([3])[0, 0].numpy(), by_hand)


def test_an_archive_takes_the_size(tmp_path):
    np.savez(tmp_path / "made.npz", x=draw(3).permute(0, 2, 3, 1).numpy(), y=LABELS)
    found = open_dataset(DataConfig(f"npz:{tmp_path / 'made.npz'}", image_size=7))
    assert torch.equal(found.images.take(range(40)), resize(draw(3), image_size=7)[1].images.take(range(40)))


def give_tensors() -> TensorDataset:
    return TensorDataset(draw(3).float(), torch.from_numpy(LABELS))


def test_a_torch_dataset_of_tensors_takes_the_size():
    found = open_dataset(DataConfig(f"{__name__}:give_tensors", image_size=7))
    assert found.images.shape == (3, 7, 7)


def test_features_have_no_size(tmp_path):
    np.savez(tmp_path / "made.npz", x=np.random.default_rng(0).normal(size=(40, 6)), y=LABELS)
    with pytest.raises(SourceError, match="features, which have no size; leave out --image-size"):
        open_dataset(DataConfig(f"features:{tmp_path / 'made.npz'}", image_size=8))
