"""Confusions as run.json has them: dense for few classes, and without loss of what the report tells for many."""

from __future__ import annotations

import json

import numpy as np
import pytest

from splitgen.verification.confusion import load_confusion, store_confusion


def make_counts(n_classes: int, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts [C, n_outputs], with a class that has no rows, and the target of each class [C]."""
    rng = np.random.default_rng(n_classes)
    counts = rng.poisson(0.2, (n_classes, n_outputs))
    counts[3] = 0
    return counts, np.arange(n_classes) % n_outputs


def test_of_few_classes_all_counts_are_stored_as_they_always_were():
    counts, targets = make_counts(100, 100)
    assert store_confusion(counts, targets) == counts.tolist()


@pytest.mark.parametrize("shape", [(10, 10), (100, 2), (150, 150), (150, 2)])
def test_what_is_read_back_gives_the_accuracies_and_shares_of_the_counts(shape):
    counts, targets = make_counts(*shape)
    found = load_confusion(json.loads(json.dumps(store_confusion(counts, targets))))
    totals = counts.sum(axis=1)
    accuracies = [counts[c, t] / totals[c] if totals[c] else np.nan for c, t in enumerate(targets)]
    assert np.array_equal(found.score_classes(targets), accuracies, equal_nan=True)
    classes, outputs = np.array([8, 3, 5]), np.array([1, 0])
    assert np.array_equal(
        found.share_rows(classes, outputs), counts[np.ix_(classes, outputs)] / totals[classes, None].clip(1)
    )


@pytest.mark.parametrize("shape", [(10, 10), (150, 150)])
def test_confusions_are_ranked_as_a_sort_of_the_whole_table(shape):
    counts, targets = make_counts(*shape)
    shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
    shares[np.arange(len(targets)), targets] = 0
    order = [place for place in np.argsort(-shares, axis=None, kind="stable") if shares.flat[place] > 0]
    found = load_confusion(store_confusion(counts, targets)).rank_wrong(targets)
    assert [each.tolist() for each in found[:2]] == [each.tolist() for each in np.unravel_index(order, shape)]
    assert np.array_equal(found[2], shares.flat[order])


def test_of_many_confusions_the_rarest_are_left_out_and_the_totals_and_right_ones_kept(monkeypatch):
    monkeypatch.setattr("splitgen.verification.confusion.MAX_WRONG", 50)
    counts, targets = make_counts(200, 200)
    stored = store_confusion(counts, targets)
    right = int((counts[np.arange(200), targets] > 0).sum())
    assert len(stored["counts"]) == right + 50
    totals = counts.sum(axis=1)
    shares = counts / totals[:, None].clip(1)
    shares[np.arange(200), targets] = 0
    found = load_confusion(stored)
    assert found.totals.tolist() == counts.sum(axis=1).tolist()
    assert found.count_right(targets).tolist() == counts[np.arange(200), targets].tolist()
    kept = zip(stored["classes"], stored["outputs"], stored["counts"], strict=True)
    kept_shares = [n / totals[c] for c, output, n in kept if output != targets[c]]
    assert sorted(kept_shares) == np.sort(shares, axis=None)[-50:].tolist()
