"""Folders of image files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from splitgen.archives import ArchiveError, check_memory
from splitgen.data.arrays import to_channels_first
from splitgen.data.dataset import ImageDataset, make_dataset
from splitgen.data.links import find_outside, tell_outside
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}


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
        check_memory("an array", (len(files), (config.image_size or 32), (config.image_size or 32), 1 if grey else 3))
    except ArchiveError as error:
        raise SourceError(source, error.problem, f"{error.remedy}, or a smaller --image-size") from error
    images = np.stack([read_image(source, path, (config.image_size or 32), grey) for path, _ in files])
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
