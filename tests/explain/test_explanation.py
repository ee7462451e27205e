"""What is planted in real images is named first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from splitgen import MemoryImages
from splitgen.explain.evidence import gather_evidence
from splitgen.explain.explanation import explain_task

NOISE = 0.1  # share of the datapoints that the task puts on the other side than the planted attribute does


def plant(digits, kind: str, seed: int):
    """Digits in colour with something planted in a random half of them: the dataset, and the planted side [N]."""
    random = np.random.default_rng(seed)
    planted = random.integers(0, 2, digits.n_points)
    where = torch.from_numpy(planted == 1)
    images = (digits.images.pixels / digits.images.pixels.max() * 200).round().to(torch.uint8).repeat(1, 3, 1, 1)
    table = pd.DataFrame({"scanner": random.integers(0, 5, digits.n_points).astype(str)})
    if kind == "patch":
        images[where, 0, :2, :2] = 200
        images[~where, 2, :2, :2] = 200
    elif kind == "brightness":
        images[where] += 40
    else:
        table["site"] = np.where(planted == 1, "north", "south")
        images[where] += 10
    return replace(digits, images=MemoryImages(images), metadata=table), planted


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
    brightness = digits.images.pixels.float().mean(dim=(1, 2, 3)).numpy()
    sides = np.zeros(digits.n_points, dtype=np.int64)
    for c in range(10):
        mine = digits.labels == c
        sides[mine] = (brightness[mine] > np.median(brightness[mine])) == (c % 2 == 0)
    explanation = explain_task(gather_evidence(digits), "task 0", sides)
    assert len(explanation.within_classes) == 10
    told = {reading.class_name: reading.association.side_1 for reading in explanation.within_classes}
    assert all(reading.association.auc > 0.95 for reading in explanation.within_classes)
    assert told["0"] != told["1"]


def halve_by_brightness(digits, *, unless: dict[int, np.ndarray]) -> np.ndarray:
    """Margins that are the brightness less its median within class; in some classes other values instead."""
    brightness = digits.images.pixels.float().mean(dim=(1, 2, 3)).numpy()
    margins = np.zeros(digits.n_points, dtype=np.float32)
    for c in range(10):
        mine = digits.labels == c
        values = unless.get(c, brightness)[mine]
        margins[mine] = values - np.median(values)
    return margins


def test_it_is_told_how_each_class_follows_what_leads_over_all_of_them(digits):
    """Class 3 goes by how high the ink lies, and in class 4 the darker half is on side 1."""
    rows = torch.arange(8.0).view(1, 1, 8, 1)
    depth = (
        (digits.images.pixels.float() * rows).sum(dim=(1, 2, 3)) / digits.images.pixels.float().sum(dim=(1, 2, 3))
    ).numpy()
    darkness = -digits.images.pixels.float().mean(dim=(1, 2, 3)).numpy()
    margins = halve_by_brightness(digits, unless={3: depth, 4: darkness})
    explanation = explain_task(gather_evidence(digits), "task 0", margins)
    follows = {reading.label: reading.follows for reading in explanation.within_classes}
    assert explanation.associations[0].name == "brightness"
    assert all(follows[c] > 0.99 for c in (0, 1, 2, 5, 6, 7, 8, 9))
    assert follows[3] < 0.75
    assert follows[4] < 0.01
    assert any("strongest is brightness (9 of 10), ink centre down (1 of 10)" in s for s in explanation.sentences)


def test_a_category_that_leads_is_followed_class_by_class(digits):
    site = np.where(np.random.default_rng(0).integers(0, 2, digits.n_points) == 1, "north", "south")
    side = np.where((site == "north") ^ (digits.labels == 7), 1.0, -1.0)
    dataset = replace(digits, metadata=pd.DataFrame({"site": site}))
    explanation = explain_task(gather_evidence(dataset), "task 0", side)
    follows = {reading.label: reading.follows for reading in explanation.within_classes}
    assert explanation.associations[0].name == "site"
    assert follows == {c: 0.0 if c == 7 else 1.0 for c in range(10)}


def test_the_sentences_name_one_of_two_attributes_that_say_nearly_the_same(digits):
    """On a black ground brightness and ink mass are the same order of images; the table keeps both."""
    explanation = explain_task(gather_evidence(digits), "task 0", halve_by_brightness(digits, unless={}))
    named = {association.name for association in explanation.associations[:3]}
    assert {"brightness", "ink mass"} <= named
    assert "ink (AUC" not in " ".join(explanation.sentences)


def test_a_column_with_gaps_is_compared_where_it_is_known(digits):
    margins = halve_by_brightness(digits, unless={})
    brightness = digits.images.pixels.float().mean(dim=(1, 2, 3)).numpy()
    random = np.random.default_rng(0)
    table = pd.DataFrame({"dose": brightness + random.normal(size=digits.n_points) / 100, "age": random.random(1797)})
    table["dose"] = table["dose"].where(random.random(digits.n_points) < 0.5)
    table["age"] = table["age"].where(random.random(digits.n_points) < 0.5)
    explanation = explain_task(gather_evidence(replace(digits, metadata=table)), "task 0", margins)
    assert explanation.associations[0].name == "dose"
    assert "bright (AUC" not in " ".join(explanation.sentences)
