"""A user's own torch dataset behind the seam: its images are held where they fit into memory, and else asked for when
they are needed.

Pictures (PIL) of several sizes, or ones that are to have another, are decoded once as those of files are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import IterableDataset

from splitgen.data.class_checks import check_classes, check_labels, tell_gap
from splitgen.data.dataset import ImageDataset, make_dataset
from splitgen.data.images import DatasetImages, Images, hold_small, stream_chunks, take_pair
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.pixels.decode import Encoded
from splitgen.data.torch_items import find_class_names, find_ids, list_labels
from splitgen.errors import SourceError
from splitgen.plugins import tell_raised
from splitgen.settings.stages import DataConfig

N_TWICE = 4  # items that are asked for twice, to see whether they stay the same


class ItemPictures:
    """The images of a dataset's items, as the dataset makes them.

    make: gives the dataset again, with the same items in the same order, where a copy of this is read in another
        process; None takes the dataset itself along.
    names: of the rows, for messages. kept: which items they are; None for all.
    """

    def __init__(
        self,
        dataset: Any,
        source: str,
        names: tuple[str, ...] | None = None,
        make: Callable[[], Any] | None = None,
        kept: np.ndarray | None = None,
    ) -> None:
        self.made, self.source, self.names, self.make = dataset, source, names, make
        self.kept = np.arange(len(dataset)) if kept is None else kept

    def __len__(self) -> int:
        return len(self.kept)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), **({} if self.make is None else {"made": None})}

    def read(self, row: int) -> Encoded:
        if self.made is None and self.make is not None:
            self.made = self.make()
        image = take_pair(self.made, int(self.kept[row]), self.source)[0]
        if not isinstance(image, (Image.Image, np.ndarray)):
            problem = f"item {row} is no picture but {type(image).__name__}, unlike the first"
            raise SourceError(self.source, problem, "give images of one kind")
        return image

    def name(self, row: int) -> str:
        return f"row {self.kept[row]}" if self.names is None else self.names[row]

    def stamp(self) -> str:
        return ""  # what code gives can change without a trace


def hold_torch_dataset(dataset: Any, config: DataConfig | None = None, source: str | None = None) -> ImageDataset:
    """The dataset of a map-style torch dataset of pairs (image, class), or of records {"image": ..., "label": ...}.

    Labels are its `targets` or `labels` where it lists them, else those of its items; class names its `classes` or
    `class_to_idx`; ids its `ids`, or the paths of its `samples`, else the positions. The fingerprint is of the pixels
    that it gives. Images that fit into memory are asked for once.
    config: for pictures of several sizes.
    Raises `SourceError`.
    """
    source = source or f"dataset:{type(dataset).__name__}"
    check_map_style(dataset, source)
    names, ids = find_class_names(dataset, source), find_ids(dataset, source)
    check_steady(dataset, source)
    if gives_pictures(dataset, source, config):
        labels, class_names = check_before_decoding(source, np.asarray(list_labels(dataset, source)), names)
        row_ids = tuple(str(row) for row in range(len(dataset))) if ids is None else ids
        pictures = ItemPictures(dataset, source, ids)
        return decode_listing(Listing(source, pictures, labels, row_ids, class_names), config or DataConfig())
    images = hold_small(DatasetImages(dataset, source))
    labels = np.asarray(list_labels(dataset, source))
    return make_dataset(source, images, labels, raw=stream_bytes(images), ids=ids, class_names=names)


def check_before_decoding(
    source: str, labels: np.ndarray, names: tuple[str, ...] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels int64 [N] and the names of their classes; a `SourceError` of them comes before any image is decoded."""
    labels = check_labels(source, labels, len(labels))
    if labels.max() >= len(labels):
        raise tell_gap(source, labels)
    names = names or tuple(str(c) for c in range(int(labels.max()) + 1))
    check_classes(source, labels, names)
    return labels, names


def check_map_style(dataset: Any, source: str) -> None:
    """Raise `SourceError` for what has no items to ask for by their position, or none at all."""
    if isinstance(dataset, IterableDataset):
        remedy = "give a map-style dataset, with a length and items"
        raise SourceError(source, "it is an IterableDataset, whose rows cannot be asked for one by one", remedy)
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        remedy = "give settings, a spec, or a torch dataset with a length and items"
        raise SourceError(source, "it has no length or no items", remedy)
    try:
        n_rows = len(dataset)
    except Exception as error:
        raise SourceError(source, f"its length cannot be told ({tell_raised(error)})", "repair it") from error
    if n_rows == 0:
        raise SourceError(source, "it has no rows", "give a dataset with at least two classes")


def check_steady(dataset: Any, source: str) -> None:
    """Raise `SourceError` where an item is another image each time, as random augmentation makes it."""
    for row in range(min(N_TWICE, len(dataset))):
        once, again = (take_pair(dataset, row, source)[0] for _ in range(2))
        if not is_same(once, again):
            remedy = "take random augmentation out of its transform"
            raise SourceError(source, f"image {row} is another one each time it is asked for", remedy)


def is_same(one: Any, other: Any) -> bool:
    if torch.is_tensor(one) and torch.is_tensor(other):
        return one.shape == other.shape and bool(torch.equal(torch.nan_to_num(one), torch.nan_to_num(other)))
    if isinstance(one, (Image.Image, np.ndarray)) and isinstance(other, (Image.Image, np.ndarray)):
        return np.asarray(one).tobytes() == np.asarray(other).tobytes()
    return True  # no image; that is told elsewhere


def gives_pictures(dataset: Any, source: str, config: DataConfig | None) -> bool:
    """Whether the items are pictures that have to be brought to one size: they have several, or another is wanted."""
    first = take_pair(dataset, 0, source)[0]
    if not isinstance(first, Image.Image):
        return False
    if config is not None and config.image_size is not None:
        return True
    kinds = (take_pair(dataset, row, source)[0] for row in range(len(dataset)))
    return any(isinstance(each, Image.Image) and (each.size, each.mode) != (first.size, first.mode) for each in kinds)


def stream_bytes(images: Images) -> Iterator[bytes]:
    """The pixels of each image in order."""
    for chunk in stream_chunks(images):
        for image in chunk:
            yield image.contiguous().numpy().tobytes()
