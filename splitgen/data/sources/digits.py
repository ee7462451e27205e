"""scikit-learn's handwritten digits."""

from __future__ import annotations

import numpy as np
import torch

from splitgen.data.dataset import ImageDataset, make_dataset
from splitgen.data.listings.part_names import NO_PARTS, refuse_part
from splitgen.settings.stages import DataConfig


def load_digits(argument: str, config: DataConfig) -> ImageDataset:
    """scikit-learn's handwritten digits: 1,797 scans of 8x8 pixels, part of the package."""
    from sklearn import datasets

    refuse_part("digits", config.part, NO_PARTS)
    digits = datasets.load_digits()
    images = torch.from_numpy(digits.images.astype(np.float32))[:, None]
    return make_dataset("digits", images, digits.target, raw=[digits.images.tobytes()])
