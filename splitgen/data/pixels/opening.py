"""Opening what a source holds of an image by Pillow: within limits, in silence, and with one reason where it fails."""

from __future__ import annotations

import codecs
import contextlib
import io
import threading
import warnings
import zlib
from collections.abc import Iterator

from PIL import Image, ImageFile, UnidentifiedImageError

MAX_PIXELS = 100_000_000  # by the header, before decoding: 400 MB in Pillow, and 1 GB where it has alpha
REFUSED = {
    "EPS": "which is drawn by an outside program, Ghostscript",
    "FITS": "of which Pillow reads the numbers without their sign and scale",
}
DAMAGED = "starts as {} does, but is damaged or of a kind that this Pillow does not read"
FOREIGN = "is {}, which Pillow does not read"
STARTS = {
    b"\x89PNG": DAMAGED.format("PNG"),
    b"\xff\xd8\xff": DAMAGED.format("JPEG"),
    b"GIF8": DAMAGED.format("GIF"),
    b"BM": DAMAGED.format("BMP"),
    b"II*\0": DAMAGED.format("TIFF"),
    b"MM\0*": DAMAGED.format("TIFF"),
    b"II+\0": DAMAGED.format("TIFF"),
    b"MM\0+": DAMAGED.format("TIFF"),
    b"\xff\x0a": FOREIGN.format("JPEG XL"),
    b"\0\0\0\x0cJXL ": FOREIGN.format("JPEG XL"),
    b"%PDF": FOREIGN.format("PDF"),
    b"\x93NUMPY": FOREIGN.format("an array of NumPy"),
    b"\x89HDF": FOREIGN.format("HDF5"),
    b"PK\x03\x04": FOREIGN.format("a zip archive"),
    b"\x1f\x8b": FOREIGN.format("packed by gzip"),
}
BOXED = dict.fromkeys((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), FOREIGN.format("HEIC"))
BOXED |= {b"avif": DAMAGED.format("AVIF"), b"avis": DAMAGED.format("AVIF"), b"WEBP": DAMAGED.format("WebP")}
CUT_OFF = "is cut off: a part of it is missing"
JPEG_END = b"\xff\xd9"
SHOWN = 100  # letters of Pillow's own words in a reason


class DecodeError(ValueError):
    """An image that cannot be read; the message says why, without its name."""


class Quiet:
    """While anything is open: no warnings of Pillow, and no half pictures, whatever the process has set.

    Both are settings of the whole process, so they are set by the first that enters and put back by the last that
    leaves; threads would put back each other's otherwise.
    """

    def __init__(self) -> None:
        self.lock, self.depth = threading.Lock(), 0

    def __enter__(self) -> None:
        with self.lock:
            if self.depth == 0:
                self.warnings = warnings.catch_warnings()
                self.warnings.__enter__()
                warnings.filterwarnings("ignore", module="PIL")
                self.truncated, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
            self.depth += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = self.truncated
                self.warnings.__exit__(None, None, None)


QUIET = Quiet()


@contextlib.contextmanager
def open_picture(item: bytes | Image.Image) -> Iterator[Image.Image]:
    """A picture, which is never closed: one that was open before is another's, and bytes need it not. Whatever goes
    wrong with it, when it is opened or later, is one `DecodeError`."""
    with QUIET:
        try:
            picture = item if isinstance(item, Image.Image) else Image.open(io.BytesIO(item))
            check_header(picture)
            yield picture
        except DecodeError:
            raise
        except Exception as error:  # Pillow's many decoders raise all kinds on a damaged file
            raise DecodeError(tell_reason(error, b"" if isinstance(item, Image.Image) else item)) from error


def check_header(picture: Image.Image) -> None:
    """Raise `DecodeError` for what must not be decoded."""
    if picture.format in REFUSED:
        raise DecodeError(f"is {picture.format}, {REFUSED[picture.format]}")
    if isinstance(picture, ImageFile.StubImageFile):
        picture.load()  # fails unless somebody has taught Pillow this kind, which it knows by name alone
    width, height = picture.size
    if width < 1 or height < 1:
        raise DecodeError(f"has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise DecodeError(f"has {width:,} x {height:,} pixels, the limit is {MAX_PIXELS:,} in all")


def check_whole(picture: Image.Image, item: bytes) -> None:
    """Raise `DecodeError` for damage that Pillow passes over; of a picture that has just been opened."""
    if picture.format == "PNG":
        check_sums(item)
    if picture.format in ("JPEG", "MPO") and isinstance(picture, ImageFile.ImageFile) and picture.fp is not None:
        after_header = picture.fp.tell()
        if item.rfind(JPEG_END, after_header) < 0:  # as where a download has not yet filled up what is zeros
            raise DecodeError(CUT_OFF)


def check_sums(item: bytes) -> None:
    """Raise `DecodeError` where a chunk of a PNG file has a wrong checksum, or the last one is missing: Pillow does not
    look at those of the pixels. Its `verify` does, but opens small files a second time for half of what they take."""
    view, at, name = memoryview(item), 8, b""
    while name != b"IEND":
        if at + 12 > len(item):
            raise DecodeError(CUT_OFF)
        length = int.from_bytes(view[at : at + 4], "big")
        name, end = bytes(view[at + 4 : at + 8]), at + 8 + length
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise DecodeError("is damaged: a checksum in it is wrong")
        at = end + 4


def tell_reason(error: Exception, item: bytes) -> str:
    """Why an image cannot be read, in one line."""
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in str(error)).split())
    if isinstance(error, UnidentifiedImageError):
        return tell_content(item)
    if isinstance(error, Image.DecompressionBombError):
        limit = min(MAX_PIXELS, 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS))
        return f"has too many pixels, the limit is {limit:,} in all"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if "MAX_TEXT_" in words:
        return "has texts that unpack to more than Pillow's limit"
    if any(hint in words.lower() for hint in ("truncated", "not enough image data", "unexpected end", "eof")):
        return CUT_OFF
    return f"is not a readable image ({words[:SHOWN] or type(error).__name__})"


def tell_content(item: bytes) -> str:
    """What bytes are that Pillow does not know as an image."""
    if item[4:8] == b"ftyp" or item[:4] == b"RIFF":
        return BOXED.get(bytes(item[8:12]), "is a film or sound, not an image")
    text = read_text(item)
    if text is not None:
        return tell_text(text)
    return next((words for start, words in STARTS.items() if item.startswith(start)), "is in no format of images")


def read_text(item: bytes) -> str | None:
    """The start of a text in small letters; None for bytes that are none."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(item[:1024])  # may end within a letter
    except UnicodeDecodeError:
        return None
    return text.strip().lower() if all(sign.isprintable() or sign.isspace() for sign in text) else None


def tell_text(text: str) -> str:
    if text.startswith("version https://git-lfs"):
        return "is a pointer of Git LFS in place of the image; `git lfs pull` brings it"
    if "<svg" in text:
        return FOREIGN.format("SVG")
    if text.startswith(("<!doctype html", "<html")):
        return "is a web page, not an image"
    return "is text, not an image" if text else "is empty"
