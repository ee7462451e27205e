"""Images that cannot be read, each with the words that say why; sizes that no image of any shape breaks."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile
from written_pictures import CROP, GREY, PICTURE, chunk, encode, finish_png, png_header, write_png, write_tiff

from splitgen import DataConfig
from splitgen.data.pixels.decode import DecodeError, Preprocessing, choose_span, decode_image, look_at
from splitgen.errors import SettingError
from splitgen.settings.faults import check

RGB = Image.fromarray(PICTURE)
PNG, JPEG = encode(RGB, "PNG"), encode(RGB, "JPEG")
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
MPO = encode(RGB, "MPO", save_all=True, append_images=[RGB])
SMALL = Preprocessing(8)
CUT_OFF = "is cut off: a part of it is missing"
TEXT_BOMB = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(8 * 2**20)))


def flip(content, at):
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def without_sum(content):
    """A PNG whose pixels are right and whose checksum of them is not."""
    return flip(content, content.index(b"IEND") - 5)


def bomb(width, height, **header):
    """A PNG whose header asks for far more than its few bytes hold."""
    return finish_png(png_header(width, height, **header), bytes(100))


BROKEN = {
    "empty": (b"", "is empty"),
    "spaces": (b" \n\t", "is empty"),
    "text": (b"label,path\n1,a.jpg\n", "is text, not an image"),
    "text with a byte order mark": (b"\xef\xbb\xbf" + "größer".encode() * 300, "is text, not an image"),
    "text that starts as a BMP does": (b"BMW,car\n", "is text, not an image"),
    "web page": (b"\n<!DOCTYPE html><html>Not found</html>", "is a web page, not an image"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a pointer of Git LFS"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "is SVG, which Pillow does not read"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC, which Pillow does not read"),
    "film": (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "is a film or sound, not an image"),
    "sound": (b"RIFF\x24\0\0\0WAVEfmt ", "is a film or sound, not an image"),
    "jpeg xl": (b"\xff\x0a\xfa\x1f\x41\x91\x08\x06", "is JPEG XL, which Pillow does not read"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "is PDF, which Pillow does not read"),
    "npy": (b"\x93NUMPY\x01\0v\0{'descr': '<f4'}\xff", "is an array of NumPy, which Pillow does not read"),
    "eps": (encode(RGB, "EPS"), "is EPS, which is drawn by an outside program"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "is not a readable image (cannot find loader for this HDF5 file)"),
    "zeros": (bytes(5000), "is in no format of images"),
    "noise": (bytes(range(128, 256)) * 8, "is in no format of images"),
    "png of its signature": (PNG[:8], "starts as PNG does, but is damaged"),
    "png with a broken header": (flip(PNG, 20), "starts as PNG does, but is damaged"),
    "png with a wrong checksum": (without_sum(PNG), "is damaged: a checksum in it is wrong"),
    "png with a changed pixel": (flip(write_png(PICTURE, level=0), 900), "is damaged: a checksum in it is wrong"),
    "png with too few pixels": (finish_png(png_header(48, 32), bytes(400)), CUT_OFF),
    "png without pixels": (png_header(48, 32) + chunk(b"IEND"), "is not a readable image"),
    "png without its end": (PNG[:-12], CUT_OFF),
    "png of no width": (finish_png(png_header(0, 5), b"\0" * 5), "starts as PNG does, but is damaged"),
    "png with a text bomb": (write_png(GREY, TEXT_BOMB), "has texts that unpack to more than Pillow's limit"),
    "png with a text bomb at the end": (write_png(GREY, after=[TEXT_BOMB]), "has texts that unpack to more"),
    "bomb in colours": (bomb(20_000, 20_000, colours=2), "has too many pixels, the limit is 100,000,000 in all"),
    "bomb in grey": (bomb(10_001, 10_000), "has 10,001 x 10,000 pixels, the limit is 100,000,000 in all"),
    "bomb in bits": (bomb(2**31 - 1, 2**31 - 1, depth=1), "has too many pixels, the limit is 100,000,000 in all"),
    "bomb in words": (b"P5 99999 99999 255 ", "has too many pixels"),
    "jpeg that goes on in zeros": (JPEG[: len(JPEG) * 2 // 3] + bytes(len(JPEG) // 3 + 2000), CUT_OFF),
    "mpo that goes on in zeros": (MPO[: len(MPO) // 4] + bytes(len(MPO) * 3 // 4), CUT_OFF),
    "tiff of signed bytes": (write_tiff(np.ones((4, 4), np.int8)), "is a TIFF file of signed bytes"),
    "floats with NaN": (write_tiff(np.full((4, 4), np.nan, np.float32)), "holds values that are no numbers"),
    "floats without black": (write_tiff(np.ones((4, 4), np.float32), photometric=0), "whose zero is white"),
    "floats of 64 bits": (write_tiff(np.ones((4, 4))), "starts as TIFF does, but is damaged or of a kind"),
    "array with infinity": (np.array([[0, np.inf]]), "holds values that are no numbers"),
    "array of words": (np.array([["a"]]), "is an array <U1 [1, 1]; give numbers"),
    "array of complex": (np.ones((4, 4), complex), "is an array complex128 [4, 4]; give numbers"),
    "array of no pixels": (np.ones((0, 4)), "has no pixels (4 x 0)"),
    "array of images": (np.ones((2, 4, 4, 3)), "is an array float64 [2, 4, 4, 3]"),
    "array with channels first": (np.ones((3, 40, 50)), "whose channels seem to come first"),
    "array of bands": (np.ones((8, 8, 7), np.uint8), "has 7 channels, the dataset 3"),
    "opened image of no pixels": (Image.new("L", (0, 3)), "has no pixels (0 x 3)"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_says_why_in_one_line(name):
    item, words = BROKEN[name]
    with pytest.raises(DecodeError) as caught:
        decode_image(item, SMALL)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)  # no addresses: the same file says the same


KINDS = {
    "BMP": {},
    "GIF": {},
    "JPEG": {},
    "JPEG progressive": {"progressive": True},
    "JPEG2000": {},
    "PNG": {},
    "PPM": {},
    "TGA": {},
    "TIFF": {},
    "TIFF packed": {"compression": "tiff_lzw"},
    "WEBP": {},
    "WEBP lossless": {"lossless": True},
}


@pytest.mark.parametrize("share", [0.5, 0.97])
@pytest.mark.parametrize("name", KINDS)
def test_a_picture_that_is_cut_off_is_never_half_a_picture(name, share, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    whole = encode(NOISE, name.split()[0], **KINDS[name])
    assert decode_image(whole, SMALL).shape == (3, 8, 8)
    with pytest.raises(DecodeError):
        decode_image(whole[: int(len(whole) * share)], SMALL)
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_picture_as_large_as_the_limit_is_read_without_a_word():
    content = encode(Image.new("L", (10_000, 10_000), 77), "PNG", compress_level=1)
    assert look_at(content).width == 10_000
    assert np.unique(decode_image(content, Preprocessing(8, 1))).tolist() == [77]


def test_a_lower_limit_of_the_process_holds_too(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DecodeError, match="has too many pixels, the limit is 200 in all"):
        look_at(PNG)


def test_what_pillow_warns_of_is_not_printed_and_filters_stay_as_they_were(recwarn):
    odd = [
        encode(RGB.quantize(9), "PNG", transparency=b"\0" * 9),
        encode(RGB, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\0"),
    ]
    odd.append(JPEG[:2] + b"\xff\xe2" + struct.pack(">H", 40) + b"MPF\0II*\0" + bytes(30) + JPEG[2:])
    before = list(warnings.filters)
    for item in odd:
        decode_image(item, SMALL)
        look_at(item)
    with pytest.raises(DecodeError):
        look_at(b"no image")
    assert warnings.filters == before
    assert not recwarn.list


def test_threads_leave_the_process_as_it_was():
    before, failed = list(warnings.filters), []

    def work():
        try:
            assert all(np.array_equal(decode_image(PNG, SMALL), expected) for _ in range(50))
        except Exception as error:
            failed.append(error)

    expected = decode_image(PNG, SMALL)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert warnings.filters == before
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_an_image_that_was_open_stays_open_and_unchanged():
    with Image.open(io.BytesIO(encode(RGB, "GIF", save_all=True, append_images=[NOISE.resize((48, 32))]))) as picture:
        first = decode_image(picture, SMALL)
        assert np.array_equal(decode_image(picture, SMALL), first)
        picture.seek(1)
        assert not np.array_equal(decode_image(picture, SMALL), first)
        assert look_at(picture).n_frames == 2


def test_integers_beside_floats_have_no_range_in_common():
    with pytest.raises(DecodeError, match="some images hold floats and others integers"):
        choose_span([look_at(np.ones((2, 2))), look_at(np.ones((2, 2), int))])


@pytest.mark.parametrize(
    ("background", "words"), [("wite", "'wite' is no colour"), ("#ff000080", "transparent itself")]
)
def test_a_background_that_is_no_opaque_colour_is_refused(background, words):
    with pytest.raises(SettingError, match=r"background must be an opaque colour, such as white, .* got"):
        check(DataConfig(background=background))
    with pytest.raises(DecodeError, match=words):
        decode_image(encode(RGB.convert("RGBA"), "PNG"), Preprocessing(8, background=background))


def expect_resized(box, size, picture=RGB):
    return np.asarray(picture.crop(box).resize(size, Image.Resampling.BILINEAR)).transpose(2, 0, 1).astype(int)


def test_crop_keeps_the_middle_and_the_aspect_ratio():
    found = decode_image(PNG, Preprocessing(16)).astype(int)
    assert np.abs(found - expect_resized((8, 0, 40, 32), (16, 16)))[:, :, 1:-1].max() <= 1  # edges see their neighbours
    found = decode_image(encode(RGB.transpose(Image.Transpose.ROTATE_90), "PNG"), Preprocessing(16))
    assert np.abs(np.rot90(found, -1, (1, 2)).astype(int) - decode_image(PNG, Preprocessing(16)).astype(int)).max() <= 1


def test_squash_takes_the_whole():
    found = decode_image(PNG, Preprocessing(16, resize="squash"))
    assert np.array_equal(found, expect_resized((0, 0, 48, 32), (16, 16)))


@pytest.mark.parametrize(
    ("background", "colour", "luma"), [("white", [255, 255, 255], 255), ("#c86400", [200, 100, 0], 118)]
)
def test_pad_takes_the_whole_in_its_aspect_ratio_and_fills_with_the_background(background, colour, luma):
    found = decode_image(PNG, Preprocessing(24, resize="pad", background=background))
    assert np.array_equal(found[:, 4:20], expect_resized((0, 0, 48, 32), (24, 16)))
    for edge in (found[:, :4], found[:, 20:]):
        assert (edge == np.array(colour)[:, None, None]).all()
    grey = decode_image(encode(Image.fromarray(GREY), "PNG"), Preprocessing(24, 1, "pad", background))
    assert (grey[:, :4] == luma).all()


def test_small_details_are_averaged_and_not_skipped():
    stripes = np.tile(np.array([0, 255], np.uint8), (256, 128))
    found = decode_image(stripes, Preprocessing(32, 1))
    assert np.abs(found.astype(int) - 127.5).max() < 5


sides = st.integers(1, 90) | st.sampled_from([1, 2, 997, 1500])


@settings(max_examples=60, deadline=None)
@example(1, 1000, 32, "pad", 3)
@example(1000, 1, 32, "pad", 1)
@example(1, 1000, 32, "crop", 3)
@given(sides, sides, st.integers(1, 70), st.sampled_from(["crop", "pad", "squash"]), st.sampled_from([1, 3]))
def test_any_shape_gives_a_square_of_its_own_pixels(width, height, size, resize, channels):
    pixels = np.full((height, width, 3), (10, 20, 30), np.uint8)
    found = decode_image(encode(pixels, "PNG"), Preprocessing(size, channels, resize, "black"))
    assert found.shape == (channels, size, size)
    expected = np.array([18] if channels == 1 else [10, 20, 30])[:, None, None]
    seen = (found == expected).all(axis=0)
    if resize != "pad":
        assert seen.all()
    else:  # a rectangle in the middle, of the picture's aspect ratio, and black around it
        rows, columns = seen.any(axis=1).sum(), seen.any(axis=0).sum()
        assert max(rows, columns) == size
        assert seen.sum() == rows * columns
        assert abs(min(rows, columns) - max(1, size * min(width, height) / max(width, height))) <= 0.5
        assert not found[:, ~seen].any()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_of_a_square_all_ways_are_the_same(side, size):
    square = np.asarray(CROP.resize((side, side)))
    ways = [decode_image(square, Preprocessing(size, resize=resize)) for resize in ("crop", "pad", "squash")]
    assert np.array_equal(ways[0], ways[1])
    assert np.array_equal(ways[0], ways[2])
    if side == size:
        assert np.array_equal(ways[0], square.transpose(2, 0, 1))
