"""From what a source holds of an image to the pixels that a network sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from splitgen.data.pixels.colours import flatten, is_grey, read_colour
from splitgen.data.pixels.depths import Span, Storage, read_numbers, round_span, scale_numbers, tell_span, tell_storage
from splitgen.data.pixels.encoded import Encoded
from splitgen.data.pixels.opening import DecodeError, check_whole, open_picture

__all__ = [
    "DecodeError",
    "Encoded",
    "Preprocessing",
    "Sight",
    "choose_span",
    "decode_image",
    "look_and_decode",
    "look_at",
]

ORIENTATION = 274  # EXIF's tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TURNING = {"exif", "xmp", "XML:com.adobe.xmp", "Raw profile type exif"}  # where Pillow finds it in these formats
SIDEWAYS = 5  # from this orientation on, width and height change places
EXIF_MARKS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")  # chunks of a PNG that may tell an orientation
LAYERED = ("PSD", "MPO")  # where further frames are layers, or a camera's previews and depths


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of every image of a dataset.

    size: pixels a side. channels: 1 (grey), 3, or as many as arrays of more than 4 have.
    resize: "crop" scales the shorter side and keeps the middle; "pad" scales the longer side and fills up with the
        background (grey images with its luma); "squash" changes the aspect ratio.
    background: a colour as Pillow names them, what shines through where an image is transparent.
    low, high: the values that become black and white in images whose type fixes no range (32-bit integers, floats), by
        `choose_span` over the dataset; None takes each image's own. What lies outside is clipped.
    """

    size: int
    channels: int = 3
    resize: str = "crop"
    background: str = "white"
    low: float | None = None
    high: float | None = None

    @property
    def span(self) -> Span | None:
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Sight:
    """What an image tells before it is decoded.

    width, height: pixels, upright. channels: 1, 3, or those of an array of more than 4.
    n_frames: in the file; the first is the image.
    lowest, highest: of its values, where their type fixes no range. floating: whether these are floats.
    """

    width: int
    height: int
    channels: int
    n_frames: int = 1
    lowest: float | None = None
    highest: float | None = None
    floating: bool = False


def look_at(item: Encoded) -> Sight:
    """What an image's header tells; only palettes and values of 32 bits are decoded for it. Raises `DecodeError`.

    Grey are the modes L, LA, 1, I, I;16 and F, and a palette whose visible colours are all grey.
    """
    if isinstance(item, np.ndarray):
        return look_at_array(item)
    with open_picture(item) as picture:
        return see(item, picture, tell_storage(picture))


def see(item: bytes | Image.Image, picture: Image.Image, storage: Storage) -> Sight:
    """What an open picture's header tells."""
    n_frames = 1 if picture.format in LAYERED else getattr(picture, "n_frames", 1)
    width, height = upright_size(item, picture)
    channels = 1 if is_grey(picture, storage) else 3
    numbers = None if storage.fixed else read_numbers(picture, storage)
    if numbers is None:
        return Sight(width, height, channels, n_frames)
    lowest, highest = tell_span(numbers) or (None, None)
    return Sight(width, height, channels, n_frames, lowest, highest, numbers.dtype.kind == "f")


def look_at_array(array: np.ndarray) -> Sight:
    height, width, channels = measure_array(array)
    lowest, highest = tell_span(array) or (None, None)
    return Sight(width, height, {2: 1, 4: 3}.get(channels, channels), 1, lowest, highest, array.dtype.kind == "f")


def measure_array(array: np.ndarray) -> tuple[int, int, int]:
    """Height, width and channels of an image's array. Raises `DecodeError` for what is no image."""
    shape = list(array.shape)
    if array.dtype.kind not in "buif" or array.ndim not in (2, 3):
        raise DecodeError(f"is an array {array.dtype} {shape}; give numbers [height, width] or with channels last")
    height, width, channels = shape if array.ndim == 3 else [*shape, 1]
    if not array.size:
        raise DecodeError(f"has no pixels ({width} x {height})")
    if channels > 4 and height in (1, 3, 4):
        raise DecodeError(f"is an array {shape}, whose channels seem to come first; give them last")
    return height, width, channels


def upright_size(item: bytes | Image.Image, picture: Image.Image) -> tuple[int, int]:
    """Width and height of an open picture once it is turned."""
    if picture.format == "PNG" and isinstance(item, bytes) and not any(mark in item for mark in EXIF_MARKS):
        return picture.size  # Pillow would decode the whole for an EXIF that may come at its end
    if picture.format == "PNG" or tell_orientation(picture) != 1:
        picture.load()  # turns a TIFF by itself, and may find a PNG's EXIF
    return picture.size[::-1] if tell_orientation(picture) >= SIDEWAYS else picture.size


def tell_orientation(picture: Image.Image) -> int:
    """EXIF's (or XMP's) number, 1 to 8, of any picture that is loaded, if it is a PNG; 1, upright, where that is
    damaged, for the pixels are not."""
    if picture.format in ("JPEG", "PNG") and not TURNING.intersection(picture.info):
        return 1  # most are so, and Pillow looks for long
    try:
        number = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow takes what it finds there as it is
        return 1
    return number if number in TURNS else 1


