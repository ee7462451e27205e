"""Datapoints to look at: which of them, as thumbnails for a page, and as contact sheets in files."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from splitgen.data.arrays import PLAIN
from splitgen.data.dataset import ImageDataset
from splitgen.errors import SourceError
from splitgen.parquet import replacing
from splitgen.splits.split import Split

THUMBNAIL_PIXELS = 64  # of the longer side, at most
PNG_PIXELS = 32  # up to this size a thumbnail is the very pixels; above, JPEG
JPEG_QUALITY = 82
BAND_SPREAD = 2.5  # standard deviations
LEAST_SHOWN = 56  # pixels on the page of a small image's longer side, where a whole factor gives so many
ROWS_AT = 4  # datapoints at each of extreme, middle and threshold
MAX_CLASSES = 12  # shown in pictures
PLACES = ("extreme", "middle", "at the threshold")


@dataclass(frozen=True)
class Strip:
    """Datapoints side by side. rows: positions in the dataset. notes: one for each, for a reader who cannot see it."""

    title: str
    rows: tuple[int, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A thumbnail for a page. uri: `data:` with the whole image; alt: in words. width, height: as it is shown.

    is_enlarged: its pixels are to be seen as they are.
    """

    uri: str
    alt: str
    width: int
    height: int
    is_enlarged: bool = False


def choose_classes(counts: np.ndarray) -> list[int]:
    """The classes to show: all that have datapoints, of many the largest."""
    present = [int(c) for c in np.argsort(-counts, kind="stable")[:MAX_CLASSES] if counts[c] > 0]
    return sorted(present)


def choose_class_strips(split: Split, label: int, class_name: str) -> list[Strip]:
    """Datapoints of a class from the most train-like to the most test-like: the extreme, the middle and the
    threshold's neighbours of train, then of test."""
    strips = []
    for part in ("train", "test"):
        rows = split.indices(part)
        rows = rows[split.labels[rows] == label]
        rows = rows[np.argsort(-split.scores[rows], kind="stable")]
        places = PLACES if part == "train" else PLACES[::-1]
        for place, chosen in zip(places, choose_places(len(rows)), strict=True):
            told = [f"id {split.ids[row]}, score {split.scores[row]:.2f}" for row in rows[chosen]]
            notes = tuple(f"{class_name}, {part}: {each}" for each in told)
            strips.append(Strip(f"{part}, {place}", tuple(rows[chosen].tolist()), notes))
    return [strip for strip in strips if strip.rows]


