"""The rows of an open dataset of torchvision: labels, names of classes, files, without reading an image where that can
be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from splitgen.data.torch_items import distinguish, find_class_names, find_paths, is_list_of
from splitgen.errors import SourceError

LABEL_LISTS = ("targets", "labels", "_labels", "y")
PATH_LISTS = ("_images", "_image_files", "_samples", "samples", "imgs", "filename")
NAME_LISTS = ("categories", "all_categories", "_characters")  # where a class has no `classes`
IDENTITY = "identity"  # whose face it is, which CelebA tells beside its attributes
UNSORTED = ("Omniglot", "INaturalist", "SUN397")  # classes whose order of rows is that of the file system
N_COMPARED = 12  # rows whose own label is set beside the listed one
CLASSIFICATION = "use a classification dataset"


@dataclass(frozen=True)
class Rows:
    """What a part of a dataset lists.

    values: int64 [N], labels as torchvision has them; None where some rows have none. names: of the values, where
    they have names. paths: of the files, where the class keeps files.
    """

    values: np.ndarray | None
    names: dict[int, str] | None
    paths: tuple[Path, ...] | None


def list_attributes(dataset: Any) -> list[str]:
    """What CelebA tells of each face, each of which can be the class."""
    names = [name for name in getattr(dataset, "attr_names", ()) if name]
    return [*names, IDENTITY] if names else []


def has_arrays(dataset: Any) -> bool:
    """Whether all images of a dataset lie in one array."""
    data = getattr(dataset, "data", None)
    return isinstance(data, (np.ndarray, torch.Tensor)) and len(data) == len(dataset)


def list_rows(source: str, dataset: Any, column: str | None, target: str | None) -> Rows:
    """Labels, names and files of a part. column: an attribute of CelebA's in place of its label; target: another kind
    of target that the dataset was opened with.

    Raises `SourceError` for what is no dataset of images and their classes.
    """
    if len(dataset) == 0:
        raise SourceError(source, "it has no rows", "see whether its files are whole")
    if column == IDENTITY:
        return Rows(dataset.identity[:, 0].numpy().astype(np.int64), None, list_paths(dataset))
    if column is not None:
        values = dataset.attr[:, list(dataset.attr_names).index(column)].numpy().astype(np.int64)
        return Rows(values, {0: f"not {column}", 1: column}, list_paths(dataset))
    check_item(source, dataset)
    labels = list_values(source, dataset, is_default=target is None)
    values = None if any(label is None for label in labels) else np.array(labels, dtype=np.int64)
    names = None if values is None else name_values(source, dataset, values, target)
    return sort_rows(dataset, Rows(values, names, list_paths(dataset)))


def sort_rows(dataset: Any, rows: Rows) -> Rows:
    """The rows in the order of their files, where the class has them as the file system does, which is another order on
    another machine; so with the numbers of Omniglot's classes."""
    if type(dataset).__name__ not in UNSORTED or rows.values is None or rows.paths is None:
        return rows
    order = sorted(range(len(rows.paths)), key=lambda row: rows.paths[row].as_posix())  # type: ignore[index]
    values, names = rows.values[order], rows.names
    if names is not None and hasattr(dataset, "_characters"):
        numbers = {name: number for number, name in enumerate(sorted(names.values()))}
        values = np.array([numbers[names[int(value)]] for value in values], dtype=np.int64)
        names = {number: name for name, number in numbers.items()}
    return Rows(values, names, tuple(rows.paths[row] for row in order))


def check_item(source: str, dataset: Any) -> None:
    """Raise `SourceError` where the first item is no pair of an image and its class."""
    item = take_item(dataset, 0)
    is_pair = isinstance(item, tuple) and len(item) == 2 and not isinstance(item[0], (tuple, list))
    label = item[1] if is_pair else None
    if not is_pair or not (label is None or is_class(label)):
        what = f"vectors of {label.numel()}" if torch.is_tensor(label) else type(label).__name__
        problem = f"its targets are {what}, and no classes" if is_pair else "it gives no pairs of image and class"
        raise SourceError(source, problem, CLASSIFICATION)


def take_item(dataset: Any, row: int) -> Any:
    """An item, for its label: of a picture, the file is closed again."""
    item = dataset[row]
    if isinstance(item, tuple) and item and isinstance(item[0], Image.Image):
        item[0].close()
    return item


