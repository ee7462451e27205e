"""Where pixels come from: the one seam between the stages and how images are held.

A stage asks for the rows that it works on, and never for all of them. Whether these lie in memory, are read from a file
that is mapped, or are made one by one by a user's own dataset, is known here alone.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from splitgen.data.arrays import LAST, find_channels
from splitgen.errors import SourceError

CHUNK = 1000  # images at a time, where all of them are looked at
STD_FLOOR = 1e-6
FLOAT_BYTES = 4
MEMORY_BYTES = 2**30  # of all images as floats, up to which they are held in memory, normalised: CIFAR-10 takes 0.6 GiB
NORMALIZING = threading.Lock()  # trainings side by side must not each make a copy of all images

IMAGE_KEYS, LABEL_KEYS = ("image", "img"), ("label", "labels", "target")  # of records, as datasets of the hub have them

Rows = torch.Tensor | np.ndarray | Sequence[int]


class Images(Protocol):
    """N images of one shape."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""

    @property
    def dtype(self) -> torch.dtype:
        """uint8 or float32."""

    def __len__(self) -> int: ...

    def take(self, rows: Rows) -> torch.Tensor:
        """The images of some rows as they are, [n, channels, height, width], on the CPU."""

    def statistics(self) -> PixelStatistics:
        """Of all pixels."""


@dataclass(frozen=True)
class PixelStatistics:
    """Of all pixels of a dataset. mean, std: float32 [channels]; low, high: the least and the largest value."""

    mean: torch.Tensor
    std: torch.Tensor
    low: float
    high: float


@dataclass(frozen=True)
class UnitStatistics:
    """Mean and standard deviation of pixels from 0 to 1. mean, std: float32 [channels]."""

    mean: torch.Tensor
    std: torch.Tensor


def one_shape(pixels: torch.Tensor | np.ndarray) -> tuple[int, int, int]:
    """Channels, height and width of pixels [N, channels, height, width]."""
    channels, height, width = pixels.shape[1:]
    return channels, height, width


@dataclass(frozen=True)
class MemoryImages:
    """Images in one tensor, uint8 or float32 [N, channels, height, width]; never changed."""

    pixels: torch.Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        return one_shape(self.pixels)

    @property
    def dtype(self) -> torch.dtype:
        return self.pixels.dtype

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: Rows) -> torch.Tensor:
        return self.pixels[rows]

    def statistics(self) -> PixelStatistics:
        if not fits_in_memory(self):
            return stream_statistics(self)
        pixels = self.pixels.to(torch.float32)
        mean, std = pixels.mean(dim=(0, 2, 3)), pixels.std(dim=(0, 2, 3))
        return PixelStatistics(mean, std, float(pixels.min()), float(pixels.max()))


def hold_features(features: torch.Tensor) -> MemoryImages:
    """Features float32 [N, F] as images of one pixel, with as many channels."""
    return MemoryImages(features[:, :, None, None])


@dataclass(frozen=True)
class MappedImages:
    """Images in a file that is mapped into memory: what is asked for is read, and the rest need not fit.

    pixels: uint8 [M, channels, height, width]. rows: int64 [N], those that are the images; None for all.
    """

    pixels: np.ndarray
    rows: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return one_shape(self.pixels)

    @property
    def dtype(self) -> torch.dtype:
        return torch.uint8

    def __len__(self) -> int:
        return len(self.pixels if self.rows is None else self.rows)

    def take(self, rows: Rows) -> torch.Tensor:
        places = np.asarray(rows, dtype=np.int64)
        return torch.from_numpy(np.asarray(self.pixels[places if self.rows is None else self.rows[places]]))

    def statistics(self) -> PixelStatistics:
        return stream_statistics(self)


def hold_mapped(pixels: np.ndarray, rows: np.ndarray | None = None) -> Images:
    """Images of a mapped file, uint8 [M, channels, height, width], or some rows of it: in memory where they fit, so
    that what becomes of them is the same, to the last byte, as of a source that has them in memory."""
    return hold_small(MappedImages(pixels, rows))


def hold_small(images: Images) -> Images:
    """The images in one tensor, asked for once and in order, where they fit into memory; else as they are."""
    if not fits_in_memory(images):
        return images
    held = torch.empty(len(images), *images.shape, dtype=images.dtype)
    for at, part in enumerate(stream_chunks(images)):
        held[at * CHUNK : at * CHUNK + len(part)] = part
    return MemoryImages(held)


def fits_in_memory(images: Images | NormalizedImages) -> bool:
    """Whether all of the images, as the floats that networks see, are small enough to be held."""
    return len(images) <= count_fitting(images)


