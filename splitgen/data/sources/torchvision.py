"""Datasets of torchvision."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image

from splitgen.data.arrays import to_channels_first
from splitgen.data.dataset import ImageDataset, OwnTest, make_dataset
from splitgen.data.images import MemoryImages
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig


def load_torchvision(argument: str, config: DataConfig) -> ImageDataset:
    """A torchvision dataset's train part, and its test part as the own test set."""
    from torchvision import datasets

    source = f"torchvision:{argument}"
    if argument not in datasets.__all__:
        raise SourceError(source, "torchvision has no such dataset", "give a class name such as torchvision:CIFAR10")
    kind = getattr(datasets, argument)
    train = open_torchvision(source, kind, config, train=True)
    images, labels = collect_images(source, train, (config.image_size or 32))
    data = getattr(train, "data", None)
    raw = [np.ascontiguousarray(data).tobytes() if data is not None else images.tobytes()]
    own_test = None
    if takes_parts(kind):
        test_images, test_labels = collect_images(
            source, open_torchvision(source, kind, config, train=False), (config.image_size or 32)
        )
        own_test = OwnTest(MemoryImages(to_channels_first(source, test_images)), test_labels)
    names = getattr(train, "classes", None)
    return make_dataset(
        source, to_channels_first(source, images), labels, raw=raw, own_test=own_test, class_names=names
    )


def takes_parts(kind: Callable[..., object]) -> bool:
    return bool({"train", "split"} & set(inspect.signature(kind).parameters))


def open_torchvision(source: str, kind: Callable[..., object], config: DataConfig, train: bool) -> Iterable[object]:
    """An instance of the dataset class, with the keywords that it knows."""
    known = inspect.signature(kind).parameters
    wanted = {
        "root": config.root,
        "download": config.download,
        "train": train,
        "split": "train" if train else "test",
    }
    try:
        return kind(**{name: value for name, value in wanted.items() if name in known})  # type: ignore[return-value]
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise SourceError(source, str(error).splitlines()[0], "give --root, or --download to fetch it") from error


def collect_images(source: str, dataset: Iterable[object], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, ...] uint8 and labels [N]; resized where they differ in size."""
    pairs = [dataset[i] for i in range(len(dataset))]  # type: ignore[index, arg-type]
    if not pairs or not isinstance(pairs[0][0], Image.Image) or not isinstance(pairs[0][1], (int, np.integer)):
        raise SourceError(source, "it does not give pairs of image and class", "use a classification dataset")
    images = [image for image, _ in pairs]
    if len({image.mode for image in images}) > 1:
        images = [image.convert("RGB") for image in images]
    if len({image.size for image in images}) > 1:
        images = [image.resize((size, size), Image.Resampling.BILINEAR) for image in images]
    return np.stack([np.asarray(image) for image in images]), np.array([label for _, label in pairs])
