"""Where datasets come from: one small function a kind, and one dict of them.

A spec is `NAME` or `KIND:ARGUMENT`. To add a source, write a function that takes the argument and a
`DataConfig` and returns an `ImageDataset`, and add its line to `SOURCES`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from splitgen.archives import ArchiveError, Npz, check_memory, open_npz
from splitgen.config import DataConfig
from splitgen.data.dataset import ImageDataset, OwnTest, check_label_shape, make_dataset
from splitgen.data.idx import find_idx, read_idx
from splitgen.data.images import MemoryImages
from splitgen.data.links import find_outside, tell_outside
from splitgen.data.metadata import Groups, code_column, read_metadata
from splitgen.data.torch_dataset import hold_torch_dataset
from splitgen.errors import SourceError

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}


def load_digits(argument: str, config: DataConfig) -> ImageDataset:
    """scikit-learn's handwritten digits: 1,797 scans of 8x8 pixels, part of the package."""
    from sklearn import datasets

    digits = datasets.load_digits()
    images = torch.from_numpy(digits.images.astype(np.float32))[:, None]
    return make_dataset("digits", images, digits.target, raw=[digits.images.tobytes()])


def load_idx(argument: str, config: DataConfig) -> ImageDataset:
    """MNIST-style IDX files, gzipped or not: the train files, and the t10k files as the own test set."""
    folder = Path(argument)
    source = f"idx:{folder.name}"
    if not folder.is_dir():
        raise SourceError(f"idx:{argument}", "the folder does not exist", "give a folder with IDX files")
    images, labels = read_idx(find_idx(folder, "train-images")), read_idx(find_idx(folder, "train-labels"))
    own_test = None
    if list(folder.glob("t10k-images*")) and list(folder.glob("t10k-labels*")):
        test_images, test_labels = read_idx(find_idx(folder, "t10k-images")), read_idx(find_idx(folder, "t10k-labels"))
        own_test = OwnTest(MemoryImages(to_channels_first(source, test_images)), test_labels)
    raw = [images.tobytes(), labels.tobytes()]
    return make_dataset(source, to_channels_first(source, images), labels, raw=raw, own_test=own_test)


def load_npz(argument: str, config: DataConfig) -> ImageDataset:
    """A NumPy archive with x (N x height x width, or with channels last or first) and y (N)."""
    path = Path(argument)
    source = f"npz:{path.name}"
    try:
        with open_npz(path) as archive:
            x, y = read_pair(source, archive)
    except FileNotFoundError as error:
        raise SourceError(f"npz:{argument}", "the file does not exist", "give an .npz file with x and y") from error
    except OSError as error:
        raise SourceError(source, f"it cannot be read ({error.strerror})", "give an .npz file with x and y") from error
    except ArchiveError as error:
        raise SourceError(source, error.problem, error.remedy) from error
    return make_dataset(source, to_channels_first(source, x), y, raw=[x.tobytes()])


def read_pair(source: str, archive: Npz) -> tuple[np.ndarray, np.ndarray]:
    """The arrays x and y of an archive, read once they are known to fit together."""
    if not {"x", "y"} <= set(archive.members):
        raise SourceError(source, "it lacks the arrays x and y", "save with numpy.savez(FILE, x=images, y=labels)")
    x, y = archive.header("x"), archive.header("y")
    if x.dtype.kind not in "iuf":
        raise SourceError(source, f"x has the type {x.dtype}", "give numbers")
    check_image_shape(source, x.shape)
    check_label_shape(source, y.shape, x.shape[0])
    return archive.read("x"), archive.read("y")


def to_channels_first(source: str, images: np.ndarray) -> torch.Tensor:
    """[N, height, width] or [N, height, width, channels] as a tensor [N, channels, height, width]."""
    check_image_shape(source, images.shape)
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[1] not in (1, 3) and images.shape[-1] in (1, 3, 4):
        images = images.transpose(0, 3, 1, 2)
    kind = np.uint8 if images.dtype == np.uint8 else np.float32
    return torch.from_numpy(np.array(images, dtype=kind, order="C"))  # a copy: the source stays as it is


def check_image_shape(source: str, shape: tuple[int, ...]) -> None:
    """Raise `SourceError` for what are no images, [N, height, width] or with channels last or first."""
    if len(shape) not in (3, 4):
        raise SourceError(source, f"images have the shape {shape}", "give N x height x width (x channels)")


