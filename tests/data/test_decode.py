"""The same picture in every dress: a file of any kind gives the pixels that were put into it, upright and in 8 bits."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features
from written_pictures import ALPHA, GREY, PICTURE, encode, levels_off, write_packed_png, write_png, write_tiff

from splitgen.data.pixels.decode import Preprocessing, choose_span, decode_image, look_at

WIDE = PICTURE.astype(np.uint16) * 257  # 16 bits, whose lower byte is the upper again
DEEP = GREY.astype(np.uint16) * 257
RGB, L = Image.fromarray(PICTURE), Image.fromarray(GREY)
PALETTE = RGB.quantize(256)
TRANSPARENT = np.dstack([PICTURE, ALPHA])


def turned(number, pixels=PICTURE):
    """A picture as a camera stores it that says EXIF orientation `number`: the first row and column are the top and
    left, top and right, bottom and right, bottom and left, and the same with columns for rows."""
    turns = (
        lambda a: a,
        np.fliplr,
        lambda a: np.rot90(a, 2),
        np.flipud,
        lambda a: a.swapaxes(0, 1),
        np.rot90,
        lambda a: np.rot90(a, 2).swapaxes(0, 1),
        lambda a: np.rot90(a, -1),
    )
    return np.ascontiguousarray(turns[number - 1](pixels))


def orientation(number):
    exif = Image.Exif()
    exif[274] = number
    return exif


def exif_file(number, kind, pixels=PICTURE, **options):
    return encode(turned(number, pixels), kind, exif=orientation(number), **options)


def xmp(number):
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="{number}"/></x:xmpmeta>'.encode()


def frames(kind, **options):
    others = [Image.fromarray(255 - PICTURE), Image.fromarray(PICTURE[::-1].copy())]
    return encode(RGB, kind, save_all=True, append_images=others, **options)


def text_header(start, pixels):
    return start.encode() + pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()


JPEG = {"quality": 100, "subsampling": 0}
LOSSY = 4  # levels that JPEG and AVIF lose at their best

COLOURED = {  # the item, and how many levels its format loses
    "png": (encode(RGB, "PNG"), 0),
    "bmp": (encode(RGB, "BMP"), 0),
    "ppm": (encode(RGB, "PPM"), 0),
    "ppm of 16 bits": (text_header("P6\n48 32\n65535\n", WIDE), 0),
    "tga": (encode(RGB, "TGA"), 0),
    "pcx": (encode(RGB, "PCX"), 0),
    "sgi": (encode(RGB, "SGI"), 0),
    "webp": (encode(RGB, "WEBP", lossless=True), 0),
    "jpeg 2000": (encode(RGB, "JPEG2000"), 0),
    "tiff": (encode(RGB, "TIFF"), 0),
    "tiff lzw": (encode(RGB, "TIFF", compression="tiff_lzw"), 0),
    "tiff big-endian": (write_tiff(PICTURE, ">"), 0),
    "tiff of 16 bits": (write_tiff(WIDE), 0),
    "tiff of 16 bits big-endian": (write_tiff(WIDE, ">"), 0),
    "tiff cmyk": (encode(RGB.convert("CMYK"), "TIFF"), 1),
    "tiff ycbcr": (encode(RGB.convert("YCbCr"), "TIFF"), 3),
    "tiff lab": (encode(RGB.convert("LAB"), "TIFF"), 6),
    "tiff with a channel that means nothing": (write_tiff(TRANSPARENT, extra=0), 0),
    "gif": (encode(PALETTE, "GIF"), 0),
    "png palette": (encode(PALETTE, "PNG"), 0),
    "tiff palette": (encode(PALETTE, "TIFF"), 0),
    "png of 16 bits": (write_png(WIDE), 0),
    "png of 16 bits, other lower bytes": (write_png(WIDE // 256 * 256 + 200), 1),
    "png of 16 bits and alpha": (write_png(np.dstack([WIDE, np.full_like(WIDE[:, :, 0], 65535)])), 0),
    "png opaque": (encode(RGB.convert("RGBA"), "PNG"), 0),
    "jpeg": (encode(RGB, "JPEG", **JPEG), LOSSY),
    "jpeg progressive": (encode(RGB, "JPEG", progressive=True, **JPEG), LOSSY),
    "jpeg cmyk of adobe": (encode(RGB.convert("CMYK"), "JPEG", **JPEG), LOSSY),
    "mpo with a preview": (encode(RGB, "MPO", save_all=True, append_images=[L], **JPEG), LOSSY),
    "gif of 3 frames": (frames("GIF"), 1),
    "png of 3 frames": (frames("PNG"), 0),
    "tiff of 3 pages": (frames("TIFF"), 0),
    "webp of 3 frames": (frames("WEBP", lossless=True), 0),
    "array": (PICTURE, 0),
    "array of 16 bits": (WIDE, 0),
    "array of 16 bits big-endian": (WIDE.astype(">u2"), 0),
    "array of floats to 1": (PICTURE / 255, 0),
    "array of floats to 255": (PICTURE.astype(np.float32), 0),
    "array of integers": (PICTURE.astype(np.int64), 0),
    "opened": (RGB, 0),
    "opened hsv": (RGB.convert("HSV"), 8),
    "opened rgbx": (RGB.convert("RGBX"), 0),
    "opened and not loaded": (Image.open(io.BytesIO(exif_file(6, "PNG"))), 0),
    "xmp in a png": (write_png(turned(6), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6))), 0),
    "xmp in a webp": (encode(turned(6), "WEBP", lossless=True, xmp=xmp(6)), 0),
    "exif after the pixels": (write_png(turned(6), after=[(b"eXIf", orientation(6).tobytes()[6:])]), 0),
    "exif that is damaged": (encode(RGB, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", **JPEG), LOSSY),
    "exif that says 9": (encode(RGB, "PNG", exif=orientation(9)), 0),
}
COLOURED |= {f"png exif {n}": (exif_file(n, "PNG"), 0) for n in range(1, 9)}
COLOURED |= {f"jpeg exif {n}": (exif_file(n, "JPEG", **JPEG), LOSSY) for n in range(1, 9)}
COLOURED |= {f"tiff exif {n}": (exif_file(n, "TIFF"), 0) for n in range(1, 9)}
COLOURED |= {f"webp exif {n}": (exif_file(n, "WEBP", lossless=True), 0) for n in (3, 6)}
if features.check("avif"):
    COLOURED |= {
        f"avif exif {n}": (exif_file(n, "AVIF", **JPEG | {"subsampling": "4:4:4"}), LOSSY) for n in range(1, 9)
    }
FRAMES = {name: 3 for name in COLOURED if "of 3" in name}

GREYS = {
    "png": (encode(L, "PNG"), 0),
    "png of 16 bits": (write_png(DEEP), 0),
    "png of 16 bits, other lower bytes": (write_png(np.minimum(DEEP + 100, 65535).astype(np.uint16)), 0),
    "png of 16 bits and alpha": (write_png(np.dstack([DEEP, np.full_like(DEEP, 65535)])), 0),
    "png opaque": (encode(L.convert("LA"), "PNG"), 0),
    "png palette": (encode(L.convert("P"), "PNG"), 0),
    "png of 16 bits and exif 6": (write_png(turned(6, DEEP), (b"eXIf", orientation(6).tobytes()[6:])), 0),
    "gif": (encode(L, "GIF"), 0),
    "jpeg": (encode(L, "JPEG", quality=100), LOSSY),
    "pgm": (encode(L, "PPM"), 0),
    "pgm of 12 bits": (text_header("P5\n48 32\n4095\n", np.rint(GREY / 255 * 4095).astype(np.uint16)), 0),
    "pgm of 16 bits": (text_header("P5\n48 32\n65535\n", DEEP), 0),
    "pgm in words": (("P2\n48 32\n65535\n" + " ".join(map(str, DEEP.ravel()))).encode(), 0),
    "pfm": (encode(Image.fromarray(GREY.astype(np.float32) / 255), "PPM"), 0),
    "jpeg 2000 of 16 bits": (encode(Image.fromarray(DEEP), "JPEG2000"), 0),
    "tiff white is zero": (write_tiff(255 - GREY, photometric=0), 0),
    "tiff of 16 bits": (write_tiff(DEEP), 0),
    "tiff of 16 bits big-endian": (write_tiff(DEEP, ">"), 0),
    "tiff of 16 bits, white is zero": (write_tiff(65535 - DEEP, photometric=0), 0),
    "tiff of 16 bits packed": (encode(Image.fromarray(DEEP), "TIFF", compression="tiff_lzw"), 0),
    "tiff of 16 bits turned": (exif_file(6, "TIFF", DEEP), 0),
    "tiff of 16 bits with a sign": (write_tiff(GREY.astype(np.int16) * 100 - 9000), 0),
    "tiff of 32 bits": (write_tiff(DEEP.astype(np.int32)), 0),
    "tiff of 32 bits big-endian": (write_tiff(DEEP.astype(np.int32) - 30000, ">"), 0),
    "tiff of 32 bits beyond a sign": (write_tiff(GREY.astype(np.uint32) * 16_843_009), 0),
    "tiff of 32 bits of bytes": (write_tiff(GREY.astype(np.int32)), 0),
    "tiff of floats to 1": (write_tiff(GREY.astype(np.float32) / 255), 0),
    "tiff of floats to 1 big-endian": (write_tiff(GREY.astype(np.float32) / 255, ">"), 0),
    "tiff of floats to 255": (write_tiff(GREY.astype(np.float32)), 0),
    "tiff of floats around 0": (write_tiff(GREY.astype(np.float32) / 40 - 3), 0),
    "opened I": (Image.fromarray(GREY.astype(np.int32) * 1000), 0),
    "opened I;16": (Image.fromarray(DEEP), 0),
    "opened I;16B": (Image.frombytes("I;16B", (48, 32), DEEP.astype(">u2").tobytes()), 0),
    "opened F": (Image.fromarray(GREY.astype(np.float32)), 0),
    "array": (GREY, 0),
    "array of one channel": (GREY[:, :, None], 0),
    "array of 16 bits": (DEEP, 0),
    "array of small floats": ((GREY / 255).astype(np.float16), 0),
    "array of floats": (GREY * 3.5 - 1e5, 0),
    "array of large integers": (GREY.astype(np.uint64) * 2**50, 0),
    "array with steps": (np.repeat(GREY, 2, axis=1)[:, ::2], 0),
}
BITS = {
    "bits of a png": encode(L.convert("1", dither=Image.Dither.NONE), "PNG"),
    "bits of a pbm": encode(L.convert("1", dither=Image.Dither.NONE), "PPM"),
    "bits of a tiff": encode(L.convert("1", dither=Image.Dither.NONE), "TIFF", compression="group4"),
    "2 bits of a png": write_packed_png(np.where(GREY > 127, 3, 0).astype(np.uint8), 2),
    "bool": GREY > 127,
}


@pytest.mark.parametrize("name", COLOURED)
def test_a_picture_in_colours_is_the_same_in_every_dress(name):
    item, loss = COLOURED[name]
    sight = look_at(item)
    assert (sight.width, sight.height, sight.channels, sight.n_frames) == (48, 32, 3, FRAMES.get(name, 1))
    assert levels_off(item, PICTURE, 3) <= loss


@pytest.mark.parametrize("name", GREYS)
def test_a_grey_picture_is_the_same_in_every_dress(name):
    item, loss = GREYS[name]
    sight = look_at(item)
    assert (sight.width, sight.height, sight.channels) == (48, 32, 1)
    assert levels_off(item, GREY, 1) <= loss
    assert levels_off(item, np.dstack([GREY] * 3), 3) <= loss  # among coloured ones


@pytest.mark.parametrize("name", BITS)
def test_two_levels_are_black_and_white(name):
    assert look_at(BITS[name]).channels == 1
    assert levels_off(BITS[name], np.where(GREY > 127, 255, 0), 1) == 0


def test_a_dataset_has_one_range_and_what_is_beyond_is_clipped():
    sights = [look_at(GREY / 100.0), look_at(GREY / 50.0 - 1), look_at(PICTURE)]
    low, high = choose_span(sights)
    assert (low, high) == (-1, pytest.approx(4.1))
    found = decode_image(np.array([[-1, 4.1], [1.56, 9]]), Preprocessing(2, 1, low=low, high=high))
    assert found.tolist() == [[[0, 255], [128, 255]]]
    assert choose_span([look_at(PICTURE), look_at(DEEP)]) == (None, None)
    assert choose_span([look_at(GREY / 255), look_at(GREY / 2550)]) == (0, 1)
    assert choose_span([look_at(GREY / 255), look_at(GREY / 2.0)]) == (0, 255)
    assert choose_span([look_at(GREY.astype(int)), look_at(GREY.astype(int) * 2)]) == (0, 510)


SIXTEEN_BITS = {
    "png": write_png(DEEP // 4),
    "pgm": text_header("P5\n48 32\n65535\n", DEEP // 4),
    "pgm of 12 bits": text_header("P5\n48 32\n4095\n", np.rint(GREY / 1020 * 4095).astype(np.uint16)),
    "tiff": write_tiff(DEEP // 4, ">"),
    "tiff, white is zero": write_tiff(65535 - DEEP // 4, photometric=0),
    "opened": Image.fromarray(DEEP // 4),
    "array": DEEP // 4,
}


@pytest.mark.parametrize("name", SIXTEEN_BITS)
def test_16_bits_are_scaled_by_what_they_could_hold_and_not_by_what_they_do(name):
    item = SIXTEEN_BITS[name]
    assert (look_at(item).lowest, look_at(item).highest) == (None, None)
    assert levels_off(item, np.rint(GREY / 4), 1) <= 1
    assert levels_off(item, np.rint(GREY / 4), 1, low=0, high=1) <= 1  # whatever floats lie beside it


def test_images_of_one_value_are_of_one_level():
    assert not decode_image(np.full((4, 4), -7.0), Preprocessing(2, 1)).any()
    assert not decode_image(np.zeros((4, 4), np.int32), Preprocessing(2, 1)).any()
    assert decode_image(np.ones((4, 4)), Preprocessing(2, 1)).min() == 255


def test_arrays_of_many_bands_keep_each_of_them():
    bands = np.dstack([GREY, 255 - GREY, GREY // 2, GREY // 3, GREY // 4])
    assert look_at(bands).channels == 5
    assert levels_off(bands, bands, 5) == 0
