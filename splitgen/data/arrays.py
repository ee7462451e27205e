"""Arrays of images, as sources hold them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from splitgen.errors import SourceError

PLAIN = (1, 3, 4)  # channels of grey, colour, and colour with transparency
FIRST, LAST = 0, 2


def to_channels_first(source: str, images: np.ndarray) -> torch.Tensor:
    """[N, height, width], or [N, ...] with channels first or last as `find_channels` tells, as a tensor
    [N, channels, height, width]. Raises `SourceError` where nobody can tell."""
    check_image_shape(source, images.shape)
    if images.ndim == 3:
        images = images[:, None]
    else:
        place = find_channels(images.shape[1:])
        if place is None:
            shown = " x ".join(map(str, images.shape))
            problem = f"images of {shown} may have their channels first or last"
            raise SourceError(source, problem, "crop or pad them to another size than the number of channels")
        images = images.transpose(0, 3, 1, 2) if place == LAST else images
    kind = np.uint8 if images.dtype == np.uint8 else np.float32
    with np.errstate(over="ignore"):  # pixels that become infinite are found with all others that are
        return torch.from_numpy(np.array(images, dtype=kind, order="C"))  # a copy: the source stays as it is


def find_channels(shape: Sequence[int]) -> int | None:
    """Which of an image's three axes are the channels, `FIRST` or `LAST`; None where it can be either.

    An axis of 1 or 3 in front, else one of 1, 3 or 4 at the end, is grey or colour. Other numbers of channels
    (spectrograms, satellite bands) are told by the two axes that are equal, as the sides of a square image are, and
    else by the outer axis that is shorter than all others, as images have fewer channels than pixels a side.
    """
    first, middle, last = shape
    if middle == last == 1:  # features: one pixel
        return FIRST
    if first in PLAIN[:2] or (first in PLAIN and last not in PLAIN):
        return FIRST
    if last in PLAIN:
        return LAST
    if (first == middle) != (middle == last):  # of a square, one axis is left over
        return LAST if first == middle else FIRST
    if first == last:
        return None
    shorter = FIRST if first < last else LAST
    return shorter if shape[shorter] < middle else None


def check_image_shape(source: str, shape: tuple[int, ...]) -> None:
    """Raise `SourceError` for what are no images, [N, height, width] or with channels last or first."""
    if len(shape) not in (3, 4):
        raise SourceError(source, f"images have the shape {shape}", "give N x height x width (x channels)")
