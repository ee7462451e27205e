"""Properties that every selection has, whatever the scores, classes and fractions."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitgen import SelectionConfig, select_split
from splitgen.errors import SettingError
from splitgen.splits.selection import advise_alignment, count_parts, draw_by_id, rank_within_class

FRACTIONS = st.tuples(
    st.sampled_from([0.1, 0.2, 0.25, 1 / 3, 0.5]), st.sampled_from([0.0, 0.1, 0.2]), st.sampled_from([0.0, 0.05, 0.1])
)


@st.composite
def problems(draw):
    """Scores (with ties), labels, ids and fractions."""
    counts = draw(st.lists(st.integers(12, 60), min_size=2, max_size=6))
    labels = np.repeat(np.arange(len(counts)), counts)
    seed = draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    rng.shuffle(labels)
    scores = np.round(rng.normal(size=len(labels)), draw(st.sampled_from([0, 1, 6]))).astype(np.float32)
    ids = [f"{i:04d}" for i in rng.permutation(len(labels))]
    test, reserve, validation = draw(FRACTIONS)
    return scores, labels, ids, SelectionConfig("label", test, reserve, validation)


@settings(max_examples=40, deadline=None)
@given(problems())
def test_places_are_those_of_a_sort_by_class_score_and_id(problem):
    scores, labels, ids, _ = problem
    order = np.lexsort((np.array(ids), -scores, labels))
    places = np.empty(len(labels), dtype=int)
    starts = np.searchsorted(labels[order], labels[order])
    places[order] = np.arange(len(labels)) - starts
    assert rank_within_class(scores, labels, ids).tolist() == places.tolist()


@settings(max_examples=80, deadline=None)
@given(problems())
def test_parts_are_complete_with_exact_totals_and_class_counts(problem):
    scores, labels, ids, config = problem
    parts = select_split(scores, labels, ids, config).parts
    assert set(parts) <= {"train", "validation", "test", "reserve"}
    for part, fraction in (
        ("test", config.test_fraction),
        ("reserve", config.reserve_fraction),
        ("validation", config.validation_fraction),
    ):
        assert (parts == part).sum() == round(len(labels) * fraction)
        for c in np.unique(labels):
            exact = (labels == c).sum() * fraction
            assert abs((parts[labels == c] == part).sum() - exact) < 1 + 1e-6


@settings(max_examples=80, deadline=None)
@given(problems())
def test_within_a_class_train_lies_above_reserve_and_reserve_above_test(problem):
    scores, labels, ids, config = problem
    parts = select_split(scores, labels, ids, config).parts
    for c in np.unique(labels):
        side = scores[(labels == c) & np.isin(parts, ["train", "validation"])]
        reserve = scores[(labels == c) & (parts == "reserve")]
        test = scores[(labels == c) & (parts == "test")]
        assert side.min() >= test.max()
        if len(reserve):
            assert side.min() >= reserve.max()
            assert reserve.min() >= test.max()


@settings(max_examples=80, deadline=None)
@given(problems(), st.integers(0, 1000))
def test_the_order_of_the_rows_does_not_matter(problem, seed):
    scores, labels, ids, config = problem
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = select_split(scores, labels, ids, config, seed=3).parts
    shuffled = select_split(scores[order], labels[order], [ids[i] for i in order], config, seed=3).parts
    assert (parts[order] == shuffled).all()


def select_slowly(scores, labels, ids, config, seed):
    """The same by a look at each class: parts, and thresholds of train and test."""
    counts, keys = count_parts(np.bincount(labels), config), np.array(ids)
    parts, thresholds = np.full(len(labels), "train", dtype="U10"), np.zeros((2, labels.max() + 1))
    for c in np.unique(labels):
        rows = np.flatnonzero(labels == c)
        rows = rows[np.lexsort((keys[rows], -scores[rows]))]
        n_test, n_reserve = counts["test"][c], counts["reserve"][c]
        parts[rows[len(rows) - n_test :]] = "test"
        parts[rows[len(rows) - n_test - n_reserve : len(rows) - n_test]] = "reserve"
        side = np.sort(rows[: len(rows) - n_test - n_reserve])
        parts[draw_by_id(side, keys, counts["validation"][c], seed)] = "validation"
        thresholds[:, c] = scores[side].min(), scores[rows[len(rows) - n_test :]].max()
    return parts, thresholds


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(0, 1000))
def test_all_classes_together_are_selected_as_each_by_itself(problem, seed):
    scores, labels, ids, config = problem
    labels = labels * 2  # every other class has no rows
    selection = select_split(scores, labels, ids, config, seed=seed)
    parts, (train_thresholds, test_thresholds) = select_slowly(scores, labels, ids, config, seed)
    assert selection.parts.tolist() == parts.tolist()
    assert selection.train_thresholds.tolist() == train_thresholds.tolist()
    assert selection.test_thresholds.tolist() == test_thresholds.tolist()


def test_ten_thousand_classes_take_two_seconds_at_most():
    rng = np.random.default_rng(0)
    labels, scores = rng.permutation(np.arange(100_000) % 10_000), rng.normal(size=100_000).astype(np.float32)
    start = time.process_time()
    selection = select_split(scores, labels, [str(i) for i in range(100_000)], SelectionConfig(validation_fraction=0.1))
    assert time.process_time() - start < 2
    assert (np.bincount(labels[selection.parts == "test"]) == 5).all()


def test_half_and_half_is_fully_aligned_and_a_small_test_part_is_not():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    scores, ids = rng.normal(size=200).astype(np.float32), [str(i) for i in range(200)]
    assert select_split(scores, labels, ids).alignment == 1.0
    config = SelectionConfig(test_fraction=0.2)
    assert select_split(scores, labels, ids, config).alignment == pytest.approx(0.625)
    assert "--reserve-fraction 0.3" in advise_alignment(0.625, config)
    advised = SelectionConfig(test_fraction=0.2, reserve_fraction=0.3)
    assert select_split(scores, labels, ids, advised).alignment == 1.0
    assert advise_alignment(1.0, advised) is None


def test_a_class_that_would_have_no_test_rows_is_refused():
    with pytest.raises(SettingError, match="class 1 with 10 rows would have none in test"):
        count_parts(np.array([1000, 10]), SelectionConfig(test_fraction=0.01))


def test_all_faults_of_the_fractions_are_said_at_once():
    with pytest.raises(SettingError, match=r"test_fraction.*reserve_fraction"):
        select_split(np.zeros(4), np.zeros(4, int), list("abcd"), SelectionConfig("label", 1.5, -0.1))


def test_parts_that_round_up_to_more_than_all_rows_leave_none_to_train():
    labels = np.repeat([0, 1], 50)
    with pytest.raises(SettingError, match="would have none in train"):
        count_parts(np.bincount(labels), SelectionConfig("label", 0.335, 0.335, 0.326))
