"""What a dataset of others tells of its rows without opening an image: their names, and their labels.

Known are torch's `Subset` and `ConcatDataset`, Hugging Face datasets, and whatever lists paths or ids as torchvision's,
WILDS's and splitgen's own datasets do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np

from splitgen.ids import tell_key
from splitgen.tables.keys import FILE_COLUMNS, ID_COLUMN

# Attributes that hold a path, or a tuple with the path first, for every row.
PATH_ATTRIBUTES = (
    *("samples", "imgs", "_samples", "_image_files", "_images", "image_files", "image_paths", "_input_array"),
    *("filepaths", "filenames", "filename", "paths"),
)
LABEL_ATTRIBUTES = ("targets", "labels")
LABEL_COLUMNS = ("label", "labels")
SAMPLED_ITEMS = 100  # of a dataset that does not list its labels

Names = Sequence[str | None]  # one a row; None for a row without one


def list_namings(dataset: Any) -> list[Names]:
    """All names that a dataset has for its rows, N each; none for one that does not tell."""
    if hasattr(dataset, "dataset") and is_column(getattr(dataset, "indices", None), len(dataset)):
        return [[names[int(row)] for row in dataset.indices] for names in list_namings(dataset.dataset)]
    if hasattr(dataset, "datasets") and hasattr(dataset, "cumulative_sizes"):
        parts = [list_namings(part)[:1] for part in dataset.datasets]
        return [[name for (names,) in parts for name in names]] if all(parts) else []
    if is_hub_dataset(dataset):
        return list_hub_namings(dataset)
    attributes = [getattr(dataset, name, None) for name in PATH_ATTRIBUTES]
    found = [names for each in attributes if (names := read_paths(each, dataset)) is not None]
    ids = getattr(dataset, "ids", None)
    return [[tell_key(key) for key in ids], *found] if is_column(ids, len(dataset)) else found


def is_column(values: Any, n_rows: int) -> TypeGuard[Sequence[Any]]:
    """Whether an attribute holds a value for each row."""
    try:
        return values is not None and not isinstance(values, (str, bytes, Mapping)) and len(values) == n_rows
    except TypeError:  # a number, a tensor without dimensions
        return False


def read_paths(values: Any, dataset: Any) -> Names | None:
    """Paths of an attribute, below the dataset's root where they lie there; None where it holds no paths."""
    if not is_column(values, len(dataset)):
        return None
    first = [value[0] if isinstance(value, (tuple, list)) and value else value for value in values]
    if not all(isinstance(path, (str, os.PathLike)) for path in first):
        return None
    root = getattr(dataset, "root", None)
    inside = os.path.join(os.path.abspath(root), "") if isinstance(root, (str, os.PathLike)) and root else None
    paths = [os.fspath(path) for path in first]
    if inside is None:
        return paths
    return [
        os.path.abspath(path)[len(inside) :] if os.path.abspath(path).startswith(inside) else path for path in paths
    ]


def is_hub_dataset(dataset: Any) -> bool:
    """Whether it is a `datasets.Dataset`."""
    return hasattr(dataset, "column_names") and hasattr(dataset, "features") and hasattr(dataset, "select")


def list_hub_namings(dataset: Any) -> list[Names]:
    """Columns of ids or paths, and the paths that images have, of a Hugging Face dataset. No image is decoded."""
    dataset = dataset.with_format(None)  # a format of the user's may leave columns out
    kinds = {name: type(feature).__name__ for name, feature in dataset.features.items()}
    columns = [name for name in (ID_COLUMN, *FILE_COLUMNS) if kinds.get(name) == "Value"]
    found: list[Names] = [[tell_key(key) for key in dataset[name]] for name in columns]
    pictures = [list_picture_paths(dataset, name) for name, kind in kinds.items() if kind == "Image"]
    return found + [paths for paths in pictures if any(path is not None for path in paths)]


def list_picture_paths(dataset: Any, column: str) -> Names:
    """The path of each image of a column, None for one without."""
    undecoded = replace(dataset.features[column], decode=False)
    stored = dataset.select_columns([column]).cast_column(column, undecoded).flatten().with_format(None)
    return [tell_key(path) for path in stored.select_columns([f"{column}.path"])[f"{column}.path"]]


def list_labels(dataset: Any, class_names: Sequence[str]) -> Any:
    """The label of each row [N], as the dataset lists them; None where it does not. Words that are class names become
    their numbers, whatever numbers the dataset itself has for them."""
    if hasattr(dataset, "dataset") and is_column(getattr(dataset, "indices", None), len(dataset)):
        labels = list_labels(dataset.dataset, class_names)
        return None if labels is None else [labels[int(row)] for row in dataset.indices]
    if is_hub_dataset(dataset):
        column = find_label_column(dataset)
        return None if column is None else list_hub_labels(dataset, column, class_names)
    attributes = [getattr(dataset, name, None) for name in LABEL_ATTRIBUTES]
    listed = next((values for values in attributes if is_column(values, len(dataset))), None)
    return None if listed is None else number_words(listed, class_names)


def find_label_column(dataset: Any) -> str | None:
    """The column of labels of a Hugging Face dataset, by its name; None where it has none of the usual ones."""
    return next((name for name in LABEL_COLUMNS if name in dataset.column_names), None)


def list_hub_labels(dataset: Any, column: str, class_names: Sequence[str]) -> Any:
    """The labels of a column of a Hugging Face dataset, as `list_labels`."""
    values, words = list(dataset.with_format(None)[column]), getattr(dataset.features[column], "names", None) or []
    if words and set(words) <= set(class_names) and all(value in range(len(words)) for value in values):
        values = [words[value] for value in values]
    return number_words(values, class_names)


def number_words(labels: Any, class_names: Sequence[str]) -> Any:
    """Labels that are all class names as numbers; others as they are."""
    numbers = {name: number for number, name in enumerate(class_names)}
    is_named = all(isinstance(label, str) and label in numbers for label in labels)
    return [numbers[label] for label in labels] if is_named else labels


def sample_labels(dataset: Any, class_names: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Positions, int64 [n], and labels [n] of a dataset: all where it lists them, else of a hundred items."""
    listed = list_labels(dataset, class_names)
    if listed is not None:
        return np.arange(len(dataset)), as_array(listed)
    rows = np.unique(np.linspace(0, len(dataset) - 1, SAMPLED_ITEMS).astype(np.int64))
    return rows, as_array(number_words([take_label(dataset[int(row)]) for row in rows], class_names))


def take_label(item: Any) -> Any:
    """The label of an item: the second of a pair, or by its key; None where it has none."""
    if isinstance(item, Mapping):
        return next((item[name] for name in LABEL_COLUMNS if name in item), None)
    label: Any = item[1] if isinstance(item, (tuple, list)) and len(item) > 1 else None
    return label.tolist() if hasattr(label, "tolist") else label


def as_array(labels: Any) -> np.ndarray:
    """Labels as an array; of rows of several lengths, one of objects."""
    try:
        return np.asarray(labels.detach().cpu() if hasattr(labels, "detach") else labels)
    except ValueError:
        found = np.empty(len(labels), dtype=object)
        found[:] = labels
        return found
