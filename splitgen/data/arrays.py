"""Arrays of images, as sources hold them."""

from __future__ import annotations

import numpy as np
import torch

from splitgen.errors import SourceError


def to_channels_first(source: str, images: np.ndarray) -> torch.Tensor:
    """[N, height, width] or [N, height, width, channels] as a tensor [N, channels, height, width]."""
    check_image_shape(source, images.shape)
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[1] not in (1, 3) and images.shape[-1] in (1, 3, 4):
        images = images.transpose(0, 3, 1, 2)
    kind = np.uint8 if images.dtype == np.uint8 else np.float32
    return torch.from_numpy(np.array(images, dtype=kind, order="C"))  # a copy: the source stays as it is


def check_image_shape(source: str, shape: tuple[int, ...]) -> None:
    """Raise `SourceError` for what are no images, [N, height, width] or with channels last or first."""
    if len(shape) not in (3, 4):
        raise SourceError(source, f"images have the shape {shape}", "give N x height x width (x channels)")
