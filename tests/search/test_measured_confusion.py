"""The confusion by which classes go to opposite sides is that of a model on rows that it was not trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from splitgen import MemoryImages, TrainingConfig, find_model, make_bench
from splitgen.search.sides import measure_confusion


def confuse(digits, rows, labels, epochs) -> np.ndarray:
    """Of two classes. rows: bool [N]; labels: [n] of those rows."""
    images, ids = MemoryImages(digits.images.take(torch.from_numpy(rows))), tuple(np.array(digits.ids)[rows])
    of_two = replace(digits, images=images, labels=labels, ids=ids, class_names=("0", "1"))
    training = TrainingConfig(epochs=epochs, batch_size=32)
    return measure_confusion(make_bench(of_two, find_model("conv"), training=training), 1_000)


def test_labels_that_cannot_be_told_are_confused_though_their_rows_can_be_learned_by_heart(digits):
    """Judged on the rows that it was trained on, such a model would confuse nothing."""
    labels = np.random.default_rng(0).integers(0, 2, 400)
    confusion = confuse(digits, np.arange(len(digits)) < 400, labels, 40)
    assert np.abs(confusion - 0.5).max() < 0.2
    assert confusion.sum(axis=1) == pytest.approx([1, 1])


def test_rows_are_the_true_classes_and_columns_the_predicted(digits):
    """Every other zero is labelled as a one: zeros look like either class, ones like one alone."""
    zeros_and_ones = digits.labels < 2
    labels = np.where(np.arange(len(digits)) % 2, 1, digits.labels)[zeros_and_ones]
    confusion = confuse(digits, zeros_and_ones, labels, 10)
    assert confusion[0, 1] > confusion[1, 0] + 0.2
