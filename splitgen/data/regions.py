"""Statistics of a part of an image: colour, brightness and texture at the border, in the centre, in halves,
thirds and ninths.

A quality is one function from a `Surface` to numbers by place, and one entry of `QUALITIES`; a place is one entry of
`PLACES`. The name of a statistic is the quality's and the place's: "red light at the border".
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional

from splitgen.data.canvas import Canvas

DECIMALS = 5  # of a statistic: what rounding of floats leaves must not put constant images into an order
BORDER_SHARE = 8  # the border is as wide as the shorter side divided by this
COARSE_GRID = 8  # coarse texture is what is left at so many pixels of the shorter side
MIN_SIDE = 3  # of the pixels that texture is measured on
MIN_SATURATION = 0.1  # below it a pixel has no hue
HUES = ("red", "orange", "yellow", "green", "cyan", "blue", "violet", "magenta")
HUE_EDGES = (20.0, 45.0, 70.0, 160.0, 200.0, 260.0, 290.0, 340.0)  # degrees; beyond the last it is red again
NO_HUE = "grey"
MAX_BANDS = 16  # channels of images that are neither grey nor in colour, each told of by its number
WHOLE = ""
NINTHS = (
    ("top left", "top middle", "top right"),
    ("middle left", "in the middle", "middle right"),
    ("bottom left", "bottom middle", "bottom right"),
)
HALVES = ("in the upper half", "in the lower half", "in the left half", "in the right half")
THIRDS = ("in the top third", "in the bottom third", "in the left third", "in the right third")
PLACES = (WHOLE, "at the border", "in the centre", *HALVES, *THIRDS, *(name for names in NINTHS for name in names))


def lay_out_places(height: int, width: int) -> torch.Tensor:
    """The weights float64 [height * width, places] that give the mean over each of `PLACES`: the whole; the border; the
    centre, that is the inner half of height and width; halves; the outer thirds; ninths. Where 2 or 3 does not divide a
    length, the parts share a row or a column of pixels."""
    thick, every = max(1, min(height, width) // BORDER_SHARE), slice(None)
    inside = [slice(length // 4, length - length // 4) for length in (height, width)]
    boxes = [(every, every), (inside[0], inside[1])]
    for n_parts in (2, 3):
        ends = (0, n_parts - 1)
        boxes += [(cut(end, n_parts, height), every) for end in ends] + [
            (every, cut(end, n_parts, width)) for end in ends
        ]
    boxes += [(cut(row, 3, height), cut(column, 3, width)) for row in range(3) for column in range(3)]
    masks = [mask_box(height, width, *box) for box in boxes]
    border = 1 - mask_box(height, width, slice(thick, height - thick), slice(thick, width - thick))
    masks.insert(PLACES.index("at the border"), border)
    return torch.stack([mask.flatten() / mask.sum() for mask in masks], dim=1)


def cut(part: int, n_parts: int, length: int) -> slice:
    """One of so many parts of a length."""
    return slice(part * length // n_parts, -(-(part + 1) * length // n_parts))


def mask_box(height: int, width: int, rows: slice, columns: slice) -> torch.Tensor:
    mask = torch.zeros(height, width, dtype=torch.float64)
    mask[rows, columns] = 1
    return mask


@dataclass(frozen=True)
class Surface:
    """A canvas as the qualities read it: each quantity as its mean over each place, [n, places]."""

    canvas: Canvas

    @cached_property
    def weights(self) -> torch.Tensor:
        return lay_out_places(*self.canvas.pixels.shape[2:])

    def average(self, values: torch.Tensor) -> torch.Tensor:
        """The means over the places of values of pixels [n, height, width]."""
        return values.flatten(1) @ self.weights.to(values.dtype)

    @cached_property
    def channels(self) -> tuple[torch.Tensor, ...]:
        return tuple(self.average(channel) for channel in self.canvas.pixels.unbind(dim=1))

    @cached_property
    def mean(self) -> torch.Tensor:
        """Of all channels."""
        return torch.stack(self.channels).mean(dim=0)

    @cached_property
    def brightness(self) -> torch.Tensor:
        return self.average(self.canvas.luma)

    @cached_property
    def contrast(self) -> torch.Tensor:
        """Standard deviation of the brightness, in double precision: it is a small difference of large numbers."""
        luma = self.canvas.luma.double()
        return (self.average(luma.square()) - self.average(luma).square()).clamp_min(0).sqrt()

    @cached_property
    def chroma(self) -> torch.Tensor:
        return self.average(self.canvas.chroma)

    @cached_property
    def fine_texture(self) -> torch.Tensor:
        """Size of the steps from pixel to pixel."""
        return self.average(measure_steps(self.canvas.luma))

    @cached_property
    def coarse_texture(self) -> torch.Tensor | None:
        """Size of the steps in the image at `COARSE_GRID` pixels; None where that leaves too few of them."""
        luma = self.canvas.luma[:, None]
        luma = functional.avg_pool2d(luma, max(2, min(luma.shape[2:]) // COARSE_GRID))[:, 0]
        if min(luma.shape[1:]) < MIN_SIDE:
            return None
        return measure_steps(luma).flatten(1) @ lay_out_places(*luma.shape[1:]).to(luma.dtype)

    @cached_property
    def hues(self) -> np.ndarray:
        """The hue as a word of `HUES`, the mean over the pixels by their chroma; `NO_HUE` for grey."""
        red, green, blue = self.channels
        across, along = (2 * red - green - blue) / 2, (green - blue) * math.sqrt(3) / 2
        degrees = torch.rad2deg(torch.atan2(along, across)) % 360
        names = np.array([*HUES, HUES[0]], dtype=object)[np.digitize(degrees.numpy(), HUE_EDGES)]
        return np.where(self.average(self.canvas.saturation).numpy() < MIN_SATURATION, NO_HUE, names)


def measure_steps(luma: torch.Tensor) -> torch.Tensor:
    """Size of the step from each pixel to the next ones to the right and below, [n, height, width] as given; none
    beyond the edge. Sobel compares the neighbours of a pixel on both sides, and would not see the finest pattern."""
    padded = functional.pad(luma[:, None], (0, 1, 0, 1), mode="replicate")[:, 0]
    across, down = padded[:, :-1, 1:] - luma, padded[:, 1:, :-1] - luma
    return (across.square() + down.square()).sqrt()


@dataclass(frozen=True)
class Quality:
    """Numbers by place. low, high: words for images that have little of it, and much, where the place follows.

    places: those that it is measured at. needs_colour: it says nothing of grey images.
    """

    measure: Callable[[Surface], torch.Tensor | None]
    low: str
    high: str
    places: tuple[str, ...] = PLACES
    needs_colour: bool = False


PARTS = PLACES[1:]  # for what the whole image has a statistic of its own for
LARGE_PARTS = PARTS[:-9]  # the brightness of the ninths, too
# In the order that ties are named in. Of blue against the mean of the channels there is none: it is yellow-blue.
QUALITIES: dict[str, Quality] = {
    "brightness": Quality(lambda s: s.brightness, "dark", "bright", LARGE_PARTS),
    "contrast": Quality(lambda s: s.contrast, "low in contrast", "high in contrast", PARTS),
    "red": Quality(lambda s: s.channels[0] - s.mean, "least red", "most red", PARTS, needs_colour=True),
    "green": Quality(lambda s: s.channels[1] - s.mean, "least green", "most green", PARTS, needs_colour=True),
    "yellow-blue": Quality(
        lambda s: (s.channels[0] + s.channels[1]) / 2 - s.channels[2], "blue", "yellow", PARTS, needs_colour=True
    ),
    "red-green": Quality(
        lambda s: s.channels[0] - s.channels[1], "green, not red,", "red, not green,", needs_colour=True
    ),
    "warmth": Quality(lambda s: s.channels[0] - s.channels[2], "cool", "warm", needs_colour=True),
    "saturation": Quality(lambda s: s.chroma, "pale", "colourful", PARTS, needs_colour=True),
    "red light": Quality(lambda s: s.channels[0], "little red light", "much red light", needs_colour=True),
    "green light": Quality(lambda s: s.channels[1], "little green light", "much green light", needs_colour=True),
    "blue light": Quality(lambda s: s.channels[2], "little blue light", "much blue light", needs_colour=True),
    "fine texture": Quality(lambda s: s.fine_texture, "little fine texture", "much fine texture"),
    "coarse texture": Quality(lambda s: s.coarse_texture, "little coarse texture", "much coarse texture"),
}


def find_bands(n_channels: int) -> dict[str, Quality]:
    """The level of each channel by its number, of images that are neither grey nor in colour."""
    if n_channels in (1, 3):
        return {}
    return {
        f"channel {k + 1}": Quality(
            functools.partial(take_channel, channel=k), f"little of channel {k + 1}", f"much of channel {k + 1}"
        )
        for k in range(min(n_channels, MAX_BANDS))
    }


def take_channel(surface: Surface, channel: int) -> torch.Tensor:
    return surface.channels[channel]


def join_place(words: str, place: str) -> str:
    """A quality, or words for it, with the place."""
    return f"{words} {place}".strip().removesuffix(",")


def measure_regions(canvas: Canvas, has_colour: bool) -> dict[str, np.ndarray]:
    """The statistics of each place by their names, [n] each; those of "hue" are words."""
    surface, found = Surface(canvas), dict[str, np.ndarray]()
    for name, quality in (QUALITIES | find_bands(canvas.pixels.shape[1])).items():
        values = quality.measure(surface) if has_colour or not quality.needs_colour else None
        if values is not None:
            rounded = np.round(values.numpy().astype(np.float64), DECIMALS)
            found |= {join_place(name, place): rounded[:, PLACES.index(place)] for place in quality.places}
    if has_colour:
        found |= {join_place("hue", place): surface.hues[:, PLACES.index(place)] for place in PARTS}
    return found


def find_region_words(name: str) -> tuple[str, str] | None:
    """The words for little and for much of a statistic of a place; None for those that are words themselves."""
    return REGION_WORDS.get(name)


REGION_WORDS = {
    join_place(name, place): (join_place(quality.low, place), join_place(quality.high, place))
    for name, quality in (QUALITIES | find_bands(MAX_BANDS)).items()
    for place in quality.places
}
