"""Agreement on real images: low for random labels, near 1 for an easy task, a flag for what was not fitted."""

from __future__ import annotations

import numpy as np

from splitgen import AgreementConfig, find_model, make_bench, score_agreement


def test_random_labels_that_are_fitted_agree_far_less_than_an_easy_task(digits):
    """Not 0.5: digits have near twins, and two networks give a held-out twin the label of its neighbour."""
    random_labels = np.random.default_rng(0).integers(0, 2, digits.n_points)
    ink = digits.images.pixels.mean(dim=(1, 2, 3)).numpy()
    easy_labels = (ink > np.median(ink)).astype(int)
    bench, fits = make_bench(digits, find_model("conv"), seed=1), []
    random = score_agreement(bench, random_labels, on_fit=lambda: fits.append("random"))
    easy = score_agreement(bench, easy_labels, on_fit=lambda: fits.append("easy"))
    assert fits == ["random"] * 4 + ["easy"] * 2  # what the target model's recipe does not fit is trained for longer
    assert random.fitted
    assert easy.fitted
    assert abs(random.holdout_accuracy - 0.5) < 0.06
    assert random.agreement_score < easy.agreement_score - 0.1
    assert easy.agreement_score > 0.9
    assert abs(easy.class_balance[1] - 0.5) < 0.05


def test_a_task_that_was_not_fitted_is_flagged(digits):
    labels = np.random.default_rng(0).integers(0, 2, digits.n_points)
    score = score_agreement(make_bench(digits, find_model("mlp"), seed=1), labels, AgreementConfig(epochs=1))
    assert not score.fitted


def test_three_networks_make_three_pairs_and_the_same_seed_the_same_score(digits):
    labels = digits.labels % 2
    config = AgreementConfig(networks=3, max_rows=600, epochs=5)
    bench, fits = make_bench(digits, find_model("conv"), seed=4), []
    first = score_agreement(bench, labels, config, on_fit=lambda: fits.append(1))
    assert len(fits) == 3
    assert first == score_agreement(make_bench(digits, find_model("conv"), seed=4), labels, config)
