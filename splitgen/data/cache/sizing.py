"""How images are to be decoded, by what their headers tell."""

from __future__ import annotations

import math

import numpy as np

from splitgen.data.cache.chunks import READABLE
from splitgen.data.pixels.decode import Preprocessing, Sight, choose_span
from splitgen.settings.stages import DataConfig

DEFAULT_SIZE = 32
GREATLY = 1.5  # times the size that images are reduced to: from there on, a note


def choose_preprocessing(records: np.ndarray, config: DataConfig) -> Preprocessing:
    """By the records of images that were looked at, `RECORD` [n]: the size given, else the median of the shorter sides,
    at most `DEFAULT_SIZE`; as many channels as an image has at most; the span of all values whose type fixes none.

    Raises `DecodeError` for values that have no range in common.
    """
    seen = records[records["state"] == READABLE]
    size = config.image_size or min(DEFAULT_SIZE, find_median_side(seen) or DEFAULT_SIZE)
    channels = int(seen["channels"].max()) if len(seen) else 3
    return Preprocessing(size, channels, config.resize, config.background, *choose_span(list_spans(seen)))


def list_spans(seen: np.ndarray) -> list[Sight]:
    """One sight for all floats and one for all integers whose type fixes no range, with the least and the greatest."""
    ranged = seen[~np.isnan(seen["lowest"])]
    kinds = (ranged[ranged["floating"] == floating] for floating in (False, True))
    return [
        Sight(0, 0, 0, 1, float(kind["lowest"].min()), float(kind["highest"].max()), bool(kind["floating"][0]))
        for kind in kinds
        if len(kind)
    ]


def find_median_side(records: np.ndarray) -> int:
    """The median of the shorter sides; 0 of none."""
    return math.floor(np.median(np.minimum(records["width"], records["height"]))) if len(records) else 0


def is_contradicted(preprocessing: Preprocessing, records: np.ndarray) -> bool:
    """Whether images have more channels than was foreseen, or values whose type fixes no range, of which none was."""
    seen = records[records["state"] == READABLE]
    if len(seen) == 0:
        return False
    return int(seen["channels"].max()) > preprocessing.channels or (preprocessing.span is None and has_ranges(seen))


def has_ranges(records: np.ndarray) -> bool:
    """Whether any of the images has values whose type fixes no range."""
    return bool(np.isfinite(records["lowest"]).any())


def tell_reduction(records: np.ndarray, size: int, config: DataConfig) -> list[str]:
    """A note where images are far larger than the size that nobody asked for."""
    median = find_median_side(records)
    if config.image_size is not None or median < GREATLY * size:
        return []
    larger = f"--image-size {2 * size} keeps more detail and takes longer"
    return [f"images are {median} pixels a side (median): reduced to {size}; {larger}"]
