"""Agreement on real images: low for random labels, near 1 for an easy task, a flag for what was not fitted."""

from __future__ import annotations

import numpy as np

from splitgen import AgreementConfig, find_model, score_agreement


def test_random_labels_that_are_fitted_agree_far_less_than_an_easy_task(digits):
    """Not 0.5: digits have near twins, and two networks give a held-out twin the label of its neighbour."""
    random_labels = np.random.default_rng(0).integers(0, 2, digits.n_points)
    ink = digits.images.mean(dim=(1, 2, 3)).numpy()
    easy_labels = (ink > np.median(ink)).astype(int)
    fits: list[str] = []
    random = score_agreement(digits, random_labels, find_model("conv"), seed=1, on_fit=lambda: fits.append("random"))
    easy = score_agreement(digits, easy_labels, find_model("conv"), seed=1, on_fit=lambda: fits.append("easy"))
    assert fits == ["random"] * 4 + ["easy"] * 2  # what the target model's recipe does not fit is trained for longer
    assert random.fitted
    assert easy.fitted
    assert abs(random.holdout_accuracy - 0.5) < 0.06
    assert random.agreement_score < easy.agreement_score - 0.1
    assert easy.agreement_score > 0.9
    assert abs(easy.class_balance[1] - 0.5) < 0.05


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
