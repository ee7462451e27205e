"""What is planted in real images is named first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from splitgen.explain.explanation import explain_task, gather_evidence

NOISE = 0.1  # share of the datapoints that the task puts on the other side than the planted attribute does


def plant(digits, kind: str, seed: int):
    """Digits in colour with something planted in a random half of them: the dataset, and the planted side [N]."""
    random = np.random.default_rng(seed)
    planted = random.integers(0, 2, digits.n_points)
    where = torch.from_numpy(planted == 1)
    images = (digits.images / digits.images.max() * 200).round().to(torch.uint8).repeat(1, 3, 1, 1)
    table = pd.DataFrame({"scanner": random.integers(0, 5, digits.n_points).astype(str)})
    if kind == "patch":
        images[where, 0, :2, :2] = 200
        images[~where, 2, :2, :2] = 200
    elif kind == "brightness":
        images[where] += 40
    else:
        table["site"] = np.where(planted == 1, "north", "south")
        images[where] += 10
    return replace(digits, images=images, metadata=table), planted


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("patch", ("red", "blue")),
        ("brightness", ("brightness", "background brightness", "foreground brightness")),
        ("site", ("site",)),
    ],
)
def test_the_planted_attribute_is_named_first_for_every_seed(digits, kind, names):
    first = []
    for seed in range(10):
        dataset, planted = plant(digits, kind, seed)
        flipped = np.random.default_rng([1, seed]).random(digits.n_points) < NOISE
        explanation = explain_task(gather_evidence(dataset, seed), "task 0", planted ^ flipped)
        first.append(explanation.associations[0].name)
        assert first[-1] in explanation.sentences[0]
    assert sum(name in names for name in first) >= 9, first


def test_random_labels_are_not_explained(digits):
    sides = np.random.default_rng(0).integers(0, 2, digits.n_points)
    explanation = explain_task(gather_evidence(digits), "task 0", sides)
    assert explanation.sentences[0].startswith("No single attribute explains task 0")
    assert explanation.joint_auc == pytest.approx(0.5, abs=0.06)
    assert not any("Within a class" in sentence for sentence in explanation.sentences)


def test_a_task_that_is_a_group_of_classes_is_said_to_be_one(digits):
    explanation = explain_task(gather_evidence(digits), "task 0", (digits.labels >= 5).astype(np.int64))
    assert explanation.associations[0].name == "class"
    assert "AUC 1.00" in explanation.sentences[0]


def test_what_parts_the_sides_within_a_class_is_found_although_classes_differ(digits):
    """Side 1 is the brighter half of even digits and the darker half of odd ones."""
    brightness = digits.images.float().mean(dim=(1, 2, 3)).numpy()
    sides = np.zeros(digits.n_points, dtype=np.int64)
    for c in range(10):
        mine = digits.labels == c
        sides[mine] = (brightness[mine] > np.median(brightness[mine])) == (c % 2 == 0)
    explanation = explain_task(gather_evidence(digits), "task 0", sides)
    assert len(explanation.within_classes) == 10
    told = {reading.class_name: reading.association.side_1 for reading in explanation.within_classes}
    assert all(reading.association.auc > 0.95 for reading in explanation.within_classes)
    assert told["0"] != told["1"]
