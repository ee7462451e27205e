"""A real picture, how far off it is when read, and writers of PNG and TIFF for the kinds that Pillow only reads."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from splitgen.data.pixels.decode import Preprocessing, choose_span, decode_image, look_at

CROP = Image.fromarray(load_sample_image("china.jpg")).resize((160, 107)).crop((56, 40, 104, 72))
# 48 x 32 pixels of few enough colours for a palette, so that every format that loses nothing holds the same
PICTURE = np.asarray(CROP.quantize(200).convert("RGB"))
LUMA = np.asarray(CROP.convert("L")).astype(float)
GREY = np.rint((LUMA - LUMA.min()) / np.ptp(LUMA) * 255).astype(np.uint8)  # has black and white in it
ALPHA = np.rint(np.linspace(0, 255, 48)[None] * np.linspace(0.2, 1, 32)[:, None]).astype(np.uint8)


def encode(picture, kind, **options):
    """The bytes of a file."""
    buffer = io.BytesIO()
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name, content=b""):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_header(width, height, depth=8, colours=0):
    """colours: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA."""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))


def write_png(pixels, *before, after=(), level=6):
    """uint8 or uint16 [height, width(, channels)] with chunks (name, content) before and after the pixels."""
    wide = pixels.astype(pixels.dtype.newbyteorder(">"))
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    start = png_header(pixels.shape[1], pixels.shape[0], 8 * pixels.dtype.itemsize, {1: 0, 2: 4, 3: 2, 4: 6}[channels])
    return finish_png(start, b"".join(b"\0" + row.tobytes() for row in wide), before, after, level)


def write_packed_png(pixels, depth, *before):
    """uint8 [height, width] of values below 2 ** depth, packed in depth bits."""
    bits = np.unpackbits(pixels[..., None], axis=2)[:, :, 8 - depth :].reshape(len(pixels), -1)
    raw = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    return finish_png(png_header(pixels.shape[1], pixels.shape[0], depth), raw, before)


def finish_png(start, raw, before=(), after=(), level=6):
    inside = [*before, (b"IDAT", zlib.compress(raw, level)), *after, (b"IEND", b"")]
    return start + b"".join(chunk(*one) for one in inside)


def write_tiff(pixels, order="<", photometric=None, sample_format=None, extra=None):
    """[height, width(, channels)] in one strip. order: "<" or ">". sample_format: 1 unsigned, 2 signed, 3 float."""
    raw = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    tags = {256: pixels.shape[1], 257: pixels.shape[0], 258: [8 * pixels.dtype.itemsize] * channels, 259: 1}
    tags |= {262: (1 if channels < 3 else 2) if photometric is None else photometric, 273: 8, 277: channels}
    tags |= {278: pixels.shape[0], 279: len(raw), 338: extra}
    tags[339] = [sample_format or {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * channels
    return finish_tiff(raw, order, {tag: value for tag, value in tags.items() if value is not None})


def finish_tiff(raw, order, tags):
    """The directory after the pixels, and lists of more than two shorts after the directory."""
    raw += b"\0" * (len(raw) % 2)
    at = 8 + len(raw)
    lists_at, entries, lists = at + 2 + 12 * len(tags) + 4, b"", b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, list):
            content = struct.pack(f"{order}{len(value)}H", *value)
            if len(content) > 4:
                content, lists = struct.pack(f"{order}I", lists_at + len(lists)), lists + content
            entries += struct.pack(f"{order}HHI", tag, 3, len(value)) + content.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}HHII", tag, 4, 1, value)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    start = mark + struct.pack(f"{order}I", at)
    return start + raw + struct.pack(f"{order}H", len(tags)) + entries + b"\0" * 4 + lists


def levels_off(item, expected, channels, **settings):
    """The largest difference of the middle 32 x 32 pixels, where nothing needs to be scaled."""
    low, high = choose_span([look_at(item)])
    found = decode_image(item, Preprocessing(32, channels, **{"low": low, "high": high, **settings}))
    assert found.dtype == np.uint8
    expected = expected[None] if expected.ndim == 2 else expected.transpose(2, 0, 1)
    return int(np.abs(found.astype(int) - expected[:, :, 8:40].astype(int)).max())
