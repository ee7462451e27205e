"""Groups go to one part whole, as near to the sizes as they allow."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from splitgen import MemoryImages, SelectionConfig, VerificationConfig, make_bench, select_split, verify_split
from splitgen.data.metadata import Groups
from splitgen.errors import SettingError
from splitgen.models.registry import find_model
from splitgen.settings.stages import TrainingConfig
from splitgen.splits.grouping import check_groups_known, count_members, take_groups
from splitgen.splits.split import Split
from splitgen.verification.sampling import Rows, draw_folds, draw_random_split, hold_out

CONFIG = SelectionConfig("label", 0.4, 0.1, 0.1)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 600)
    groups = rng.permutation(np.repeat(np.arange(120), 5))  # five rows of mixed classes each
    return rng.normal(size=600).astype(np.float32), labels, [f"{i:04d}" for i in range(600)], groups


def torn(groups, *parts):
    """Groups that stand in two of the row sets."""
    inside = [set(np.asarray(groups)[rows].tolist()) for rows in parts]
    return [a & b for a, b in itertools.combinations(inside, 2) if a & b]


def test_groups_of_one_row_give_the_split_without_groups(problem):
    scores, labels, ids, _ = problem
    free = select_split(scores, labels, ids, CONFIG)
    alone = select_split(scores, labels, ids, CONFIG, groups=np.arange(600))
    for part in ("test", "reserve"):
        assert np.array_equal(free.parts == part, alone.parts == part)
    counts = [np.bincount(labels[s.parts == "validation"]).tolist() for s in (free, alone)]
    assert counts[0] == counts[1]


def test_no_group_is_torn_and_sizes_are_near(problem):
    scores, labels, ids, groups = problem
    parts = select_split(scores, labels, ids, CONFIG, groups=groups).parts
    rows = {part: np.flatnonzero(parts == part) for part in np.unique(parts)}
    assert set(rows) == {"train", "validation", "test", "reserve"}
    assert not torn(groups, *rows.values())
    for part, wanted in (("test", 240), ("reserve", 60), ("validation", 60), ("train", 240)):
        assert abs(len(rows[part]) - wanted) <= 20, part  # four groups
    means = np.bincount(groups, weights=scores) / 5
    assert means[groups[rows["train"]]].mean() > means[groups[rows["reserve"]]].mean()
    assert means[groups[rows["reserve"]]].mean() > means[groups[rows["test"]]].mean()


def test_the_order_of_the_rows_does_not_matter(problem):
    scores, labels, ids, groups = problem
    order = np.random.default_rng(1).permutation(600)
    there = select_split(scores, labels, ids, CONFIG, groups=groups).parts
    back = select_split(scores[order], labels[order], [ids[i] for i in order], CONFIG, groups=groups[order]).parts
    assert np.array_equal(there[order], back)


def test_a_column_with_too_few_groups_is_refused(problem):
    scores, labels, ids, _ = problem
    with pytest.raises(SettingError, match="give a finer group column"):
        select_split(scores, labels, ids, groups=(np.arange(600) > 300).astype(int))


def test_a_class_that_is_one_group_is_refused(problem):
    scores, labels, ids, _ = problem
    with pytest.raises(SettingError, match="no group with class"):
        select_split(scores, labels, ids, groups=np.where(labels == 0, 0, np.arange(1, 601)))


def test_taking_groups_never_ends_farther_from_the_wanted_counts():
    members = count_members(np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 0, 0, 1]), 2)
    assert members.toarray().tolist() == [[1, 1], [3, 0], [0, 1]]
    assert take_groups(np.array([1, 0, 2]), members, np.array([1, 2])).tolist() == [0, 2]  # group 1 would overshoot


def test_taking_groups_of_many_classes_is_that_of_a_look_at_all_counts():
    rng = np.random.default_rng(0)
    members = count_members(rng.integers(0, 400, 3000), rng.integers(0, 90, 3000), 90)
    order, wanted = rng.permutation(400), rng.integers(5, 20, 90)
    missing, taken = wanted.copy(), []
    for group in order:
        left = missing - members.toarray()[group]
        if np.abs(left).sum() < np.abs(missing).sum():
            taken.append(group)
            missing = left
    assert take_groups(order, members, wanted).tolist() == taken
    assert take_groups(np.arange(400), members, members.toarray()[:7].sum(axis=0)).tolist() == list(range(7))


def test_no_training_of_a_verification_sees_a_group_that_it_is_judged_on(problem):
    scores, labels, ids, groups = problem
    parts = select_split(scores, labels, ids, SelectionConfig(), groups=groups).parts
    train, test = (torch.from_numpy(np.flatnonzero(parts == part)) for part in ("train", "test"))
    rows = Rows(train, train[:0], test, torch.from_numpy(groups))
    generator = torch.Generator().manual_seed(0)
    fitted, held = hold_out(rows, 0.1, generator)
    assert not torn(groups, fitted, held)
    assert abs(len(held) - 30) <= 5
    sample, comparable = draw_random_split(torch.from_numpy(labels), fitted, rows, generator)
    assert not torn(groups, sample, comparable)
    assert abs(len(sample) - len(fitted)) <= 10
    folds = list(draw_folds(torch.from_numpy(labels), rows, len(fitted), generator))
    assert not any(torn(groups, sample, fold) for sample, fold in folds)
    assert sorted(torch.cat([fold for _, fold in folds]).tolist()) == test.tolist()


def test_near_duplicates_do_not_flatter_the_control_when_they_are_groups(digits):
    """Every image five times with random labels: a control that tears the copies apart would look learnable."""
    rng = np.random.default_rng(0)
    copies = np.repeat(rng.choice(digits.n_points, 200, replace=False), 5)
    labels = np.repeat(rng.integers(0, 2, 200), 5)
    dataset = dataclasses.replace(
        digits,
        images=MemoryImages(digits.images.pixels[copies]),
        labels=labels,
        ids=tuple(f"{i:04d}" for i in range(1000)),
        class_names=("a", "b"),
    )
    groups = np.repeat(np.arange(200), 5)
    selection = select_split(rng.normal(size=1000).astype(np.float32), labels, dataset.ids, groups=groups)
    zeros = np.zeros(1000, dtype=np.float32)
    split = Split(dataset.ids, labels, labels, selection.parts, zeros, zeros, {})
    controls = []
    for known in (None, Groups("source", groups)):
        grouped = dataclasses.replace(dataset, groups=known)
        bench = make_bench(grouped, find_model("mlp"), training=TrainingConfig(epochs=20))
        judged = verify_split(bench, split, VerificationConfig(seeds=2))
        controls.append(judged.figures["random_accuracy"].mean)
    assert controls[0] > 0.8
    assert controls[1] < 0.65


def test_a_split_by_other_groups_is_not_judged_by_these():
    told = {"groups": {"column": "patient"}}
    codes = np.arange(6)
    check_groups_known(told, Groups("patient", codes))
    with pytest.raises(
        SettingError, match="groups of 'patient' whole, not those of 'site'; give --group-column patient"
    ):
        check_groups_known(told, Groups("site", codes))
