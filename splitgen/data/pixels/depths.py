"""Values of more than 8 bits, and the ranges that they are scaled by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from splitgen.data.pixels.opening import DecodeError

Span = tuple[float, float]  # the values that become black and white

SIXTEEN_BITS = ((np.arange(2**16) + 128) // 257).astype(np.uint8)  # value / 257, rounded
BLOCK = 2**20  # values that are scaled at a time, in 8 bytes each
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # TIFF's tags
SIGNED = 2  # of SAMPLE_FORMAT


@dataclass(frozen=True)
class Storage:
    """How a file holds its values, as its header tells; Pillow forgets most of it when it loads a picture.

    raw: Pillow's raw mode, such as "LA;16B". fixed: unsigned 16 bits, though Pillow may hold them in 32.
    bits: how many of the 16 are used. unsigned: 32 bits without a sign, which Pillow gives one.
    inverted: TIFF's "white is zero", where Pillow does not care for it.
    """

    raw: str
    fixed: bool
    bits: int
    unsigned: bool
    inverted: bool


EIGHT_BITS = Storage("", fixed=False, bits=8, unsigned=False, inverted=False)


def tell_storage(picture: Image.Image) -> Storage:
    """Of a picture that has just been opened. Raises `DecodeError` for signed bytes."""
    if picture.format == "JPEG":
        return EIGHT_BITS
    tile = getattr(picture, "tile", None)
    args = tile[0][3] if tile else None
    raw = args[0] if isinstance(args, tuple) and args else args
    tags = getattr(picture, "tag_v2", {}) if picture.format == "TIFF" else {}
    if tags.get(SAMPLE_FORMAT, (1,))[0] == SIGNED and tags.get(BITS, (1,))[0] == 8:
        raise DecodeError("is a TIFF file of signed bytes, whose sign Pillow forgets; save it with more bits")
    wide = picture.mode == "I"
    return Storage(
        raw=raw if isinstance(raw, str) else picture.mode,
        fixed=picture.mode.startswith("I;16") or (wide and picture.format in ("PNG", "PPM")),
        bits=tags.get(BITS, (16,))[0],
        unsigned=wide and picture.format == "TIFF" and tags.get(SAMPLE_FORMAT, (1,))[0] == 1,
        inverted=(picture.mode == "F" or picture.mode.startswith("I;16")) and tags.get(PHOTOMETRIC) == 0,
    )


def read_numbers(picture: Image.Image, storage: Storage) -> np.ndarray | None:
    """Values of more than 8 bits, [height, width]: uint16, int32, uint32 or float32; None for all other modes."""
    if not (picture.mode in ("I", "F") or picture.mode.startswith("I;16")):
        return None
    numbers = np.asarray(picture)
    if storage.fixed:
        numbers = numbers.astype(np.uint16)
        if storage.bits < 16:
            numbers = numbers << (16 - storage.bits) | numbers >> (2 * storage.bits - 16)
        return np.invert(numbers) if storage.inverted else numbers
    if storage.inverted:
        raise DecodeError("is a TIFF file of floats whose zero is white, which leaves no value for black")
    return numbers.view(np.uint32) if storage.unsigned else numbers


def is_fixed(dtype: np.dtype) -> bool:
    """Whether a type says the range of its values: bool, and unsigned of 8 or 16 bits."""
    return dtype.kind == "b" or (dtype.kind == "u" and dtype.itemsize <= 2)


def tell_span(numbers: np.ndarray) -> Span | None:
    """The least and the greatest value where no type fixes the range. Raises `DecodeError` for NaN and infinity."""
    if is_fixed(numbers.dtype):
        return None
    low, high = float(numbers.min()), float(numbers.max())
    if not np.isfinite([low, high]).all():
        raise DecodeError("holds values that are no numbers (NaN or infinite)")
    return low, high


def round_span(span: Span) -> Span:
    """The range that values lie in: 0 to 1, 0 to 255, or else from the least to the greatest."""
    low, high = span
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (0.0, 255.0) if low >= 0 and high <= 255 else span


def scale_numbers(numbers: np.ndarray, span: Span | None) -> np.ndarray:
    """Any numbers as uint8 of the same shape: by their type's range where it fixes one, the others by the span, or
    where that is None by their own; what lies outside is clipped."""
    own = tell_span(numbers)
    if own is not None:
        low, high = round_span(own) if span is None else span
        return np.concatenate(list(scale_blocks(numbers.reshape(-1), low, high))).reshape(numbers.shape)
    if numbers.dtype.kind == "b":
        return numbers.astype(np.uint8) * np.uint8(255)
    return numbers if numbers.dtype == np.uint8 else SIXTEEN_BITS[numbers]


def scale_blocks(numbers: np.ndarray, low: float, high: float) -> Iterator[np.ndarray]:
    """A flat array, some at a time: in float64 the whole would need eight times the memory of its pixels."""
    for start in range(0, len(numbers), BLOCK):
        block = numbers[start : start + BLOCK]
        if high <= low:  # a dataset of one value is black
            yield np.where(block > high, 255, 0).astype(np.uint8)
        else:
            yield np.rint(np.interp(block, (low, high), (0, 255))).astype(np.uint8)
