"""From pictures of any mode and depth to 8 bits of grey or RGB without transparency."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor

from splitgen.data.pixels.depths import Span, Storage, read_numbers, scale_numbers
from splitgen.data.pixels.opening import DecodeError

GREY_MODES = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
ALPHA_MODES = {"LA", "La", "PA", "RGBA", "RGBa"}
KEY_SCALES = {"L;2": 85, "L;4": 17}  # what Pillow multiplies such pixels by

Key = int | bytes | tuple[int, ...]  # the one colour of a picture that is transparent


def is_grey(picture: Image.Image, storage: Storage) -> bool:
    """Whether a picture has no colours: by its mode, and where that is a palette by the colours that are seen."""
    if picture.mode not in ("P", "PA"):
        return picture.mode in GREY_MODES or storage.raw.startswith("LA;16")
    colours = np.asarray(picture.convert("RGBA")).reshape(-1, 4)
    red, green, blue = colours[colours[:, 3] > 0, :3].T
    return bool((red == green).all() and (red == blue).all())


def has_alpha(picture: Image.Image) -> bool:
    if picture.mode == "P" and picture.palette is not None and picture.palette.mode.endswith("A"):
        return True
    return picture.mode in ALPHA_MODES or "transparency" in picture.info


def flatten(picture: Image.Image, storage: Storage, span: Span | None, background: str) -> Image.Image:
    """A loaded picture as L or RGB of 8 bits, on the background where it is transparent. Raises `DecodeError`."""
    numbers, key = read_numbers(picture, storage), picture.info.get("transparency")
    if numbers is not None:
        seen = Image.fromarray(scale_numbers(numbers, span))
        return seen if key is None else compose(seen, mask_key(numbers, np.asarray(key)), background)
    if key is not None and picture.mode in ("1", "L", "RGB"):
        return flatten_keyed(picture, key, storage, background)
    if has_alpha(picture):
        straight = picture
        if picture.mode != "RGBA":
            straight = picture.convert("LA" if picture.mode == "La" else "RGBA")
        return compose(straight, straight.getchannel("A"), background)
    if picture.mode in ("L", "RGB"):
        return picture
    return picture.convert("L" if picture.mode == "1" else "RGB")


def flatten_keyed(picture: Image.Image, key: Key, storage: Storage, background: str) -> Image.Image:
    """A picture of 1, L or RGB with a transparent colour, which Pillow compares with pixels of another scale where a
    file has 2, 4 or 16 bits."""
    plain = picture.copy()
    plain.info = {}  # a key of 16 bits makes Pillow's conversions fail
    values = np.atleast_1d(np.array(list(key) if isinstance(key, bytes) else key))
    values = values >> 8 if ";16" in storage.raw else values * KEY_SCALES.get(storage.raw, 1)
    return compose(plain, mask_key(np.asarray(plain.convert("L") if plain.mode == "1" else plain), values), background)


def mask_key(values: np.ndarray, key: np.ndarray) -> Image.Image:
    """Opaque, 255, where a pixel is not of the transparent colour; else 0."""
    differs = values != key
    return Image.fromarray((differs.any(axis=2) if differs.ndim == 3 else differs).astype(np.uint8) * np.uint8(255))


def compose(picture: Image.Image, mask: Image.Image, background: str) -> Image.Image:
    """A picture as RGB on the background, which shows where the mask is 0."""
    canvas = Image.new("RGB", picture.size, read_colour(background, "RGB"))
    canvas.paste(picture, mask=mask)
    return canvas


def read_colour(name: str, mode: str) -> tuple[int, ...] | int:
    """A colour, by its name, #rgb, rgb() or hsl(), for the mode RGB or, its luma, L. Raises `DecodeError`."""
    try:
        colour = ImageColor.getrgb(name)
    except ValueError as error:
        problem = f"needs a background, and '{name}' is no colour; give a name such as white, or #rrggbb"
        raise DecodeError(problem) from error
    if len(colour) != 3:
        raise DecodeError(f"needs a background, and '{name}' is transparent itself; give a colour without alpha")
    return ImageColor.getcolor(name, mode)
