"""Datasets of encoded images: what a source lists, before anything is decoded.

A source of files, of rows of a table or of members of an archive gives a `Listing`; `decode_listing` makes the dataset
of it: all images at one size, decoded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from splitgen.data.dataset import ImageDataset, OwnTest, make_dataset
from splitgen.data.decode import DecodeError, Encoded, Preprocessing, choose_span, decode_image, look_at
from splitgen.data.images import MemoryImages
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

DEFAULT_SIZE = 32


class Pictures(Protocol):
    """N encoded images. Picklable: worker processes read by themselves."""

    def __len__(self) -> int: ...

    def read(self, row: int) -> Encoded:
        """What the source holds of an image: the bytes of its file, or an image that a library has decoded."""

    def name(self, row: int) -> str:
        """The image's name in messages: its path below the source, or "row 7"."""

    def stamp(self) -> str:
        """Changes whenever what lies there changes, and costs little: sizes and times of files, not their bytes.
        "" where the source cannot tell, and so nothing of it is kept."""


@dataclass(frozen=True)
class Listing:
    """What a source lists.

    source: the spec, without paths of the machine. labels: int [N]. ids: N stable keys.
    notes: what was skipped or found odd, one line each, for the user.
    own_test: the source's own test part, where it has one.
    """

    source: str
    pictures: Pictures
    labels: np.ndarray
    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    own_test: Listing | None = None


def decode_listing(listing: Listing, config: DataConfig) -> ImageDataset:
    """The dataset of a listing, decoded as the settings say. Raises `SourceError` for images that cannot be read."""
    sights = [look_at(listing.pictures.read(row)) for row in range(len(listing.pictures))]
    channels = max(sight.channels for sight in sights)
    size = config.image_size or DEFAULT_SIZE
    preprocessing = Preprocessing(size, channels, config.resize, config.background, *choose_span(sights))
    own = listing.own_test
    own_test = None if own is None else OwnTest(MemoryImages(decode_all(own, preprocessing)), own.labels)
    return make_dataset(
        listing.source,
        decode_all(listing, preprocessing),
        listing.labels,
        raw=stream_raw(listing.pictures),
        own_test=own_test,
        ids=listing.ids,
        class_names=listing.class_names,
        notes=listing.notes,
    )


def decode_all(listing: Listing, preprocessing: Preprocessing) -> torch.Tensor:
    """All images, uint8 [N, channels, size, size]."""
    images = []
    for row in range(len(listing.pictures)):
        try:
            images.append(decode_image(listing.pictures.read(row), preprocessing))
        except DecodeError as error:
            problem = f"'{listing.pictures.name(row)}' {error}"
            raise SourceError(listing.source, problem, "repair it or take it out") from error
    return torch.from_numpy(np.stack(images))


def stream_raw(pictures: Pictures) -> Iterator[bytes]:
    """What the fingerprint is of: the bytes of each file, or the pixels of an image that a library has decoded."""
    for row in range(len(pictures)):
        item = pictures.read(row)
        yield item if isinstance(item, bytes) else np.asarray(item).tobytes()
