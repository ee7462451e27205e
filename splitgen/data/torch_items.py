"""What torch datasets tell of their items before an image is loaded: labels, names of classes, ids.

`Subset` and `ConcatDataset` are looked through, so that what the datasets below them list is used.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import ConcatDataset, Subset

from splitgen.data.images import take_pair
from splitgen.errors import SourceError

N_COMPARED = 5  # items whose own label is set beside the listed one


def list_labels(dataset: Any, source: str) -> list[Any]:
    """The label of each item, [N]: the listed ones, where there are any, else those of the items.

    Raises `SourceError` where the two contradict each other.
    """
    n_rows = len(dataset)
    listed = find_labels(dataset)
    if listed is None:
        return [to_label(take_pair(dataset, row, source)[1], source, row) for row in range(n_rows)]
    for row in sorted({round(place) for place in np.linspace(0, n_rows - 1, min(N_COMPARED, n_rows))}):
        own = to_label(take_pair(dataset, row, source)[1], source, row)
        if is_number(own) and own != listed[row]:
            problem = f"item {row} has the label {own}, its list of labels says {listed[row]}"
            raise SourceError(source, problem, "make the two agree, or take the list away")
    return listed


def find_labels(dataset: Any) -> list[Any] | None:
    """Labels that a dataset lists as `targets` or `labels`, [N]; None where it does not, or changes them."""
    if isinstance(dataset, Subset):
        inner = find_labels(dataset.dataset)
        return None if inner is None else [inner[row] for row in dataset.indices]
    if isinstance(dataset, ConcatDataset):
        parts = [find_labels(part) for part in dataset.datasets]
        return None if any(part is None for part in parts) else list(itertools.chain(*parts))  # type: ignore[arg-type]
    if getattr(dataset, "target_transform", None) is not None:
        return None
    for name in ("targets", "labels"):
        listed: Any = getattr(dataset, name, None)
        if is_list_of(listed, len(dataset)):
            found = listed.tolist() if hasattr(listed, "tolist") else [take_number(label) for label in listed]
            return list(found)
    return None


def is_list_of(listed: Any, n_rows: int) -> bool:
    """Whether an attribute holds one entry for each row."""
    if listed is None or isinstance(listed, (str, bytes, Mapping)) or not hasattr(listed, "__len__"):
        return False
    return getattr(listed, "ndim", 1) == 1 and len(listed) == n_rows


def to_label(label: Any, source: str, row: int) -> Any:
    """A label as a plain value: tensors and arrays of one number become it. Raises `SourceError` for several."""
    if hasattr(label, "item") and getattr(label, "ndim", 0) > 0 and np.prod(tuple(label.shape)) != 1:
        problem = f"the label of item {row} has the shape {tuple(label.shape)}"
        raise SourceError(source, problem, "give one class for each image, as a number")
    return take_number(label)


def take_number(label: Any) -> Any:
    return label.item() if hasattr(label, "item") else label


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def find_class_names(dataset: Any, source: str) -> tuple[str, ...] | None:
    """Names of the classes in their order, by `classes` or `class_to_idx`; None where there are none.

    Raises `SourceError` where datasets that are put together name other classes: one number would mean two.
    """
    if isinstance(dataset, Subset):
        return find_class_names(dataset.dataset, source)
    if isinstance(dataset, ConcatDataset):
        parts = [find_class_names(part, source) for part in dataset.datasets]
        if len(set(parts)) > 1:
            first, other = parts[0], next(part for part in parts if part != parts[0])
            problem = f"its parts have other classes: {tell_names(first)} and {tell_names(other)}"
            raise SourceError(source, problem, "put datasets with the same classes together")
        return parts[0]
    names = getattr(dataset, "classes", None)
    if isinstance(names, (list, tuple)) and names:
        return distinguish(names)
    by_name = getattr(dataset, "class_to_idx", None)
    if isinstance(by_name, Mapping) and by_name and sorted(by_name.values()) == list(range(len(by_name))):
        return tuple(str(name) for name in sorted(by_name, key=by_name.__getitem__))
    return None


def tell_names(names: Sequence[str] | None) -> str:
    if names is None:
        return "unnamed ones"
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def distinguish(names: Sequence[Any]) -> tuple[str, ...]:
    """Names as text, of several synonyms the first; those that stand twice with the number of their class."""
    words = [str(name[0] if isinstance(name, (list, tuple)) and name else name) for name in names]
    counts = {word: words.count(word) for word in set(words)}
    return tuple(f"{word} ({number})" if counts[word] > 1 else word for number, word in enumerate(words))


def find_ids(dataset: Any, source: str) -> tuple[str, ...] | None:
    """Ids of the items: `ids`, else the paths of `samples` or `imgs` (below `root`); None where there are none.

    Of parts put together that use an id twice, each id has its part's number in front. Raises `SourceError` for an id
    that stands twice in one dataset.
    """
    ids = collect_ids(dataset)
    if ids is not None and len(set(ids)) < len(ids):
        if isinstance(dataset, Subset):  # a row that is drawn twice is two datapoints
            return None
        doubled = next(key for key, group in itertools.groupby(sorted(ids)) if len(list(group)) > 1)
        raise SourceError(source, f"id '{doubled}' stands twice", "give each item an id of its own")
    return ids


def collect_ids(dataset: Any) -> tuple[str, ...] | None:
    if isinstance(dataset, Subset):
        inner = collect_ids(dataset.dataset)
        return None if inner is None else tuple(inner[row] for row in dataset.indices)
    if isinstance(dataset, ConcatDataset):
        parts = [collect_ids(part) for part in dataset.datasets]
        if any(part is None for part in parts):
            return None
        together = tuple(itertools.chain(*parts))  # type: ignore[arg-type]
        if len(set(together)) == len(together):
            return together
        return tuple(f"{number}/{key}" for number, part in enumerate(parts) for key in part or ())
    listed: Any = getattr(dataset, "ids", None)
    if is_list_of(listed, len(dataset)):
        return tuple(str(take_number(key)) for key in listed)
    paths = find_paths(dataset, ("samples", "imgs"))
    return None if paths is None else name_paths(paths, getattr(dataset, "root", None))


def find_paths(dataset: Any, names: Sequence[str]) -> tuple[Path, ...] | None:
    """The file of each item, where an attribute of one of the names lists paths, alone or in front of each entry."""
    for name in names:
        listed = getattr(dataset, name, None)
        if not isinstance(listed, (list, tuple)) or len(listed) != len(dataset) or not listed:
            continue
        paths = [entry[0] if isinstance(entry, (list, tuple)) and entry else entry for entry in listed]
        if all(isinstance(path, (str, Path)) for path in paths):
            return tuple(Path(path) for path in paths)
    return None


def name_paths(paths: Sequence[Path], root: Any = None) -> tuple[str, ...]:
    """Paths as ids: relative to `root` where all of them lie below it, else to the folder that has them all."""
    whole = [path.as_posix() for path in paths]
    if isinstance(root, (str, Path)):
        start = Path(root).as_posix().rstrip("/") + "/"
        if all(path.startswith(start) for path in whole):
            return tuple(path.removeprefix(start) for path in whole)
    return place_paths(paths)[1]


def place_paths(paths: Sequence[Path]) -> tuple[Path, tuple[str, ...]]:
    """The folder that has all of the paths, and these relative to it, with slashes."""
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    return folder, tuple(path.relative_to(folder).as_posix() for path in paths)