def count_fitting(images: Images | NormalizedImages) -> int:
    """How many images of their shape would be."""
    return MEMORY_BYTES // max(1, math.prod(images.shape) * FLOAT_BYTES)


class DatasetImages:
    """The images of a user's own torch dataset of pairs (image, label), made when they are asked for.

    An image is a tensor [channels, height, width] or [height, width], an array, or a PIL image; bytes stay bytes, all
    else becomes float32. The dataset must give the same image whenever it is asked for a row: no random augmentation.
    Raises `SourceError` for an item that is no image, or of another shape than the first.
    """

    def __init__(self, dataset: Any, source: str) -> None:
        self.dataset, self.source = dataset, source
        first = self.read(0)
        self._shape = (int(first.shape[0]), int(first.shape[1]), int(first.shape[2]))
        self._dtype = first.dtype

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    @property
    def dtype(self) -> torch.dtype:
        return self._dtype

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, row: int) -> torch.Tensor:
        """One image [channels, height, width]."""
        return to_pixels(take_pair(self.dataset, row, self.source)[0], self.source, row)

    def take(self, rows: Rows) -> torch.Tensor:
        images = [self.read(int(row)) for row in rows]
        for row, image in zip(rows, images, strict=True):
            if tuple(image.shape) != self._shape or image.dtype != self._dtype:
                problem = (
                    f"image {int(row)} is {image.dtype} {tuple(image.shape)}, the first {self._dtype} {self._shape}"
                )
                raise SourceError(self.source, problem, "give images of one size and type")
        return torch.stack(images) if images else torch.empty(0, *self._shape, dtype=self._dtype)

    def statistics(self) -> PixelStatistics:
        return stream_statistics(self)


def take_pair(dataset: Any, row: int, source: str) -> tuple[Any, Any]:
    """Image and label of an item: of a pair, or of a record with one of `IMAGE_KEYS` and one of `LABEL_KEYS`. Raises
    `SourceError` for what is neither."""
    item = dataset[row]
    if isinstance(item, Mapping):
        found = [next((key for key in keys if key in item), None) for keys in (IMAGE_KEYS, LABEL_KEYS)]
        if None in found:
            problem = f"item {row} has the keys {', '.join(map(str, item))}"
            raise SourceError(source, problem, 'give pairs of image and class, or records {"image": ..., "label": ...}')
        return item[found[0]], item[found[1]]
    if not isinstance(item, (tuple, list)) or len(item) < 2:
        problem = f"item {row} is no pair but {type(item).__name__}"
        raise SourceError(source, problem, "give pairs of image and class")
    return item[0], item[1]


def to_pixels(item: Any, source: str, row: int) -> torch.Tensor:
    """An image as uint8 or float32 [channels, height, width], or a `SourceError`."""
    if isinstance(item, Image.Image):
        item = hold_array(picture_array(item))
    if not torch.is_tensor(item):
        array = np.asarray(item)
        if array.dtype.kind not in "uif" or array.ndim not in (2, 3):
            problem = f"item {row} is no image but {type(item).__name__}"
            raise SourceError(source, problem, "give pairs of image (tensor, array or PIL) and class")
        item = hold_array(array if array.ndim == 2 else put_channels_first(array, source, row))
    pixels: torch.Tensor = item[None] if item.ndim == 2 else item
    if pixels.ndim != 3:
        raise SourceError(source, f"image {row} has the shape {tuple(pixels.shape)}", "give [channels, height, width]")
    return pixels if pixels.dtype == torch.uint8 else pixels.to(torch.float32)


def hold_array(array: np.ndarray) -> torch.Tensor:
    """A copy of an array as uint8 or float32."""
    return torch.from_numpy(np.array(array, dtype=np.uint8 if array.dtype == np.uint8 else np.float32, order="C"))


def put_channels_first(array: np.ndarray, source: str, row: int) -> np.ndarray:
    """An array [channels, height, width] of one with channels first or last; a `SourceError` where it can be both."""
    place = find_channels(array.shape)
    if place is None:
        problem = f"image {row}, an array {array.shape}, may have its channels first or last"
        raise SourceError(source, problem, "give a tensor, whose channels come first")
    return array.transpose(2, 0, 1) if place == LAST else array


def picture_array(picture: Image.Image) -> np.ndarray:
    """A PIL image as an array [height, width] or [channels, height, width]; a palette becomes its colours."""
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "PA" else "RGB")
    array = np.asarray(picture.convert("L") if picture.mode == "1" else picture)
    return array.transpose(2, 0, 1) if array.ndim == 3 else array


