"""What shines through an image that is transparent, in every way that files say so."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from written_pictures import ALPHA, GREY, PICTURE, encode, levels_off, write_packed_png, write_png, write_tiff

from splitgen.data.pixels.decode import look_at

WIDE = PICTURE.astype(np.uint16) * 257  # 16 bits, whose lower byte is the upper again
DEEP = GREY.astype(np.uint16) * 257
RGB, L = Image.fromarray(PICTURE), Image.fromarray(GREY)
PALETTE = RGB.quantize(256)
TRANSPARENT = np.dstack([PICTURE, ALPHA])
FAINT = np.dstack([GREY, ALPHA])


def with_palette(**options):
    """A palette whose first 100 colours fade in, and their alpha for each pixel."""
    alphas = np.full(256, 255)
    alphas[:100] = np.linspace(0, 255, 100)
    return encode(PALETTE, "PNG", transparency=bytes(alphas.tolist())), alphas[np.asarray(PALETTE)]


def mask_of(pixels, key):
    """0 where a pixel has the colour, else 255."""
    same = pixels == np.asarray(key)
    return np.where(same.all(axis=2) if same.ndim == 3 else same, 0, 255)


FADED, FADED_ALPHA = with_palette()
HOLE = int(np.asarray(PALETTE)[16, 24])  # indices and colours at the middle of the picture
SPOT, SHADE = tuple(map(int, PICTURE[16, 24])), int(GREY[16, 24])
CROWD = GREY // 64  # values of 2 bits
WITH_PA = Image.merge("PA", [Image.fromarray(np.asarray(PALETTE)), Image.fromarray(ALPHA)])
WITH_PA.putpalette(PALETTE.getpalette("RGB"))
SIXTEEN = {
    "rgb": (b"tRNS", WIDE[16, 24].astype(">u2").tobytes()),
    "grey": (b"tRNS", DEEP[16, 24].astype(">u2").tobytes()),
}
TRANSPARENCIES = {  # the item, its colours and its alpha
    "png": (encode(TRANSPARENT, "PNG"), PICTURE, ALPHA),
    "png of 16 bits": (write_png(TRANSPARENT.astype(np.uint16) * 257), PICTURE, ALPHA),
    "png grey": (encode(FAINT, "PNG"), GREY, ALPHA),
    "png grey of 16 bits": (write_png(FAINT.astype(np.uint16) * 257), GREY, ALPHA),
    "png palette of many alphas": (FADED, PICTURE, FADED_ALPHA),
    "png palette of one": (encode(PALETTE, "PNG", transparency=HOLE), PICTURE, mask_of(np.asarray(PALETTE), HOLE)),
    "gif": (encode(PALETTE, "GIF", transparency=HOLE), PICTURE, mask_of(np.asarray(PALETTE), HOLE)),
    "gif grey": (encode(L, "GIF", transparency=SHADE), GREY, mask_of(GREY, SHADE)),
    "png with a colour": (encode(RGB, "PNG", transparency=SPOT), PICTURE, mask_of(PICTURE, SPOT)),
    "png with a grey": (encode(L, "PNG", transparency=SHADE), GREY, mask_of(GREY, SHADE)),
    "png of 16 bits with a colour": (write_png(WIDE, SIXTEEN["rgb"]), PICTURE, mask_of(PICTURE, SPOT)),
    "png of 16 bits with a grey": (write_png(DEEP, SIXTEEN["grey"]), GREY, mask_of(GREY, SHADE)),
    "png of 2 bits with a grey": (write_packed_png(CROWD, 2, (b"tRNS", b"\0\2")), CROWD * 85, mask_of(CROWD, 2)),
    "png of 1 bit with a grey": (
        write_packed_png(CROWD // 2, 1, (b"tRNS", b"\0\1")),
        CROWD // 2 * 255,
        mask_of(CROWD // 2, 1),
    ),
    "webp": (encode(TRANSPARENT, "WEBP", lossless=True, exact=True), PICTURE, ALPHA),
    "tiff": (encode(TRANSPARENT, "TIFF"), PICTURE, ALPHA),
    "tiff grey": (encode(FAINT, "TIFF"), GREY, ALPHA),
    "tiff of 16 bits": (write_tiff(TRANSPARENT.astype(np.uint16) * 257, ">", extra=2), PICTURE, ALPHA),
    "tiff multiplied": (
        write_tiff(np.rint(TRANSPARENT * (np.dstack([ALPHA] * 3 + [ALPHA * 0 + 255]) / 255)).astype(np.uint8), extra=1),
        PICTURE,
        ALPHA,
    ),
    "opened PA": (WITH_PA, PICTURE, ALPHA),
    "opened RGBa": (Image.fromarray(TRANSPARENT).convert("RGBa"), PICTURE, ALPHA),
    "opened La": (Image.fromarray(FAINT).convert("La"), GREY, ALPHA),
    "array": (TRANSPARENT, PICTURE, ALPHA),
    "array of floats": (TRANSPARENT / 255, PICTURE, ALPHA),
    "array grey": (FAINT, GREY, ALPHA),
}


@pytest.mark.parametrize("background", ["white", "#c86400"])
@pytest.mark.parametrize("name", TRANSPARENCIES)
def test_what_is_transparent_shows_the_background(name, background):
    item, colours, alpha = TRANSPARENCIES[name]
    assert look_at(item).channels == (1 if colours.ndim == 2 else 3)
    behind = np.array([255, 255, 255] if background == "white" else [200, 100, 0])
    share, colours = alpha[:, :, None] / 255, colours if colours.ndim == 3 else colours[:, :, None]
    assert 0 < share[:, 8:40].mean() < 1
    composed = np.rint(share * colours + (1 - share) * behind)
    assert levels_off(item, composed, 3, background=background) <= 1
    assert levels_off(item, composed @ (0.299, 0.587, 0.114), 1, background=background) <= 2


def test_a_palette_is_grey_where_all_that_is_seen_of_it_is():
    hidden = L.convert("P")
    colours = hidden.getpalette()
    colours[3 * SHADE : 3 * SHADE + 3] = [255, 0, 255]
    hidden.putpalette(colours)
    assert look_at(encode(hidden, "PNG")).channels == 3
    assert look_at(encode(hidden, "PNG", transparency=SHADE)).channels == 1
    assert look_at(encode(PALETTE, "GIF")).channels == 3


def test_a_transparent_colour_of_16_bits_is_never_taken_for_one_of_8():
    pixels = np.full((32, 48, 3), 200 * 257, np.uint16)
    key = np.array([200, 200, 200], ">u2").tobytes()  # nearly black
    assert levels_off(write_png(pixels, (b"tRNS", key)), pixels // 257, 3, background="red") == 0
