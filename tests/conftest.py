"""Shared fixtures: real images (digits, Fashion-MNIST), one thread (small networks gain nothing from more)."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch and scikit-learn start their threads

import numpy as np
import pytest
import torch

from splitgen import DataConfig, ImageDataset, open_dataset
from splitgen.models import pace

FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory) -> None:
    """Decoded images go into a folder of the test run, and not into the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def _short_spells() -> None:
    """The pace is measured by the fewest spells of training: forecasts of a hundred short runs need be no better."""
    pace.ALL_SECONDS = 0.0


@pytest.fixture(scope="session")
def digits() -> ImageDataset:
    return open_dataset(DataConfig("digits"))


@pytest.fixture(scope="session")
def few_digits(digits, tmp_path_factory) -> Path:
    """300 of them in a file, for commands whose result is not looked at for its strength."""
    path = tmp_path_factory.mktemp("few") / "few.npz"
    np.savez(path, x=digits.images.take(range(300))[:, 0].numpy(), y=digits.labels[:300])
    return path


@pytest.fixture(scope="session")
def fashion() -> ImageDataset:
    if not FASHION.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    return open_dataset(DataConfig(f"idx:{FASHION}"))
