"""Agreement on real images: chance for random labels, near 1 for an easy task, no credit for constants."""

from __future__ import annotations

import numpy as np

from splitgen import AgreementConfig, TrainingConfig, find_model, score_agreement


def test_random_labels_agree_by_chance_though_they_are_fitted(digits):
    labels = np.random.default_rng(0).integers(0, 2, digits.n_points)
    training = TrainingConfig(learning_rate=1e-2)
    score = score_agreement(
        digits, labels, find_model("mlp"), AgreementConfig(max_rows=1200, epochs=80), training, seed=1
    )
    assert score.fitted
    assert abs(score.agreement_score - 0.5) < 0.1
    assert abs(score.kappa) < 0.2


def test_an_easy_task_agrees(digits):
    ink = digits.images.mean(dim=(1, 2, 3)).numpy()
    score = score_agreement(digits, (ink > np.median(ink)).astype(int), find_model("mlp"), seed=1)
    assert score.fitted
    assert score.agreement_score > 0.9
    assert abs(score.class_balance[1] - 0.5) < 0.05


def test_a_task_that_was_not_fitted_is_flagged(digits):
    labels = np.random.default_rng(0).integers(0, 2, digits.n_points)
    score = score_agreement(digits, labels, find_model("mlp"), AgreementConfig(epochs=1), seed=1)
    assert not score.fitted


def test_three_networks_make_three_pairs_and_the_same_seed_the_same_score(digits):
    labels = digits.labels % 2
    config = AgreementConfig(networks=3, max_rows=600, epochs=5)
    fits = []
    first = score_agreement(digits, labels, find_model("conv"), config, seed=4, on_fit=lambda: fits.append(1))
    assert len(fits) == 3
    assert first == score_agreement(digits, labels, find_model("conv"), config, seed=4)
