"""Byte-identical images: how many there are, which stand under two classes, and the groups that they form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from splitgen.data.dataset import ImageDataset
from splitgen.data.metadata import Groups
from splitgen.settings.stages import DataConfig

MOST_SETS = 3  # named in a note


@dataclass(frozen=True)
class Duplicates:
    """What is byte-identical among N images.

    groups: int64 [N], 0, 1, ... by first appearance, the same for images that are the same; None where all differ.
    notes: for the user, one line each.
    """

    groups: np.ndarray | None
    notes: tuple[str, ...] = ()


def find_duplicates(
    digests: np.ndarray | Sequence[bytes], labels: np.ndarray, ids: Sequence[str], class_names: Sequence[str]
) -> Duplicates:
    """Which of N images are byte-identical.

    digests: SHA-256 of each image's bytes: uint8 [N, 32], or N digests. labels: int [N]. ids: N.
    """
    keys = [digest.tobytes() for digest in digests] if isinstance(digests, np.ndarray) else digests
    first: dict[bytes, int] = {}
    codes = np.fromiter((first.setdefault(key, len(first)) for key in keys), np.int64, len(keys))
    if len(first) == len(codes):
        return Duplicates(None)
    sizes = np.bincount(codes)
    n_images, n_sets = int(sizes[sizes > 1].sum()), int((sizes > 1).sum())
    told = f"{n_images} images are byte-identical with others ({count_sets(n_sets)})"
    promise = "a set stays in one part of a split, unless --duplicates ignore is given"
    notes = [f"{told}; {promise}", *tell_contradictions(codes, labels, ids, class_names)]
    return Duplicates(codes, tuple(notes))


def tell_contradictions(
    codes: np.ndarray, labels: np.ndarray, ids: Sequence[str], class_names: Sequence[str]
) -> list[str]:
    """A note on images that stand under two classes or more, the first of them by id. codes, labels: int [N]."""
    pairs = np.unique(np.stack([codes, labels], axis=1), axis=0)
    torn = np.flatnonzero(np.bincount(pairs[:, 0]) > 1)
    if len(torn) == 0:
        return []
    sets = (np.flatnonzero(codes == code) for code in torn[:MOST_SETS].tolist())
    shown = [" = ".join(name_first(rows, labels, ids, class_names)) for rows in sets]
    rest = f" and {len(torn) - MOST_SETS} more" if len(torn) > MOST_SETS else ""
    return [f"{count_sets(len(torn))} of byte-identical images under different classes: {'; '.join(shown)}{rest}"]


def name_first(rows: np.ndarray, labels: np.ndarray, ids: Sequence[str], class_names: Sequence[str]) -> list[str]:
    """The first row of each class among the rows, by id and class."""
    _, first = np.unique(labels[rows], return_index=True)
    return [f"'{ids[row]}' ({class_names[labels[row]]})" for row in rows[np.sort(first)].tolist()]


def count_sets(n: int) -> str:
    return "1 set" if n == 1 else f"{n} sets"


def join_groups(groups: Groups | None, duplicates: np.ndarray | None) -> Groups | None:
    """Groups that tear neither those of the user nor the duplicates apart. duplicates: int64 [N], or None for none."""
    if duplicates is None:
        return groups
    if groups is None:
        return Groups(None, duplicates, duplicates=True)
    n_points, n_groups = len(duplicates), groups.n_groups
    edges = (np.ones(n_points, dtype=np.int8), (groups.codes, n_groups + duplicates))  # each row ties two groups
    n_nodes = n_groups + int(duplicates.max()) + 1
    n_joined, joined = connected_components(coo_array(edges, shape=(n_nodes, n_nodes)), directed=False)
    codes = groups.codes if n_joined == n_groups else joined[groups.codes].astype(np.int64)
    return replace(groups, codes=codes, duplicates=True)


def group_duplicates(dataset: ImageDataset, config: DataConfig) -> ImageDataset:
    """The dataset with its byte-identical images in one group, and a note on them; as it is where there are none, or
    where it lies in memory, so that its images have no bytes of their own."""
    if config.duplicates == "ignore" or dataset.digests is None:
        return dataset
    found = find_duplicates(dataset.digests, dataset.labels, dataset.ids, dataset.class_names)
    groups = join_groups(dataset.groups, found.groups)
    return replace(dataset, groups=groups, notes=(*dataset.notes, *found.notes))


def tell_shared(digests: np.ndarray, others: np.ndarray) -> tuple[str, ...]:
    """A note on images of an own test set that are byte-identical with ones to be split, if there are any: on these a
    model is judged by what it may have learned by heart. digests: uint8 [N, 32] and [M, 32]."""
    known = {digest.tobytes() for digest in digests}
    n_shared = sum(digest.tobytes() in known for digest in others)
    return (f"{n_shared} of its {len(others)} images are byte-identical with images to be split",) if n_shared else ()
