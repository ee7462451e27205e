"""From what a source holds of an image to the pixels that a network sees."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

Encoded = bytes | Image.Image | np.ndarray  # the bytes of a file, or an image that a library has decoded already


class DecodeError(ValueError):
    """An image that cannot be read; the message says why, without its name."""


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of every image of a dataset.

    size: pixels a side. channels: 1 (grey) or 3. resize: "crop" keeps the middle, "pad" fills up, "squash" changes the
    aspect ratio. background: a colour name, what shines through where an image is transparent.
    """

    size: int
    channels: int = 3
    resize: str = "crop"
    background: str = "white"


@dataclass(frozen=True)
class Sight:
    """What the header of an image tells: pixels, upright; channels 1 or 3; frames."""

    width: int
    height: int
    channels: int
    n_frames: int = 1


def look_at(item: Encoded) -> Sight:
    """What an image's header tells. Raises `DecodeError`."""
    with open_picture(item) as picture:
        return describe(picture)


def decode_image(item: Encoded, preprocessing: Preprocessing) -> np.ndarray:
    """An image as uint8 [channels, size, size]. Raises `DecodeError`."""
    return look_and_decode(item, preprocessing)[1]


def look_and_decode(item: Encoded, preprocessing: Preprocessing) -> tuple[Sight, np.ndarray]:
    """What `look_at` and `decode_image` give, opened once: of a small image, opening is a tenth of the work."""
    side = (preprocessing.size, preprocessing.size)
    try:
        with open_picture(item) as picture:
            sight = describe(picture)
            mode = "L" if preprocessing.channels == 1 else "RGB"
            plain = picture if picture.mode == mode else picture.convert(mode)  # which copies an image of that mode
            pixels = plain.resize(side, Image.Resampling.BILINEAR).tobytes()
    except DecodeError:
        raise
    except Exception as error:  # Pillow's many decoders raise all kinds on a damaged file
        raise DecodeError("is not a readable image") from error
    return sight, np.frombuffer(pixels, np.uint8).reshape(*side, -1).transpose(2, 0, 1)


def describe(picture: Image.Image) -> Sight:
    grey = picture.mode in ("L", "1", "I", "I;16", "F", "LA")
    return Sight(picture.width, picture.height, 1 if grey else 3, getattr(picture, "n_frames", 1))


def open_picture(item: Encoded) -> Image.Image:
    if isinstance(item, Image.Image):
        return item
    try:
        return Image.fromarray(item) if isinstance(item, np.ndarray) else Image.open(io.BytesIO(item))
    except Exception as error:
        raise DecodeError("is not a readable image") from error
