"""A chunk of images, read, looked at and decoded at a time: what a worker process does.

Starts without torch, which takes a worker longer to load than many thousand images to decode.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from splitgen.data.pixels.decode import DecodeError, Encoded, Preprocessing, Sight, look_and_decode, look_at
from splitgen.data.pixels.encoded import Pictures
from splitgen.data.pixels.opening import QUIET

READ, LOOK, DECODE = "read", "look", "decode"
READABLE, UNREADABLE = 1, 2
# What is kept of each image beside its pixels. n_bytes: in the source; digest: their SHA-256; content: two
# checksums of the pixels. lowest, highest: of values whose type fixes no range, else NaN. clipped: share of values at
# 0 or 255.
RECORD = np.dtype(
    [
        ("state", "u1"),
        ("width", "<u4"),
        ("height", "<u4"),
        ("channels", "<u2"),
        ("frames", "<u4"),
        ("lowest", "<f8"),
        ("highest", "<f8"),
        ("floating", "?"),
        ("n_bytes", "<u8"),
        ("digest", "u1", (32,)),
        ("content", "<u8"),
        ("is_constant", "?"),
        ("clipped", "<f4"),
    ]
)

FOUND = (RECORD.names or ())[:10]  # an image at a time, in this order; the rest by its pixels
UNSEEN, NO_DIGEST = Sight(0, 0, 0, 0), bytes(32)
UNREAD = (UNREADABLE, 0, 0, 0, 0, math.nan, math.nan, False, 0, np.zeros(32, np.uint8))


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
    decoded. raw: the source's bytes of all images that can be read, one after the other. problems: by row, why one
    cannot.
    """

    rows: range
    records: np.ndarray
    pixels: np.ndarray | None = None
    raw: bytearray = field(default_factory=bytearray)
    problems: dict[int, str] = field(default_factory=dict)

    def stream_raw(self) -> Iterator[tuple[int, memoryview]]:
        """Row and source's bytes of each image that can be read."""
        raw, at = memoryview(self.raw), 0
        for place in np.flatnonzero(self.records["state"] == READABLE).tolist():
            size = int(self.records["n_bytes"][place])
            yield self.rows[place], raw[at : at + size]
            at += size


def read_chunk(pictures: Pictures, order: Order) -> Chunk:
    """Do what an order asks for. Images that cannot be read are told of, not raised."""
    records, pixels = np.zeros(len(order.rows), RECORD), None
    if order.preprocessing is not None:
        size, channels = order.preprocessing.size, order.preprocessing.channels
        pixels = np.zeros((len(order.rows), channels, size, size), np.uint8)
    chunk, found = Chunk(order.rows, records, pixels), []
    with QUIET:  # once for all of them, as it takes a while
        for place, row in enumerate(order.rows):
            try:
                found.append(read_row(chunk, place, pictures.read(row), order))
            except (DecodeError, OSError) as error:
                found.append(UNREAD)
                chunk.problems[row] = tell_problem(error)
    for name, values in zip(FOUND, zip(*found, strict=True), strict=True):
        records[name] = values
    if pixels is not None:
        judge_pixels(records, pixels)
    return chunk


def read_row(chunk: Chunk, place: int, item: Encoded, order: Order) -> tuple[Any, ...]:
    """One image into its place of the chunk; what is found, by `FOUND`. Raises `DecodeError`."""
    sight, digest, n_bytes = UNSEEN, NO_DIGEST, 0
    if order.preprocessing is not None and chunk.pixels is not None:
        sight, chunk.pixels[place] = look_and_decode(item, order.preprocessing)
    elif order.kind == LOOK:
        sight = look_at(item)
    if order.kind != LOOK:
        raw = item if isinstance(item, bytes) else to_bytes(item)
        chunk.raw.extend(raw)
        digest, n_bytes = hashlib.sha256(raw).digest(), len(raw)
    span = (math.nan if value is None else value for value in (sight.lowest, sight.highest))
    told = (sight.width, sight.height, sight.channels, sight.n_frames, *span, sight.floating)
    return READABLE, *told, n_bytes, np.frombuffer(digest, np.uint8)


def to_bytes(item: Image.Image | np.ndarray) -> bytes:
    """What an image that is decoded already holds: its values, and what they mean."""
    if isinstance(item, np.ndarray):
        return f"{item.dtype.str} {item.shape} ".encode() + item.tobytes()
    item.load()  # before that, mode and palette may be others
    palette = item.getpalette("RGBA") if item.mode in ("P", "PA") else None
    key = item.info.get("transparency")
    return f"{item.mode} {item.size} {palette} {key} ".encode() + item.tobytes()


def judge_pixels(records: np.ndarray, pixels: np.ndarray) -> None:
    """Keep what the decoded images look like: all of one value, at the ends of the range, the same as others."""
    flat = pixels.reshape(len(pixels), -1)
    records["is_constant"] = flat.min(axis=1) == flat.max(axis=1)
    records["clipped"] = np.count_nonzero((flat + np.uint8(1)) < 2, axis=1) / flat.shape[1]  # 255 becomes 0
    records["content"] = [(zlib.crc32(image.data) << 32) + zlib.adler32(image.data) for image in flat]


def tell_problem(error: Exception) -> str:
    """Why an image cannot be read, to follow its name."""
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return str(error)