def stream_chunks(images: Images) -> Iterator[torch.Tensor]:
    """All images, some at a time, in order."""
    for rows in torch.split(torch.arange(len(images)), CHUNK):
        yield images.take(rows)


def stream_statistics(images: Images) -> PixelStatistics:
    """Mean and standard deviation of each channel in one pass, without holding more than a chunk."""
    return count_bytes(images) if images.dtype == torch.uint8 else add_up(images)


def count_bytes(images: Images) -> PixelStatistics:
    """Those of bytes, exactly, by how often each value occurs."""
    counts, values = np.zeros((images.shape[0], 256), np.int64), np.arange(256)
    for chunk in stream_chunks(images):
        for channel, pixels in enumerate(chunk.transpose(0, 1)):
            counts[channel] += np.bincount(pixels.flatten().numpy(), minlength=256)
    totals = counts.sum(axis=1)
    means = counts @ values / totals
    squares = (counts * (values - means[:, None]) ** 2).sum(axis=1)
    stds = np.sqrt(squares / np.maximum(1, totals - 1))
    present = np.flatnonzero(counts.any(axis=0))
    mean, std = (torch.from_numpy(each).float() for each in (means, stds))
    return PixelStatistics(mean, std, float(present[0]), float(present[-1]))


def add_up(images: Images) -> PixelStatistics:
    """Those of floats (Chan et al., "Algorithms for Computing the Sample Variance", 1983)."""
    count, mean, squares = 0, torch.zeros(images.shape[0], dtype=torch.float64), torch.zeros(images.shape[0]).double()
    low, high = float("inf"), float("-inf")
    for chunk in stream_chunks(images):
        values = chunk.double().transpose(0, 1).flatten(1)
        n = values.shape[1]
        shift = values.mean(dim=1) - mean
        squares += (values - values.mean(dim=1, keepdim=True)).square().sum(dim=1) + shift.square() * count * n / (
            count + n
        )
        mean += shift * n / (count + n)
        count += n
        low, high = min(low, float(chunk.min())), max(high, float(chunk.max()))
    return PixelStatistics(mean.float(), (squares / max(1, count - 1)).sqrt().float(), low, high)


@dataclass(frozen=True)
class NormalizedImages:
    """Images as networks see them: float32 on a device, channels last, zero mean and unit variance in each channel over
    the dataset that the statistics are of."""

    images: Images
    statistics: PixelStatistics
    device: str

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.images.shape

    def __len__(self) -> int:
        return len(self.images)

    @property
    def unit_statistics(self) -> UnitStatistics:
        """By which they were normalised, of pixels from 0 to 1: bytes are so many 255ths; of floats that go beyond, the
        least value is 0 and the largest 1."""
        found = self.statistics
        low, high = (0.0, 255.0) if self.images.dtype == torch.uint8 else (min(found.low, 0.0), max(found.high, 1.0))
        return UnitStatistics((found.mean - low) / (high - low), found.std.clamp_min(STD_FLOOR) / (high - low))

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        """Of some rows, [n, channels, height, width]."""
        if self.is_held:
            return self.in_memory[rows]
        return self.normalize(self.images.take(rows.cpu()))

    def chunks(self, size: int) -> Iterator[torch.Tensor]:
        """All of them in order, so many at a time."""
        if self.is_held:
            yield from torch.split(self.in_memory, size)
        else:
            for rows in torch.split(torch.arange(len(self.images)), size):
                yield self.take(rows)

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        mean, std = (
            values.to(self.device)[None, :, None, None] for values in (self.statistics.mean, self.statistics.std)
        )
        shifted = (pixels.to(device=self.device, dtype=torch.float32) - mean) / std.clamp_min(STD_FLOOR)
        return shifted.contiguous(memory_format=torch.channels_last)

    @property
    def is_held(self) -> bool:
        """Whether all of the images are kept as floats: those that lie in memory and are not too many."""
        return isinstance(self.images, MemoryImages) and fits_in_memory(self.images)

    @property
    def in_memory(self) -> torch.Tensor:
        """All of images that lie in memory anyway: as floats they are normalised once, and not at each batch."""
        with NORMALIZING:
            return self.made_in_memory

    @cached_property
    def made_in_memory(self) -> torch.Tensor:
        parts = (self.normalize(part) for part in stream_chunks(self.images))
        first = next(parts)
        held = torch.empty_strided((len(self), *self.shape), first.stride(), device=self.device)
        for at, part in enumerate(itertools.chain([first], parts)):
            held[at * CHUNK : at * CHUNK + len(part)] = part
        return held
