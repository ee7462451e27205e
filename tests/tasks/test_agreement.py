"""Agreement on real images: chance for random labels, near 1 for an easy task, no credit for constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from splitgen import AgreementConfig, TrainingConfig, find_model, score_agreement


def test_random_labels_that_are_fitted_agree_far_less_than_an_easy_task(digits):
    """Not 0.5: digits have near twins, and two networks give a held-out twin the label of its neighbour."""
    random_labels = np.random.default_rng(0).integers(0, 2, digits.n_points)
    ink = digits.images.mean(dim=(1, 2, 3)).numpy()
    easy_labels = (ink > np.median(ink)).astype(int)
    random, easy = (score_agreement(digits, y, find_model("conv"), seed=1) for y in (random_labels, easy_labels))
    assert random.fitted
    assert easy.fitted
    assert abs(random.holdout_accuracy - 0.5) < 0.06
    assert random.agreement_score < easy.agreement_score - 0.1
    assert easy.agreement_score > 0.9
    assert abs(easy.class_balance[1] - 0.5) < 0.05


def test_random_labels_without_neighbours_agree_by_chance(digits):
    """Each held-out image is far from every other: nothing but the initialisation tells the networks its class."""
    noise = torch.randn(1797, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    labels = np.random.default_rng(0).integers(0, 2, digits.n_points)
    training = TrainingConfig(learning_rate=2e-2)
    score = score_agreement(
        replace(digits, images=noise), labels, find_model("conv"), AgreementConfig(epochs=60), training, seed=1
    )
    assert score.fitted
    assert abs(score.agreement_score - 0.5) < 0.15


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
