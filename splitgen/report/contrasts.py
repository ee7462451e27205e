"""What differs between two groups of datapoints, as a picture: differences of means, and linear templates of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import torch
from PIL import Image

from splitgen.data.dataset import ImageDataset
from splitgen.data.regions import NINTHS
from splitgen.explain.templates import Template
from splitgen.report.pictures import Picture, encode_image
from splitgen.splits.split import Split

COLOURS = "PuOr_r"  # purple below 0, white at 0, orange above: no colour that images are said to have more of
CONTRAST_PIXELS = 96  # of the longer side, about
MAX_MEAN_ROWS = 5_000  # of a class in a part: the mean of more looks the same
MAX_SIDE_ROWS = 10_000  # of a side of a task, over all classes
MEAN_VALUES = 8_000_000  # pixels times channels that are summed at a time
MIN_SIDE = 3  # pixels of an image that has a picture
CHANNELS = ("red", "green", "blue")
EPSILON = 1e-6


@dataclass(frozen=True)
class Contrast:
    """Pictures of what differs, one under another, with a title."""

    title: str
    pictures: Sequence[Picture]


def average_images(dataset: ImageDataset, rows: np.ndarray, most: int = MAX_MEAN_ROWS) -> np.ndarray:
    """The mean image float64 [channels, height, width] of some datapoints, of at most so many spread evenly."""
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    size = max(1, MEAN_VALUES // int(np.prod(dataset.images.shape)))
    total = torch.zeros(dataset.images.shape, dtype=torch.float64)
    for part in torch.split(torch.from_numpy(rows), size):
        total += dataset.images.take(part).sum(dim=0, dtype=torch.float64).cpu()
    return (total / len(rows)).numpy()


def span_values(dataset: ImageDataset) -> float:
    """From the least value that a pixel can have to the largest."""
    if dataset.images.dtype == torch.uint8:
        return 255.0
    return max(dataset.statistics.high - dataset.statistics.low, EPSILON)


def contrast_classes(dataset: ImageDataset, split: Split, classes: Sequence[int]) -> list[Contrast]:
    """Mean of train less mean of test of each class that has both; all to one scale."""
    if min(dataset.images.shape[1:]) < MIN_SIDE:
        return []
    differences = {}
    for label in classes:
        of_class = split.labels == label
        parts = [np.flatnonzero(of_class & (split.parts == part)) for part in ("train", "test")]
        if all(map(len, parts)):
            train, test = (average_images(dataset, rows) for rows in parts)
            differences[label] = (train - test) / span_values(dataset)
    scales = find_scales(list(differences.values()))
    names = {label: dataset.class_names[label] for label in differences}
    return [
        Contrast(names[label], draw_difference(each, scales, f"{names[label]}, train less test", ("train", "test")))
        for label, each in differences.items()
    ]


def contrast_sides(dataset: ImageDataset, margins: np.ndarray) -> Contrast | None:
    """Mean of side + less mean of side - of a task, the mean over the classes that have both."""
    if min(dataset.images.shape[1:]) < MIN_SIDE:
        return None
    differences = []
    classes = np.flatnonzero(dataset.class_counts)
    most = max(1, MAX_SIDE_ROWS // len(classes))
    for label in classes:
        sides = [np.flatnonzero((dataset.labels == label) & (sign * margins > 0)) for sign in (1, -1)]
        if all(map(len, sides)):
            weight = min(map(len, sides))
            plus, minus = (average_images(dataset, rows, most) for rows in sides)
            differences.append((weight, plus - minus))
    if not differences:
        return None
    weights = [weight for weight, _ in differences]
    mean = np.average([each for _, each in differences], axis=0, weights=weights) / span_values(dataset)
    pictures = draw_difference(mean, find_scales([mean]), "side + less side - within class", ("side +", "side -"))
    return Contrast("mean of side + less side -", pictures)


def find_scales(differences: Sequence[np.ndarray]) -> tuple[float, float]:
    """The largest difference in brightness, and in a channel, of some differences [channels, height, width]."""
    of_brightness = max((float(np.abs(each.mean(axis=0)).max()) for each in differences), default=0.0)
    return of_brightness, max((float(np.abs(each).max()) for each in differences), default=0.0)


def draw_difference(
    values: np.ndarray, scales: tuple[float, float], title: str, parts: tuple[str, str]
) -> list[Picture]:
    """A difference [channels, height, width] of the range: in brightness; of images in colour in its own colours, too,
    about a middle grey that stands for none. scales: what is shown at full colour, in brightness and in a channel."""
    brightness = values.mean(axis=0)
    told = f"{title}: {say_difference(brightness, parts)}"
    pictures = [enlarge(draw_diverging(brightness, scales[0]), told)]
    if len(values) == 3:
        pictures.append(enlarge(draw_colours(values, scales[1]), f"{title}, in colour: {say_channels(values)}"))
    return pictures


def draw_template(template: Template) -> Contrast:
    """The weights of a template, each channel of an image in colour for itself, all to one scale."""
    weights, scale = template.weights, float(np.abs(template.weights).max())
    shown = zip(CHANNELS, weights, strict=True) if len(weights) == 3 else [("brightness", weights.mean(axis=0))]
    pictures = [
        enlarge(
            draw_diverging(each, scale),
            f"linear template, {name}: speaks most for side + {name_place(each)}, most for side - {name_place(-each)}",
        )
        for name, each in shown
    ]
    judged = "" if np.isnan(template.auc) else f" (AUC {template.auc:.2f})"
    return Contrast(f"linear template{judged}", pictures)


def draw_diverging(values: np.ndarray, scale: float) -> Image.Image:
    """Values [height, width] from purple at -scale over white to orange at scale."""
    colours = mpl.colormaps[COLOURS](0.5 + values / (2 * max(scale, EPSILON)), bytes=True)
    return Image.fromarray(np.ascontiguousarray(colours[..., :3]))


def draw_colours(values: np.ndarray, scale: float) -> Image.Image:
    """A difference [3, height, width] of colours about a middle grey."""
    bytes_ = (127.5 + 127.5 * values / max(scale, EPSILON)).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(bytes_.transpose(1, 2, 0)))


def enlarge(image: Image.Image, alt: str) -> Picture:
    """A small picture to be shown about `CONTRAST_PIXELS` wide, a large one made as small."""
    longest = max(image.size)
    if longest > CONTRAST_PIXELS:
        image.thumbnail((CONTRAST_PIXELS, CONTRAST_PIXELS))
    return encode_image(image, alt, lossless=True, factor=max(1, CONTRAST_PIXELS // longest))


def say_difference(brightness: np.ndarray, parts: tuple[str, str]) -> str:
    """In words for a reader who cannot see it. parts: of which the first is brighter where values are above 0."""
    high, low = 100 * max(0.0, float(brightness.max())), 100 * max(0.0, -float(brightness.min()))
    return (
        f"{parts[0]} is brighter by up to {high:.0f} % of the range, most {name_place(brightness)}; "
        f"{parts[1]} by up to {low:.0f} %, most {name_place(-brightness)}"
    )


def say_channels(values: np.ndarray) -> str:
    """The mean difference of each channel."""
    return ", ".join(f"{name} {100 * each.mean():+.1f} %" for name, each in zip(CHANNELS, values, strict=True))


def name_place(values: np.ndarray) -> str:
    """The ninth of values [height, width] whose mean is the largest."""
    pooled = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(np.ascontiguousarray(values))[None], 3)[0]
    row, column = divmod(int(pooled.argmax()), 3)
    return NINTHS[row][column]