def choose_places(n_rows: int) -> list[np.ndarray]:
    """Positions at the begin, in the middle and at the end of a sorted list of n rows; none twice."""
    each = min(ROWS_AT, -(-n_rows // 3))
    begin = np.arange(min(each, n_rows))
    end = np.arange(max(len(begin), n_rows - each), n_rows)
    inside = np.arange(len(begin), end[0] if len(end) else n_rows)
    at = max(0, (len(inside) - each) // 2)
    return [begin, inside[at : at + each], end]


def choose_side_strips(
    margins: np.ndarray, labels: np.ndarray, ids: Sequence[str], class_names: Sequence[str]
) -> list[Strip]:
    """The strongest datapoints of both sides of a task, the same number of each class shown."""
    strips = []
    classes = choose_classes(np.bincount(labels, minlength=len(class_names)))
    each = max(1, 20 // len(classes))
    for sign, title in ((1, "side +"), (-1, "side -")):
        rows: list[int] = []
        for label in classes:
            of_class = np.flatnonzero((labels == label) & (sign * margins > 0))
            rows += of_class[np.argsort(-sign * margins[of_class], kind="stable")[:each]].tolist()
        notes = [f"{title}, {class_names[labels[row]]}: id {ids[row]}, margin {margins[row]:.2f}" for row in rows]
        strips.append(Strip(title, tuple(rows), tuple(notes)))
    return strips


class Album:
    """The images of a dataset as pictures, each made once. Floats are shown from the least value to the largest.

    Of channels that are neither grey nor colour the mean is shown as grey: of floats each over `BAND_SPREAD` standard
    deviations to both sides of its own mean, since bands have scales of their own. Features are no images: `is_empty`,
    and all that shows pictures leaves them out.
    """

    def __init__(self, dataset: ImageDataset) -> None:
        self.images, self.is_empty = dataset.images, dataset.holds_features
        self.made: dict[int, Picture] = {}
        self.low, self.high = torch.tensor(0.0), torch.tensor(255.0)
        if self.images.dtype != torch.uint8:
            found = dataset.statistics
            self.low, self.high = torch.tensor(found.low), torch.tensor(found.high)
            if dataset.n_channels not in PLAIN:
                mean, spread = (values[:, None, None] for values in (found.mean, BAND_SPREAD * found.std))
                self.low, self.high = mean - spread, mean + spread

    def image(self, pixels: torch.Tensor) -> Image.Image:
        """Pixels [channels, height, width] in the dataset's range as an image of at most `THUMBNAIL_PIXELS`."""
        scaled = (pixels.float().cpu() - self.low) / (self.high - self.low).clamp_min(1e-6) * 255
        if len(pixels) not in PLAIN:
            scaled = scaled.clamp(0, 255).mean(dim=0, keepdim=True)
        array = scaled.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
        image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
        if max(image.size) > THUMBNAIL_PIXELS:
            image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        return image

    def picture(self, row: int, alt: str) -> Picture:
        """The thumbnail of one datapoint."""
        if row not in self.made:
            self.made[row] = encode_image(self.image(self.images.take([row])[0]), "")
        made = self.made[row]
        return replace(made, alt=alt)

    def pictures(self, strip: Strip) -> list[Picture]:
        return [self.picture(row, note) for row, note in zip(strip.rows, strip.notes, strict=True)]

    def mean(self, rows: np.ndarray, alt: str, limit: int = 1000) -> Picture:
        """The mean image of some datapoints, of at most `limit` of them."""
        chosen = rows[np.linspace(0, len(rows) - 1, min(limit, len(rows))).astype(int)]
        return encode_image(self.image(self.images.take(chosen).float().mean(dim=0)), alt)


def choose_factor(longest: int) -> float:
    """How many times as large an image is shown: so often that its longer side has `LEAST_SHOWN` to `THUMBNAIL_PIXELS`
    pixels, a whole number of times where there is one."""
    whole = THUMBNAIL_PIXELS // longest
    return whole if whole * longest >= LEAST_SHOWN else THUMBNAIL_PIXELS / longest


def encode_image(image: Image.Image, alt: str, lossless: bool = False, factor: float | None = None) -> Picture:
    """An image as a `data:` URI: PNG up to `PNG_PIXELS`, JPEG above. factor: how many times as large it is shown."""
    factor = choose_factor(max(image.size)) if factor is None else factor
    buffer = io.BytesIO()
    if lossless or max(image.size) <= PNG_PIXELS or image.mode == "RGBA":
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(buffer, "JPEG", quality=JPEG_QUALITY)
        kind = "jpeg"
    encoded = base64.b64encode(buffer.getvalue()).decode()
    width, height = (max(1, round(factor * side)) for side in image.size)
    return Picture(f"data:image/{kind};base64,{encoded}", alt, width, height, factor > 1)


def draw_sheet(album: Album, strips: Sequence[Strip]) -> Image.Image:
    """A contact sheet: a row of thumbnails for each strip, its title above."""
    cell, title_height, gap = THUMBNAIL_PIXELS, 16, 4
    width = max(len(strip.rows) for strip in strips) * (cell + gap) + gap
    sheet = Image.new("RGB", (max(width, 160), len(strips) * (cell + title_height + gap) + gap), "white")
    pen = ImageDraw.Draw(sheet)
    for number, strip in enumerate(strips):
        top = gap + number * (cell + title_height + gap)
        pen.text((gap, top), strip.title.encode("ascii", "replace").decode(), fill="black")
        for place, row in enumerate(strip.rows):
            image = album.image(album.images.take([row])[0]).convert("RGB")
            scale = max(1, cell // max(image.size))
            image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
            sheet.paste(image, (gap + place * (cell + gap), top + title_height))
    return sheet


def write_sheets(dataset: ImageDataset, split: Split, folder: Path) -> list[Path]:
    """Contact sheets of a split into a folder: one a class shown, and one of its task's two sides.

    Raises `SourceError` for features, which are no images.
    """
    album, names = Album(dataset), dataset.class_names
    if album.is_empty:
        raise SourceError(dataset.source, "its rows are features and no images", "there are no pictures to draw")
    folder.mkdir(parents=True, exist_ok=True)
    sheets = {
        f"class-{label}-{name_file(names[label])}.png": choose_class_strips(split, label, names[label])
        for label in choose_classes(dataset.class_counts)
    }
    sheets["task.png"] = choose_side_strips(split.margins, split.labels, split.ids, names)
    drawn = [name for name, strips in sheets.items() if strips]  # a class may be in reserve as a whole
    for name in drawn:
        with replacing(folder / name) as temporary:
            draw_sheet(album, sheets[name]).save(temporary, "PNG")
    return [folder / name for name in drawn]


def name_file(name: str) -> str:
    """A class name as a part of a file name: letters, digits and hyphens."""
    return re.sub("[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "unnamed"
