"""A chunk of images, read, looked at and decoded at a time: what a worker process does.

Starts without torch, which takes a worker longer to load than many thousand images to decode.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from splitgen.data.decode import DecodeError, Encoded, Preprocessing, Sight, look_and_decode, look_at

if TYPE_CHECKING:
    from splitgen.data.listing import Pictures

READ, LOOK, DECODE = "read", "look", "decode"
READABLE, UNREADABLE = 1, 2
# What is kept of each image beside its pixels. digest: SHA-256 of the source's bytes; content: of the pixels, its first
# 8 bytes. low, high: range of values that are no bytes, else NaN. clipped: share of the pixels' values at 0 or 255.
RECORD = np.dtype(
    [
        ("state", "u1"),
        ("width", "<u4"),
        ("height", "<u4"),
        ("channels", "<u2"),
        ("frames", "<u4"),
        ("low", "<f8"),
        ("high", "<f8"),
        ("digest", "u1", (32,)),
        ("content", "u1", (8,)),
        ("is_constant", "?"),
        ("clipped", "<f4"),
    ]
)


@dataclass(frozen=True)
class Order:
    """What is to be done with some rows: `READ` gives the source's bytes alone, `LOOK` what the headers tell, `DECODE`
    all, by the preprocessing."""

    kind: str
    rows: range
    preprocessing: Preprocessing | None = None


@dataclass(frozen=True)
class Chunk:
    """What became of an order of n rows.

    records: `RECORD` [n]. pixels: uint8 [n, channels, size, size], zero for an image that cannot be read; None unless
    decoded. raw: the source's bytes of each image that can be read. problems: by row, why one cannot.
    """

    rows: range
    records: np.ndarray
    pixels: np.ndarray | None = None
    raw: list[bytes] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)


def read_chunk(pictures: Pictures, order: Order) -> Chunk:
    """Do what an order asks for. Images that cannot be read are told of, not raised."""
    n = len(order.rows)
    records = np.zeros(n, RECORD)
    records["low"] = records["high"] = math.nan
    pixels = None
    if order.preprocessing is not None:
        size, channels = order.preprocessing.size, order.preprocessing.channels
        pixels = np.zeros((n, channels, size, size), np.uint8)
    chunk = Chunk(order.rows, records, pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about oddities that do not keep it from decoding
        for place, row in enumerate(order.rows):
            try:
                read_row(chunk, place, pictures.read(row), order)
                records["state"][place] = READABLE
            except (DecodeError, OSError) as error:
                records["state"][place] = UNREADABLE
                chunk.problems[row] = tell_problem(error)
    if pixels is not None:
        judge_pixels(records, pixels)
    return chunk


def read_row(chunk: Chunk, place: int, item: Encoded, order: Order) -> None:
    """One image into its place of the chunk. Raises `DecodeError`."""
    record = chunk.records[place]
    if order.preprocessing is not None and chunk.pixels is not None:
        sight, chunk.pixels[place] = look_and_decode(item, order.preprocessing)
        note_sight(record, sight)
    elif order.kind == LOOK:
        note_sight(record, look_at(item))
    if order.kind != LOOK:
        raw = item if isinstance(item, bytes) else np.asarray(item).tobytes()
        record["digest"] = np.frombuffer(hashlib.sha256(raw).digest(), np.uint8)
        chunk.raw.append(raw)


def note_sight(record: np.void, sight: Sight) -> None:
    """Keep what a header tells."""
    record["width"], record["height"] = sight.width, sight.height
    record["channels"], record["frames"] = sight.channels, sight.n_frames
    for name in ("low", "high"):
        value = getattr(sight, name, None)
        if value is not None:
            record[name] = value


def judge_pixels(records: np.ndarray, pixels: np.ndarray) -> None:
    """Keep what the decoded images look like: all of one value, at the ends of the range, the same as others."""
    flat = pixels.reshape(len(pixels), -1)
    records["is_constant"] = flat.min(axis=1) == flat.max(axis=1)
    records["clipped"] = ((flat == 0) | (flat == 255)).mean(axis=1)
    digests = b"".join(hashlib.sha1(image.data, usedforsecurity=False).digest()[:8] for image in flat)
    records["content"] = np.frombuffer(digests, np.uint8).reshape(-1, 8)


def tell_problem(error: Exception) -> str:
    """Why an image cannot be read, to follow its name."""
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return str(error)