def is_class(label: Any) -> bool:
    if torch.is_tensor(label):
        return label.numel() == 1 and not label.is_floating_point()
    return isinstance(label, (int, np.integer))


def list_values(source: str, dataset: Any, is_default: bool) -> list[Any]:
    """The label of each item: as the class lists them where some of the items' own are the same, else those of the
    items. A class that takes a loader reads no image for these."""
    n_rows = len(dataset)
    found = find_values(dataset) if is_default and getattr(dataset, "loader", None) is None else None
    if found is not None:
        compared = sorted({round(place) for place in np.linspace(0, n_rows - 1, min(N_COMPARED, n_rows))})
        if all(take_item(dataset, row)[1] == found[row] for row in compared):
            return found
    labels = [take_item(dataset, row)[1] for row in range(n_rows)]
    wrong = next((label for label in labels if not (label is None or is_class(label))), None)
    if wrong is not None:
        raise SourceError(source, f"it has the label {wrong!r}", CLASSIFICATION)
    return [None if label is None else int(label) for label in labels]


def find_values(dataset: Any) -> list[Any] | None:
    """Whole numbers that the class lists for its rows, under the names that torchvision's classes use."""
    for name in LABEL_LISTS:
        listed: Any = getattr(dataset, name, None)
        if is_list_of(listed, len(dataset)):
            return [int(label) for label in listed] if all(is_class(label) for label in listed) else None
    for name in ("_samples", "samples", "imgs"):
        listed = getattr(dataset, name, None)
        if is_list_of(listed, len(dataset)) and all(isinstance(each, tuple) and is_class(each[1]) for each in listed):
            return [int(each[1]) for each in listed]
    return None


def name_values(source: str, dataset: Any, values: np.ndarray, target: str | None) -> dict[int, str] | None:
    """A name for each label that occurs, where the class has names for them."""
    present = [int(value) for value in np.unique(values)]
    if target is not None:
        return name_other(dataset, present, target)
    names = find_class_names(dataset, source)
    by_name: Any = getattr(dataset, "class_to_idx", None)
    if isinstance(by_name, dict) and names is not None and len(by_name) == len(names):
        numbered = {int(number): name for name, number in by_name.items() if isinstance(name, str)}
        if set(present) <= set(numbered) and set(numbered.values()) == set(names):
            return {value: numbered[value] for value in present}
    for name in NAME_LISTS:
        if names is None and isinstance(getattr(dataset, name, None), list):
            names = distinguish(getattr(dataset, name))
    if names is None or not names:
        return None
    if present[0] >= 0 and present[-1] < len(names):
        return {value: names[value] for value in present}
    # names of the labels that occur alone, in their order, as those of OxfordIIITPet are
    return dict(zip(present, names, strict=True)) if len(names) == len(present) else None


def name_other(dataset: Any, present: Sequence[int], target: str) -> dict[int, str] | None:
    """Names where the dataset was opened with another kind of target than its own."""
    if hasattr(dataset, "category_name"):  # iNaturalist's levels
        return {value: str(dataset.category_name(target, value)) for value in present}
    names: Any = getattr(dataset, "bin_classes", None)
    if target == "binary-category" and names is not None:
        return {value: str(names[value]) for value in present}
    return None


def list_paths(dataset: Any) -> tuple[Path, ...] | None:
    """The file of each item; None where the class keeps no files, or does not tell."""
    first = take_item(dataset, 0)[0]
    if isinstance(first, (str, Path)):  # by `keep_path`
        return tuple(Path(dataset[row][0]) for row in range(len(dataset)))
    if has_arrays(dataset):
        return None
    found = find_paths(dataset, PATH_LISTS)
    opened = getattr(first, "filename", None)  # of a picture that was opened and not converted
    if found is not None and opened and str(opened).endswith(str(found[0])):  # names without their folder
        folder = str(opened)[: -len(str(found[0]))]
        found = tuple(Path(folder + str(path)) for path in found)
    if found is not None:
        return found if found[0].is_absolute() or found[0].exists() else None
    if opened:
        return tuple(Path(take_item(dataset, row)[0].filename) for row in range(len(dataset)))
    return None
