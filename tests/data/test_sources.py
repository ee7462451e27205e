"""Each source on real images, and the fingerprint."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splitgen import DataConfig, open_dataset
from splitgen.data.dataset import compute_fingerprint, make_dataset
from splitgen.data.images import NormalizedImages
from splitgen.data.sources.registry import SOURCES
from splitgen.errors import SourceError

FASHION = Path("/usr/share/datasets/fashion-mnist")


def test_digits_come_with_the_package(digits):
    assert (digits.n_points, digits.n_classes, tuple(digits.images.shape)) == (1797, 10, (1, 8, 8))
    assert digits.ids[:2] == ("0", "1")


def test_fashion_mnist_from_idx_has_its_own_test_set(fashion):
    assert fashion.class_counts.tolist() == [6000] * 10
    assert (len(fashion.own_test.images), *fashion.own_test.images.shape) == (10_000, 1, 28, 28)
    assert fashion.source == "idx:fashion-mnist"


def test_normalized_images_have_zero_mean_and_unit_variance_and_leave_the_pixels(digits):
    before = digits.images.pixels.clone()
    images = NormalizedImages(digits.images, digits.statistics, "cpu").take(torch.arange(digits.n_points))
    assert float(images.mean()) == pytest.approx(0, abs=1e-4)
    assert float(images.std()) == pytest.approx(1, abs=1e-3)
    assert torch.equal(digits.images.pixels, before)


def write_idx(path, array, opener=open):
    kind = {1: 0x08}[array.dtype.itemsize]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    with opener(path, "wb") as file:
        file.write(header + array.tobytes())


@pytest.mark.parametrize(("suffix", "opener"), [("", open), (".gz", gzip.open)])
def test_idx_files_gzipped_or_not(digits, tmp_path, suffix, opener):
    pixels = digits.images.pixels[:, 0].numpy().astype(np.uint8)
    write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", pixels, opener)
    write_idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", digits.labels.astype(np.uint8), opener)
    found = open_dataset(DataConfig(f"idx:{tmp_path}"))
    assert np.array_equal(found.images.pixels[:, 0].numpy(), pixels)
    assert np.array_equal(found.labels, digits.labels)
    assert found.own_test is None


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (3, 8, 8)])
def test_npz_grey_and_colour(digits, tmp_path, shape):
    pixels = digits.images.pixels[:60, 0].numpy()
    x = {2: pixels, 3: np.repeat(pixels[..., None], shape[-1], -1)}[len(shape)]
    if shape[0] == 3:
        x = np.repeat(pixels[:, None], 3, axis=1)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(60) % 3)
    found = open_dataset(DataConfig(f"npz:{tmp_path / 'data.npz'}"))
    assert torch.equal(found.images.pixels[:, 0], digits.images.pixels[:60, 0])
    assert found.n_channels == (3 if 3 in shape else 1)


def test_folders_of_images_in_colour_or_grey(digits, tmp_path):
    for i in range(40):
        folder = tmp_path / ("even" if digits.labels[i] % 2 == 0 else "odd")
        folder.mkdir(exist_ok=True)
        pixels = (digits.images.pixels[i, 0] * 15).byte().numpy()
        Image.fromarray(pixels).resize((20 + i, 30)).save(folder / f"{i}.png")
    config = DataConfig(f"folder:{tmp_path}", image_size=16)
    grey = open_dataset(config)
    assert tuple(grey.images.shape) == (1, 16, 16)
    assert grey.class_names == ("even", "odd")
    assert grey.ids[0].startswith("even/")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "odd" / "red.png")
    colour = open_dataset(config)
    assert tuple(colour.images.shape) == (3, 16, 16)
    assert colour.fingerprint != grey.fingerprint


def test_torchvision_reads_the_same_fashion_mnist(fashion, tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        with gzip.open(FASHION / f"{name}-ubyte.gz") as packed:
            (raw / f"{name}-ubyte").write_bytes(packed.read())
    found = open_dataset(DataConfig("torchvision:FashionMNIST", root=str(tmp_path)))
    assert torch.equal(found.images.pixels, fashion.images.pixels)
    assert np.array_equal(found.labels, fashion.labels)
    assert found.class_names[0] == "T-shirt/top"
    assert len(found.own_test.labels) == 10_000


def test_the_fingerprint_sees_bytes_ids_and_labels():
    labels = np.array([0, 1])
    base = compute_fingerprint([b"ab"], ["x", "y"], labels)
    assert base == compute_fingerprint([b"ab"], ["x", "y"], labels.copy())
    others = [
        compute_fingerprint([b"ac"], ["x", "y"], labels),
        compute_fingerprint([b"a", b"b"], ["x", "y"], labels),
        compute_fingerprint([b"ab"], ["xy", ""], labels),
        compute_fingerprint([b"ab"], ["x", "y"], 1 - labels),
    ]
    assert len({base, *others}) == 5


def test_a_record_cannot_be_changed(digits):
    with pytest.raises(AttributeError):
        digits.source = "other"
    assert replace(digits, source="other").source == "other"


def test_a_kind_of_source_from_outside_the_package_is_one_function_and_one_line(monkeypatch):
    """Stripes: class 0 is upright, class 1 lies down."""

    def load_stripes(argument, config):
        size = int(argument)
        upright = (torch.arange(size) % 2 * 255).to(torch.uint8).expand(size, size)
        images = torch.stack([upright, upright.T] * 20)[:, None]
        return make_dataset(f"stripes:{argument}", images, np.arange(40) % 2, raw=[images.numpy().tobytes()])

    monkeypatch.setitem(SOURCES, "stripes", load_stripes)
    dataset = open_dataset("stripes:6")
    assert (dataset.source, dataset.n_points, dataset.images.shape) == ("stripes:6", 40, (1, 6, 6))
    assert dataset.images.take([1])[0, 0, 1].tolist() == [255] * 6
    with pytest.raises(SourceError, match="unknown dataset"):
        open_dataset("stripes")


def test_the_test_files_of_idx_are_a_part(tmp_path, digits):
    pixels = digits.images.pixels[:, 0].numpy().astype(np.uint8)
    for name, kept in (("train", slice(0, 1000)), ("t10k", slice(1000, 1797))):
        write_idx(tmp_path / f"{name}-images-idx3-ubyte", pixels[kept])
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte", digits.labels[kept].astype(np.uint8))
    found = open_dataset(DataConfig(f"idx:{tmp_path}", part="test"))
    assert np.array_equal(found.images.take(range(797))[:, 0].numpy(), pixels[1000:])
    assert found.own_test is None
    assert len(open_dataset(DataConfig(f"idx:{tmp_path}", part="train"))) == 1000
    with pytest.raises(
        SourceError, match="it has no part 'val'; give --part with one of those that it has: train, test"
    ):
        open_dataset(DataConfig(f"idx:{tmp_path}", part="val"))


def test_a_part_of_what_has_none_is_refused(tmp_path, digits):
    np.savez(tmp_path / "a.npz", x=digits.images.pixels[:, 0].numpy(), y=digits.labels)
    for spec in (
        "digits",
        f"npz:{tmp_path / 'a.npz'}",
        f"features:{tmp_path / 'a.npz'}",
        "sklearn.datasets:load_digits",
    ):
        with pytest.raises(SourceError, match="it has no part 'test'"):
            open_dataset(DataConfig(spec, part="test"))


@pytest.mark.parametrize("setting", ["image_column", "label_column", "target_column"])
def test_a_column_of_what_has_no_columns_is_refused(setting, tmp_path):
    option = f"--{setting.replace('_', '-')}"
    for spec in ("digits", f"idx:{tmp_path}", f"folder:{tmp_path}", f"{__name__}:give_nothing"):
        with pytest.raises(SourceError, match=f"{option} is of .*; leave out {option}"):
            open_dataset(DataConfig(spec, **{setting: "x"}))


def give_nothing():
    raise AssertionError("it is refused before any code is run")
