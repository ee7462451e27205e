"""Simple statistics of an image, each a number that people have a word for: brightness, ink, edges, colour.

A statistic is one function from a `Canvas` to a number an image, and one entry of `STATISTICS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional

EPSILON = 1e-6
CHUNK_VALUES = 8_000_000  # pixels times channels that are measured at a time
MIN_SIDE = 3  # pixels: smaller images have no statistics
INK_LEVEL = 0.1  # difference from the background, of the whole range, that counts as ink
MIN_SATURATION = 0.1  # below it a pixel has no hue
HUES = ("red", "orange", "yellow", "green", "cyan", "blue", "violet", "magenta")
HUE_EDGES = (20.0, 45.0, 70.0, 160.0, 200.0, 260.0, 290.0, 340.0)  # degrees; beyond the last it is red again
NO_HUE = "grey"


@dataclass(frozen=True)
class Canvas:
    """Images as the statistics read them.

    pixels: float32 [n, 1 or 3, height, width], 0..1.
    """

    pixels: torch.Tensor

    @cached_property
    def luma(self) -> torch.Tensor:
        """Brightness of each pixel [n, height, width], Rec. 601 weights."""
        if self.pixels.shape[1] == 1:
            return self.pixels[:, 0]
        return (self.pixels * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1)

    @cached_property
    def background(self) -> torch.Tensor:
        """The median brightness of the border [n]."""
        luma = self.luma
        border = [luma[:, 0], luma[:, -1], luma[:, 1:-1, 0], luma[:, 1:-1, -1]]
        return torch.cat(border, dim=1).median(dim=1).values

    @cached_property
    def ink(self) -> torch.Tensor:
        """How far each pixel lies from the background [n, height, width]; 0 where that is under `INK_LEVEL`."""
        distance = (self.luma - self.background[:, None, None]).abs()
        return torch.where(distance > INK_LEVEL, distance, 0.0)

    @cached_property
    def ink_moments(self) -> dict[str, torch.Tensor]:
        """Centre (x, y) and second moments (xx, yy, xy) of the ink, [n] each; x to the right, y down, -1..1."""
        height, width = self.ink.shape[1:]
        x = torch.linspace(-1, 1, width).view(1, 1, width)
        y = torch.linspace(-1, 1, height).view(1, height, 1)
        weights = self.ink / self.ink.sum(dim=(1, 2), keepdim=True).clamp_min(EPSILON)
        centre_x, centre_y = (weights * x).sum(dim=(1, 2)), (weights * y).sum(dim=(1, 2))
        from_x, from_y = x - centre_x[:, None, None], y - centre_y[:, None, None]
        return {
            "x": centre_x,
            "y": centre_y,
            "xx": (weights * from_x**2).sum(dim=(1, 2)),
            "yy": (weights * from_y**2).sum(dim=(1, 2)),
            "xy": (weights * from_x * from_y).sum(dim=(1, 2)),
        }

    @cached_property
    def gradient(self) -> torch.Tensor:
        """Size of the Sobel gradient at each inner pixel [n, height - 2, width - 2]."""
        kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
        both = functional.conv2d(self.luma[:, None], torch.stack([kernel, kernel.T])[:, None])
        return both.square().sum(dim=1).sqrt()

    @cached_property
    def chroma(self) -> torch.Tensor:
        """Largest minus smallest channel of each pixel [n, height, width]."""
        return self.pixels.amax(dim=1) - self.pixels.amin(dim=1)


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


def name_hues(canvas: Canvas) -> np.ndarray:
    """The hue [n] of each image as a word of `HUES`, the mean over its pixels by their chroma; `NO_HUE` for grey."""
    red, green, blue = canvas.pixels.unbind(dim=1)
    across = ((2 * red - green - blue) / 2).mean(dim=(1, 2))
    along = ((green - blue) * math.sqrt(3) / 2).mean(dim=(1, 2))
    degrees = torch.rad2deg(torch.atan2(along, across)) % 360
    names = np.array([*HUES, HUES[0]])[np.digitize(degrees.numpy(), HUE_EDGES)]
    peak = canvas.pixels.amax(dim=1)
    saturation = (canvas.chroma / peak.clamp_min(EPSILON) * (peak > INK_LEVEL)).mean(dim=(1, 2))
    return np.where(saturation.numpy() < MIN_SATURATION, NO_HUE, names)


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
    "blue": Statistic(measure_excess(2), "least blue", "most blue", needs_colour=True),
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
        for row, names in enumerate(
            (
                ("top left", "top middle", "top right"),
                ("middle left", "in the middle", "middle right"),
                ("bottom left", "bottom middle", "bottom right"),
            )
        )
        for column, place in enumerate(names)
    },
}


def measure_images(images: torch.Tensor) -> dict[str, np.ndarray]:
    """Every statistic of images [n, channels, height, width] by its name, [n] each; "hue" holds words.

    A fourth channel (alpha) is left out; floats are scaled by the smallest and largest value that occurs.
    Grey images have none of the statistics that need colour, images under 3 pixels none at all. Of other numbers of
    channels, which are no colours, the mean is measured as grey.
    """
    return measure_chunks(lambda size: torch.split(images, size), tuple(images.shape[1:]))


def measure_chunks(chunks: Callable[[int], Iterable[torch.Tensor]], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """`measure_images` of images that come some at a time, twice. chunks: called with how many may come at a time.
    shape: channels, height, width."""
    if min(shape[1:]) < MIN_SIDE:
        return {}
    size = max(1, CHUNK_VALUES // math.prod(shape))
    spans = [measure_span(take_colours(part)) for part in chunks(size)]
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    has_colour = shape[0] in (3, 4) and any(span[2] for span in spans)
    measured = [
        measure_canvas(Canvas((take_colours(part).float() - low) / max(high - low, EPSILON)), has_colour)
        for part in chunks(size)
    ]
    return {name: np.concatenate([part[name] for part in measured]) for name in measured[0]}


def take_colours(images: torch.Tensor) -> torch.Tensor:
    """Grey or red, green and blue of images [n, channels, height, width], on the CPU."""
    images = images.cpu()
    if images.shape[1] in (1, 3, 4):
        return images[:, :3]
    return images.float().mean(dim=1, keepdim=True).to(images.dtype)


def measure_span(images: torch.Tensor) -> tuple[float, float, bool]:
    """The least and the largest value that images can have, and whether any channel differs from the first."""
    differ = bool((images != images[:, :1]).any())
    if images.dtype == torch.uint8:
        return 0.0, 255.0, differ
    return float(images.min()), float(images.max()), differ


def measure_canvas(canvas: Canvas, has_colour: bool) -> dict[str, np.ndarray]:
    """What `measure_images` gives, of images that fit into memory many times over."""
    measured = {
        name: statistic.measure(canvas).numpy()
        for name, statistic in STATISTICS.items()
        if has_colour or not statistic.needs_colour
    }
    return measured | ({"hue": name_hues(canvas)} if has_colour else {})
