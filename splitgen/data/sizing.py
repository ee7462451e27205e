"""How images are to be decoded, by what their headers tell."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from splitgen.data.chunks import READABLE
from splitgen.data.decode import Preprocessing
from splitgen.settings.stages import DataConfig

DEFAULT_SIZE = 32
GREATLY = 1.5  # times the size that images are reduced to: from there on, a note
KNOWN = {field.name for field in dataclasses.fields(Preprocessing)}


def choose_preprocessing(records: np.ndarray, config: DataConfig) -> Preprocessing:
    """By the records of images that were looked at, `RECORD` [n]: the size given, else the median of the shorter sides,
    at most `DEFAULT_SIZE`; as many channels as an image has at most; the range of all values that are no bytes."""
    seen = records[records["state"] == READABLE]
    size = config.image_size or min(DEFAULT_SIZE, find_median_side(seen) or DEFAULT_SIZE)
    channels = int(seen["channels"].max()) if len(seen) else 3
    values: dict[str, Any] = dict(
        size=size, channels=channels, resize=config.resize, background=config.background, **find_range(seen)
    )
    return Preprocessing(**{name: value for name, value in values.items() if name in KNOWN})


def find_range(seen: np.ndarray) -> dict[str, float]:
    """The least and the largest value over all images whose values are no bytes; nothing where there are none."""
    ranged = seen[~np.isnan(seen["low"])]
    return {"low": float(ranged["low"].min()), "high": float(ranged["high"].max())} if len(ranged) else {}


def find_median_side(records: np.ndarray) -> int:
    """The median of the shorter sides; 0 of none."""
    return math.floor(np.median(np.minimum(records["width"], records["height"]))) if len(records) else 0


def is_contradicted(preprocessing: Preprocessing, records: np.ndarray) -> bool:
    """Whether images have more channels, or values out of the range, than was foreseen."""
    seen = records[records["state"] == READABLE]
    if len(seen) and int(seen["channels"].max()) > preprocessing.channels:
        return True
    found = find_range(seen)
    if not found or "low" not in KNOWN:
        return False
    low, high = getattr(preprocessing, "low", None), getattr(preprocessing, "high", None)
    return low is None or high is None or found["low"] < low or found["high"] > high


def tell_reduction(records: np.ndarray, size: int, config: DataConfig) -> list[str]:
    """A note where images are far larger than the size that nobody asked for."""
    median = find_median_side(records)
    if config.image_size is not None or median < GREATLY * size:
        return []
    larger = f"--image-size {2 * size} keeps more detail and takes longer"
    return [f"images are {median} pixels a side (median): reduced to {size}; {larger}"]
