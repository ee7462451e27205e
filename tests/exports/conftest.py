"""A folder of real images, and a split of it with rows in every part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splitgen import DataConfig, ImageDataset, SelectionConfig, Split, open_dataset, select_split

ROWS = 300


@pytest.fixture(scope="session")
def images(digits, tmp_path_factory) -> Path:
    """Digits as CLASS/NUMBER.png: with numbers that natural and plain order sort differently."""
    root = tmp_path_factory.mktemp("images")
    for index in range(ROWS):
        folder = root / f"digit{digits.labels[index]}"
        folder.mkdir(exist_ok=True)
        pixels = (digits.images.pixels[index, 0].numpy() * 15).astype(np.uint8)
        Image.fromarray(pixels).resize((16, 16)).save(folder / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def folder(images) -> ImageDataset:
    return open_dataset(DataConfig(f"folder:{images}", image_size=16))


@pytest.fixture(scope="session")
def split(folder) -> Split:
    margins = np.random.default_rng(0).normal(size=folder.n_points).astype(np.float32)
    sizes = SelectionConfig(test_fraction=0.4, reserve_fraction=0.1, validation_fraction=0.1)
    parts = select_split(margins, folder.labels, folder.ids, sizes).parts
    described = {"source": folder.source, "fingerprint": folder.fingerprint, "class_names": list(folder.class_names)}
    metadata = {"dataset": described, "target": "label", "verification": None}
    return Split(folder.ids, folder.labels, folder.labels, parts, margins, margins, metadata)
