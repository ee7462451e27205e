"""The one record that all stages read: images, labels, ids, class names, fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from splitgen.data.arrays import LAST, PLAIN, find_channels
from splitgen.data.cache.fingerprint import compute_fingerprint
from splitgen.data.class_checks import check_classes, check_labels, tell_gap
from splitgen.data.images import Images, MemoryImages, PixelStatistics, stream_chunks
from splitgen.data.metadata import Groups
from splitgen.errors import SourceError


@dataclass(frozen=True)
class OwnTest:
    """The test set that a source brings: M images and labels int64 [M]."""

    images: Images
    labels: np.ndarray


@dataclass(frozen=True)
class ImageDataset:
    """A labelled image dataset, as its source has it.

    source: the spec it was opened with, without paths of the machine (`idx:fashion-mnist`).
    images: where the pixels come from, uint8 or float32; never changed.
    labels: int64 array [N], values 0..C-1.
    ids: N stable keys, one a row: the POSIX relative path, or the index as text.
    class_names: C names.
    fingerprint: SHA-256 over the source's own bytes, ids and labels.
    own_test: the source's own test set, where it has one; it takes part in the verification alone.
    groups: rows that must not be torn apart; None where every row stands for itself.
    metadata: the user's table, one row a datapoint in their order; None where there is none.
    notes: what was skipped or is odd, one line each, for the user.
    digests: SHA-256 of what the source holds of each image, uint8 [N, 32]; None where it is not known.
    """

    source: str
    images: Images
    labels: np.ndarray
    ids: tuple[str, ...]
    class_names: tuple[str, ...]
    fingerprint: str
    own_test: OwnTest | None = None
    groups: Groups | None = None
    metadata: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    digests: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Image float32 [channels, height, width], bytes as 0..1, and label: what a torch `DataLoader` takes."""
        image = self.images.take([index])[0]
        return (image / 255 if image.dtype == torch.uint8 else image), int(self.labels[index])

    @property
    def n_points(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def n_channels(self) -> int:
        return self.images.shape[0]

    @property
    def image_size(self) -> int:
        """The shorter side of an image, in pixels."""
        return min(self.images.shape[1:])

    @property
    def holds_features(self) -> bool:
        """Whether a row is no image but a vector of features: a channel each, of one pixel."""
        return self.images.shape[1:] == (1, 1)

    @property
    def class_counts(self) -> np.ndarray:
        """Rows of each class, [C]."""
        return np.bincount(self.labels, minlength=self.n_classes)

    @cached_property
    def statistics(self) -> PixelStatistics:
        """Of all pixels, measured once."""
        return self.images.statistics()


def describe_dataset(dataset: ImageDataset) -> dict[str, Any]:
    """What a file says of the dataset that it belongs to."""
    return {
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "class_names": list(dataset.class_names),
        "n_points": dataset.n_points,
    }


def make_dataset(
    source: str,
    images: torch.Tensor | Images,
    labels: np.ndarray,
    *,
    raw: Iterable[bytes | memoryview] = (),
    fingerprint: str | None = None,
    own_test: OwnTest | None = None,
    ids: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> ImageDataset:
    """Check what a source delivered and make the record of it.

    images: uint8 or float tensor [N, channels, height, width], or where else they come from.
    labels: array [N]; whole numbers, else `SourceError`. They are kept as they are when they are
        0..C-1; a gap in them is refused rather than closed, since labels are never changed.
    raw: the source's own bytes, for the fingerprint. fingerprint: where it is known already.
    Raises `SourceError` for no rows, other lengths, labels that are not whole numbers, NaN or
    infinite pixels, fewer than two classes, a class with under `MIN_ROWS_PER_CLASS` rows, or an own
    test set of other classes or other images.
    """
    labels = check_labels(source, np.asarray(labels), len(images))
    if labels.max() >= len(labels):  # before anything is made that has one entry for each class
        raise tell_gap(source, labels)
    images = hold_images(source, images)
    n_classes = int(labels.max()) + 1
    names = tuple(class_names) if class_names is not None else tuple(str(c) for c in range(n_classes))
    check_classes(source, labels, names)
    own_test = None if own_test is None else check_own_test(source, own_test, images, names)
    row_ids = tuple(ids) if ids is not None else tuple(str(i) for i in range(len(labels)))
    fingerprint = compute_fingerprint(raw, row_ids, labels) if fingerprint is None else fingerprint
    return ImageDataset(source, images, labels, row_ids, names, fingerprint, own_test, notes=tuple(notes))


def hold_images(source: str, images: torch.Tensor | Images) -> Images:
    """Images as uint8 or float32 of one shape with finite pixels, or a `SourceError`."""
    if torch.is_tensor(images):
        shape = tuple(images.shape)
        if len(shape) != 4:
            raise wrong_shape(source, shape)
        images = MemoryImages(images if images.dtype == torch.uint8 else images.to(torch.float32))
    if (len(images) and 0 in images.shape) or has_channels_last(images.shape):
        raise wrong_shape(source, (len(images), *images.shape))
    if images.dtype != torch.uint8:
        bad = torch.cat([~torch.isfinite(chunk).flatten(1).all(dim=1) for chunk in stream_chunks(images)])
        if bad.any():
            problem = f"{int(bad.sum())} images have NaN or infinite pixels (first: row {int(bad.nonzero()[0])})"
            raise SourceError(source, problem, "remove or repair them")
    return images


def has_channels_last(shape: tuple[int, int, int]) -> bool:
    """Whether an image's shape, channels first, is rather [height, width, 1, 3 or 4]: taken as it stands, each row of
    pixels would be a channel."""
    return shape[0] not in PLAIN and find_channels(shape) == LAST and shape[2] in PLAIN


def wrong_shape(source: str, shape: tuple[int, ...]) -> SourceError:
    remedy = "give [N, channels, height, width], with 1 channel for grey and 3 for colour"
    return SourceError(source, f"images have the shape {shape}", remedy)


def check_own_test(source: str, own_test: OwnTest, train_images: Images, class_names: Sequence[str]) -> OwnTest:
    """The source's own test set, its labels int64 [M], or a `SourceError` where it is not of the train part's kind."""
    part = f"{source}, its own test set"
    labels = check_labels(part, np.asarray(own_test.labels), len(own_test.images), len(class_names))
    images = hold_images(part, own_test.images)
    if images.shape != train_images.shape:
        problem = f"its images are {images.shape}, those of the train part {train_images.shape}"
        raise SourceError(part, problem, "give both in one shape")
    return OwnTest(images, labels)