def choose_span(sights: Iterable[Sight]) -> tuple[float | None, float | None]:
    """`Preprocessing.low` and `high` for a dataset: None where all types fix their range, as 8 and 16 bits do; else
    0 to 1 or 0 to 255 where all other values lie in it, or else the least and the greatest of them.

    Raises `DecodeError` where integers of 32 bits lie beside floats.
    """
    low, high, kinds = float("inf"), float("-inf"), set()
    for sight in sights:
        if sight.lowest is not None and sight.highest is not None:
            low, high = min(low, sight.lowest), max(high, sight.highest)
            kinds.add(sight.floating)
    if len(kinds) > 1:
        raise DecodeError("some images hold floats and others integers of 32 bits, which have no range in common")
    return round_span((low, high)) if kinds else (None, None)


def decode_image(item: Encoded, preprocessing: Preprocessing) -> np.ndarray:
    """An image as uint8 [channels, size, size]. Raises `DecodeError`.

    It is turned upright by its EXIF (or XMP). 16 bits are scaled by 65535, other depths by the preprocessing's span.
    Transparency is composited on the background. Arrays are [height, width] or with channels last: grey, grey and
    alpha, RGB, RGBA, or five bands and more. ICC profiles are not applied, as torchvision does not; CMYK becomes RGB
    as Pillow does it, without profiles. The first frame counts; of an image that is open already, the one it is at.
    """
    return look_and_decode(item, preprocessing)[1]


def look_and_decode(item: Encoded, preprocessing: Preprocessing) -> tuple[Sight, np.ndarray]:
    """What `look_at` and `decode_image` give, opened once: of a small image, opening is a tenth of the work."""
    if not isinstance(item, np.ndarray):
        return decode_picture(item, preprocessing)
    channels = measure_array(item)[2]
    sight, eight = look_at_array(item), scale_numbers(item, preprocessing.span)
    if channels > 4:
        return sight, decode_bands(eight, preprocessing)
    picture = Image.fromarray(eight[:, :, 0] if item.ndim == 3 and channels == 1 else eight)
    return sight, decode_picture(picture, preprocessing)[1]


def decode_bands(array: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Channels of which each is a picture by itself, uint8 [height, width, channels]."""
    if array.shape[2] != preprocessing.channels:
        raise DecodeError(f"has {array.shape[2]} channels, the dataset {preprocessing.channels}")
    return fit_bands(array.transpose(2, 0, 1), preprocessing)


def decode_picture(item: bytes | Image.Image, preprocessing: Preprocessing) -> tuple[Sight, np.ndarray]:
    if preprocessing.channels not in (1, 3):
        raise DecodeError(f"is a picture; the dataset's images are arrays of {preprocessing.channels} channels")
    with open_picture(item) as picture:
        storage = tell_storage(picture)
        if isinstance(item, bytes):
            check_whole(picture, item)
        sight = see(item, picture, storage)
        picture.load()
        pixels = fit(prepare(picture, storage, preprocessing), preprocessing).tobytes()  # faster than by an array
    shape = (preprocessing.size, preprocessing.size, preprocessing.channels)
    return sight, np.frombuffer(pixels, np.uint8).reshape(shape).transpose(2, 0, 1)


def prepare(picture: Image.Image, storage: Storage, preprocessing: Preprocessing) -> Image.Image:
    """A loaded picture at its own size, upright, in the dataset's mode: L or RGB."""
    flat = flatten(picture, storage, preprocessing.span, preprocessing.background)
    mode = "L" if preprocessing.channels == 1 else "RGB"
    if flat.mode != mode:
        flat = flat.convert(mode)
    turn = TURNS.get(tell_orientation(picture))
    return flat if turn is None else flat.transpose(turn)


def fit_bands(
    bands: np.ndarray, preprocessing: Preprocessing, fills: Sequence[float | None] | None = None
) -> np.ndarray:
    """Channels [C, height, width] of bytes or floats, each as `fit` makes a picture of it: [C, size, size]."""
    pictures = (Image.fromarray(np.ascontiguousarray(band)) for band in bands)
    each = zip(pictures, fills or (None,) * len(bands), strict=True)
    return np.stack([np.asarray(fit(picture, preprocessing, fill)) for picture, fill in each])


def fit(picture: Image.Image, preprocessing: Preprocessing, fill: float | None = None) -> Image.Image:
    """A picture of L, RGB or F at the preprocessing's size, antialiased; one that has it already stays as it is.

    fill: the value that a picture of one channel is filled up with; None takes the background's colour.
    """
    size, (width, height) = preprocessing.size, picture.size
    if (width, height) == (size, size):
        return picture
    if preprocessing.resize == "squash":
        return picture.resize((size, size), Image.Resampling.BILINEAR)
    if preprocessing.resize == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2  # whole pixels: half a one would blur all of them
        return picture.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    scale = size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    colour = read_colour(preprocessing.background, picture.mode) if fill is None else fill
    canvas = Image.new(picture.mode, (size, size), colour)
    canvas.paste(picture.resize(inner, Image.Resampling.BILINEAR), ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return canvas