def load_folder(argument: str, config: DataConfig) -> ImageDataset:
    """ImageFolder layout, PATH/CLASS/*: classes and files in plain sorted order, resized to squares.

    Raises `SourceError` for links that leave the folder, unless the config says to follow them.
    """
    root = Path(argument)
    source = f"folder:{root.name}"
    if not root.is_dir():
        raise SourceError(f"folder:{argument}", "the folder does not exist", "give PATH with one folder a class")
    names = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    files = list_files(source, root, names, config.follow_links)
    if not files:
        raise SourceError(f"folder:{argument}", "no images in it", "put them in one folder a class")
    grey = all(is_grey(source, path) for path, _ in files)
    try:
        check_memory("an array", (len(files), config.image_size, config.image_size, 1 if grey else 3))
    except ArchiveError as error:
        raise SourceError(source, error.problem, f"{error.remedy}, or a smaller --image-size") from error
    images = np.stack([read_image(source, path, config.image_size, grey) for path, _ in files])
    return make_dataset(
        source,
        to_channels_first(source, images),
        np.array([c for _, c in files]),
        raw=(path.read_bytes() for path, _ in files),
        ids=[path.relative_to(root).as_posix() for path, _ in files],
        class_names=names,
    )


def list_files(source: str, root: Path, names: Sequence[str], follow_links: bool) -> list[tuple[Path, int]]:
    """Image files of the class folders, with the class. Raises `SourceError` for links that must not be followed."""
    if not follow_links:
        refuse_outside(source, root, [root / name for name in names])  # first: what a link to / has is endless
    files = [(path, c) for c, name in enumerate(names) for path in list_images(root / name)]
    if not follow_links:
        refuse_outside(source, root, [path for path, _ in files])
    return files


def refuse_outside(source: str, root: Path, paths: Sequence[Path]) -> None:
    """Raise `SourceError` where paths of a folder lie outside of it."""
    outside = find_outside(root, paths)
    if outside:
        raise SourceError(source, tell_outside(outside, root), "give --follow-links to read what they point to")


def list_images(folder: Path) -> list[Path]:
    """Image files below a folder, sorted by their relative path."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def is_grey(source: str, path: Path) -> bool:
    with open_image(source, path) as image:
        return image.mode in ("L", "1", "I", "I;16", "F")


def read_image(source: str, path: Path, size: int, grey: bool) -> np.ndarray:
    """One image as uint8 [size, size] or [size, size, 3]."""
    with open_image(source, path) as image:
        resized = image.convert("L" if grey else "RGB").resize((size, size), Image.Resampling.BILINEAR)
        return np.asarray(resized)


@contextlib.contextmanager
def open_image(source: str, path: Path) -> Iterator[Image.Image]:
    """An open image; whatever is wrong with it, then or while it is decoded, is one `SourceError`."""
    try:
        with Image.open(path) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = f"Pillow's limit is {2 * (Image.MAX_IMAGE_PIXELS or 0):,}"
        raise SourceError(source, f"'{path.name}' has too many pixels ({limit})", "scale it down") from error
    except Exception as error:  # Pillow's many decoders raise all kinds on a damaged file
        raise unreadable(source, path) from error


def unreadable(source: str, path: Path) -> SourceError:
    return SourceError(source, f"'{path.name}' is not a readable image", "repair it or take it out of the folder")


def load_torchvision(argument: str, config: DataConfig) -> ImageDataset:
    """A torchvision dataset's train part, and its test part as the own test set."""
    from torchvision import datasets

    source = f"torchvision:{argument}"
    if argument not in datasets.__all__:
        raise SourceError(source, "torchvision has no such dataset", "give a class name such as torchvision:CIFAR10")
    kind = getattr(datasets, argument)
    train = open_torchvision(source, kind, config, train=True)
    images, labels = collect_images(source, train, config.image_size)
    data = getattr(train, "data", None)
    raw = [np.ascontiguousarray(data).tobytes() if data is not None else images.tobytes()]
    own_test = None
    if takes_parts(kind):
        test_images, test_labels = collect_images(
            source, open_torchvision(source, kind, config, train=False), config.image_size
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


SOURCES: dict[str, Callable[[str, DataConfig], ImageDataset]] = {
    "digits": load_digits,
    "idx": load_idx,
    "npz": load_npz,
    "folder": load_folder,
    "torchvision": load_torchvision,
}


def open_dataset(given: DataConfig | str | Any) -> ImageDataset:
    """A dataset, with its groups.

    given: settings, a spec such as "digits" or "folder:PATH", or a torch dataset of pairs (image, class), whose images
        are asked for when they are needed. Raises `SourceError` and `MetadataError`.
    """
    if not isinstance(given, DataConfig | str):
        return hold_torch_dataset(given)
    config = DataConfig(given) if isinstance(given, str) else given
    kind, colon, argument = config.dataset.partition(":")
    needs_argument = kind != "digits"
    if kind not in SOURCES or needs_argument != bool(argument) or (colon and not argument):
        allowed = "digits, idx:FOLDER, torchvision:NAME, folder:PATH or npz:FILE"
        raise SourceError(config.dataset, "unknown dataset", f"use {allowed}")
    dataset = SOURCES[kind](argument, config)
    if config.metadata is None:
        return dataset
    path, column = Path(config.metadata), config.group_column
    metadata = read_metadata(path, dataset.ids)
    groups = None if column is None else Groups(column, code_column(metadata, path, column))
    return replace(dataset, metadata=metadata, groups=groups)
