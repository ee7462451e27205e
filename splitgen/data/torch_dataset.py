"""A user's own torch dataset behind the seam: its images are held where they fit into memory, and else asked for when
they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from splitgen.data.dataset import ImageDataset, make_dataset
from splitgen.data.images import DatasetImages, Images, hold_small, stream_chunks, take_pair
from splitgen.errors import SourceError


def hold_torch_dataset(dataset: Any) -> ImageDataset:
    """The dataset of a map-style torch dataset of pairs (image, class).

    Labels are its `targets` or `labels` where it lists them, else those of its items; class names its `classes`. Ids
    are the positions. The fingerprint is of the pixels that it gives. Images that fit into memory are asked for once,
    so that they give the same results as from any other source. Raises `SourceError`.
    """
    source = f"dataset:{type(dataset).__name__}"
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        remedy = "give settings, a spec, or a torch dataset with a length and items"
        raise SourceError(source, "it has no length or no items", remedy)
    if len(dataset) == 0:
        raise SourceError(source, "it has no rows", "give a dataset with at least two classes")
    images = hold_small(DatasetImages(dataset, source))
    names = getattr(dataset, "classes", None)
    labels = np.asarray(list_labels(dataset, source))
    return make_dataset(source, images, labels, raw=stream_bytes(images), class_names=names)


def list_labels(dataset: Any, source: str) -> Any:
    """The label of each item, [N]."""
    for name in ("targets", "labels"):
        listed = getattr(dataset, name, None)
        if listed is not None and len(listed) == len(dataset):
            return listed
    labels = [take_pair(dataset, row, source)[1] for row in range(len(dataset))]
    return [label.item() if hasattr(label, "item") else label for label in labels]


def stream_bytes(images: Images) -> Iterator[bytes]:
    """The pixels of each image in order."""
    for chunk in stream_chunks(images):
        for image in chunk:
            yield image.contiguous().numpy().tobytes()
