"""What is known of the datapoints that explanations look at, gathered once for all tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.stats import rankdata

from splitgen.data.dataset import ImageDataset
from splitgen.data.images import CHUNK
from splitgen.data.statistics import find_words, measure_chunks
from splitgen.explain.attributes import CLASS, CLASS_NAME, IMAGE, Attribute, list_metadata
from splitgen.explain.features import take_features
from splitgen.random import stream_seed

MAX_ROWS = 10_000  # drawn of a larger dataset: an AUC's standard error is then at most 0.006


@dataclass(frozen=True)
class Evidence:
    """What is known of the datapoints that explanations look at.

    rows: int64 [n], positions in the dataset, in random order. labels: int64 [n]. class_names: C.
    attributes: each with its values for the same rows.
    features: float32 [up to n, D] of the first rows, where these are features and no images.
    """

    rows: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    features: np.ndarray | None = None

    @cached_property
    def numbers(self) -> list[int]:
        """Positions of the attributes that are numbers, known of every datapoint."""
        return [
            k for k, each in enumerate(self.attributes) if not each.is_categorical and np.isfinite(each.values).all()
        ]

    @cached_property
    def table(self) -> np.ndarray:
        """The values of `numbers`, float64 [n, numbers]."""
        if not self.numbers:
            return np.zeros((len(self.rows), 0))
        return np.stack([self.attributes[k].values for k in self.numbers], axis=1).astype(np.float64)

    @cached_property
    def ranks(self) -> np.ndarray:
        """The ranks of `table` from 1 on, the mean of them where values are equal."""
        return np.asarray(rankdata(self.table, axis=0))

    @cached_property
    def members(self) -> dict[int, np.ndarray]:
        """Positions [m] of the datapoints of each class that has any."""
        return {int(label): np.flatnonzero(self.labels == label) for label in np.unique(self.labels)}

    @cached_property
    def class_ranks(self) -> dict[int, np.ndarray]:
        """`ranks` among the datapoints of each class, [m, numbers] each."""
        return {label: np.asarray(rankdata(self.table[rows], axis=0)) for label, rows in self.members.items()}


def gather_evidence(dataset: ImageDataset, seed: int = 0, among: np.ndarray | None = None) -> Evidence:
    """Class, image statistics and the columns of the user's table, of at most `MAX_ROWS` datapoints.

    among: positions of the datapoints that they are drawn of; None for all.
    """
    rows = np.random.default_rng(stream_seed(seed, "explain")).permutation(dataset.n_points)
    rows = (rows if among is None else rows[np.isin(rows, among)])[:MAX_ROWS]
    labels = dataset.labels[rows]
    names = np.array(dataset.class_names, dtype=object)
    attributes = [] if dataset.metadata is None else list_metadata(dataset.metadata.iloc[rows])
    images = dataset.images

    def take_chunks(size: int) -> Iterator[torch.Tensor]:
        return (images.take(part) for part in torch.split(torch.from_numpy(rows), min(size, CHUNK)))

    for name, values in measure_chunks(take_chunks, images.shape, by_region=True).items():
        words = find_words(name)
        low, high = words or ("", "")
        attributes.append(Attribute(name, IMAGE, values if words else values.astype(object), low, high))
    attributes.append(Attribute(CLASS_NAME, CLASS, names[labels]))
    return Evidence(rows, labels, dataset.class_names, tuple(attributes), take_features(dataset, rows))
