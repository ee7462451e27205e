"""Figures of predictions, against a look at each class."""

from __future__ import annotations

import numpy as np

from splitgen import Split
from splitgen.check.judgement import judge_predictions


def test_the_worst_of_many_classes_is_the_first_with_the_fewest_hits():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 500, 4000) * 2
    parts = np.where(rng.random(4000) < 0.5, "test", "train")
    zeros, ids = np.zeros(4000, np.float32), tuple(map(str, range(4000)))
    names = [f"class {c}" for c in range(1000)]
    split = Split(ids, labels, labels, parts, zeros, zeros, {"dataset": {"class_names": names}})
    predictions = np.where(rng.random(4000) < 0.7, labels, 0)
    judged = judge_predictions(split, predictions, "model")
    test = parts == "test"
    each = {c: float((predictions == labels)[test & (labels == c)].mean()) for c in np.unique(labels[test])}
    worst = min(each, key=each.__getitem__)
    assert judged.figures["worst_class_accuracy"] == (each[worst],)
    assert judged.worst_class == names[worst]
