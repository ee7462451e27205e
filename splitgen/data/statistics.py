"""Simple statistics of an image, each a number that people have a word for: brightness, ink, edges, colour.

A statistic is one function from a `Canvas` to a number an image, and one entry of `STATISTICS`; those of the border,
the centre and other places are made by `splitgen.data.regions`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from splitgen.data.canvas import EPSILON, Canvas
from splitgen.data.regions import NINTHS, PLACES, WHOLE, Surface, find_region_words, measure_regions

MIN_SIDE = 3  # pixels: smaller images have no statistics
CHUNK_VALUES = 1_500_000  # pixels times channels that are measured at a time: few enough for a processor's cache


def measure_symmetry(luma: torch.Tensor, axis: int) -> torch.Tensor:
    """1 for an image [n, height, width] that equals its mirror image along an axis, 0 for one unlike it."""
    spread = (luma - luma.mean(dim=(1, 2), keepdim=True)).abs().mean(dim=(1, 2))
    return 1 - (luma - luma.flip(axis)).abs().mean(dim=(1, 2)) / (2 * spread).clamp_min(EPSILON)


def measure_edges(canvas: Canvas) -> torch.Tensor:
    """Mean gradient in proportion to the contrast: how much there is to see, bright or dim."""
    return canvas.gradient.mean(dim=(1, 2)) / canvas.luma.std(dim=(1, 2)).clamp_min(EPSILON)


def measure_foreground(canvas: Canvas) -> torch.Tensor:
    """Mean brightness of what is inked."""
    is_ink = canvas.ink > 0
    return (canvas.luma * is_ink).sum(dim=(1, 2)) / is_ink.sum(dim=(1, 2)).clamp_min(1)


def measure_sharpness(canvas: Canvas) -> torch.Tensor:
    """Second differences in proportion to first ones: high where edges are sudden."""
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]) / 4
    laplacian = functional.conv2d(canvas.luma[:, None], kernel[None, None])[:, 0]
    return laplacian.abs().mean(dim=(1, 2)) / canvas.gradient.mean(dim=(1, 2)).clamp_min(EPSILON)


def measure_excess(channel: int) -> Callable[[Canvas], torch.Tensor]:
    """How far a colour channel lies above the mean of all channels: colour that brightness does not tell."""
    return lambda canvas: canvas.pixels[:, channel].mean(dim=(1, 2)) - canvas.pixels.mean(dim=(1, 2, 3))


def measure_place(row: int, column: int) -> Callable[[Canvas], torch.Tensor]:
    """Brightness of one of 3 x 3 places."""
    return lambda canvas: functional.adaptive_avg_pool2d(canvas.luma[:, None], 3)[:, 0, row, column]


@dataclass(frozen=True)
class Statistic:
    """A number an image. low, high: words for images that have little of it, and much.

    needs_colour: it says nothing of grey images.
    """

    measure: Callable[[Canvas], torch.Tensor]
    low: str
    high: str
    needs_colour: bool = False


# In the order that ties are named in: the general before the special.
STATISTICS: dict[str, Statistic] = {
    "brightness": Statistic(lambda c: c.luma.mean(dim=(1, 2)), "dark", "bright"),
    "contrast": Statistic(lambda c: c.luma.std(dim=(1, 2)), "low in contrast", "high in contrast"),
    "red": Statistic(measure_excess(0), "least red", "most red", needs_colour=True),
    "green": Statistic(measure_excess(1), "least green", "most green", needs_colour=True),
    "blue": Statistic(measure_excess(2), "most yellow", "most blue", needs_colour=True),
    "saturation": Statistic(lambda c: c.chroma.mean(dim=(1, 2)), "pale", "colourful", needs_colour=True),
    "background brightness": Statistic(lambda c: c.background, "dark at the border", "bright at the border"),
    "foreground brightness": Statistic(measure_foreground, "dark in the foreground", "bright in the foreground"),
    "ink mass": Statistic(lambda c: c.ink.mean(dim=(1, 2)), "little ink", "much ink"),
    "ink area": Statistic(lambda c: (c.ink > 0).float().mean(dim=(1, 2)), "a small inked area", "a large inked area"),
    "ink centre across": Statistic(lambda c: c.ink_moments["x"], "ink to the left", "ink to the right"),
    "ink centre down": Statistic(lambda c: c.ink_moments["y"], "ink high up", "ink low down"),
    "width": Statistic(lambda c: c.ink_moments["xx"].sqrt(), "narrow", "wide"),
    "height": Statistic(lambda c: c.ink_moments["yy"].sqrt(), "short", "tall"),
    "size": Statistic(lambda c: (c.ink_moments["xx"] + c.ink_moments["yy"]).sqrt(), "held together", "spread out"),
    "aspect": Statistic(
        lambda c: ((c.ink_moments["yy"] + EPSILON) / (c.ink_moments["xx"] + EPSILON)).log(),
        "wider than tall",
        "taller than wide",
    ),
    "slant": Statistic(
        lambda c: -c.ink_moments["xy"] / c.ink_moments["yy"].clamp_min(EPSILON), "leaning left", "leaning right"
    ),
    "edge density": Statistic(measure_edges, "plain", "rich in edges"),
    "sharpness": Statistic(measure_sharpness, "soft", "sharp"),
    "left-right symmetry": Statistic(lambda c: measure_symmetry(c.luma, 2), "lopsided", "the same left and right"),
    "top-bottom symmetry": Statistic(
        lambda c: measure_symmetry(c.luma, 1), "unlike at top and bottom", "the same at top and bottom"
    ),
    **{
        f"brightness {place}": Statistic(measure_place(row, column), f"dark {place}", f"bright {place}")
        for row, names in enumerate(NINTHS)
        for column, place in enumerate(names)
    },
}


def find_words(name: str) -> tuple[str, str] | None:
    """The words for images that have little of a statistic, and much; None for one that is words itself."""
    statistic = STATISTICS.get(name)
    return find_region_words(name) if statistic is None else (statistic.low, statistic.high)


def measure_images(images: torch.Tensor, by_region: bool = False) -> dict[str, np.ndarray]:
    """Every statistic of images [n, channels, height, width] by its name, [n] each; "hue" holds words.

    by_region: those of each place (the border, the centre, ...), too.
    A fourth channel (alpha) is left out; floats are scaled by the smallest and largest value that occurs.
    Images without colour have none of the statistics that need it, images under 3 pixels none at all.
    """
    return measure_chunks(lambda size: torch.split(images, size), tuple(images.shape[1:]), by_region)


def measure_chunks(
    chunks: Callable[[int], Iterable[torch.Tensor]], shape: tuple[int, ...], by_region: bool = False
) -> dict[str, np.ndarray]:
    """`measure_images` of images that come some at a time, twice. chunks: called with how many may come at a time.
    shape: channels, height, width."""
    if min(shape[1:]) < MIN_SIDE:
        return {}
    kept = 3 if shape[0] == 4 else shape[0]
    size = max(1, CHUNK_VALUES // math.prod((kept, *shape[1:])))
    spans = [measure_span(part[:, :kept].cpu()) for part in chunks(size)]
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    has_colour = kept == 3 and any(span[2] for span in spans)

    def measure_part(part: torch.Tensor) -> dict[str, np.ndarray]:
        canvas = Canvas((part[:, :kept].cpu().float() - low) / max(high - low, EPSILON))
        measured = measure_canvas(canvas, has_colour)
        return measured | (measure_regions(canvas, has_colour) if by_region else {})

    measured = [measure_part(part) for part in chunks(size)]
    return {name: np.concatenate([part[name] for part in measured]) for name in measured[0]}


def measure_span(images: torch.Tensor) -> tuple[float, float, bool]:
    """The least and the largest value that images can have, and whether any channel differs from the first."""
    differ = bool((images != images[:, :1]).any())
    if images.dtype == torch.uint8:
        return 0.0, 255.0, differ
    return float(images.min()), float(images.max()), differ


def measure_canvas(canvas: Canvas, has_colour: bool) -> dict[str, np.ndarray]:
    """The statistics of whole images, of images that fit into memory many times over."""
    measured = {
        name: statistic.measure(canvas).numpy()
        for name, statistic in STATISTICS.items()
        if has_colour or not statistic.needs_colour
    }
    return measured | ({"hue": Surface(canvas).hues[:, PLACES.index(WHOLE)]} if has_colour else {})
