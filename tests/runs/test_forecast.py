"""What a stage takes is foretold by a pace that was measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from known_pace import PACE, RECIPE, SIZES

from splitgen.models.pace import ALONE
from splitgen.runs.forecast import (
    DESCENT,
    INNER,
    LOOKS,
    PRODUCTS,
    Sizes,
    foretell_agreement,
    foretell_chosen_agreement,
    foretell_discovery,
    foretell_final,
    foretell_judging,
    foretell_refinement,
    foretell_search,
    foretell_tangent,
    foretell_verification,
)
from splitgen.search.candidates import plan_cuts
from splitgen.settings.layers import build_config
from splitgen.settings.stages import AgreementConfig, SearchConfig, TangentConfig, VerificationConfig


def test_a_training_takes_its_steps_and_trainings_side_by_side_go_by_rounds():
    assert PACE.fit_seconds(1_000, RECIPE) == pytest.approx(10 * 10 * 0.01)
    assert PACE.fit_seconds(50, RECIPE) == pytest.approx(10 * 1 * 0.01 / 2)  # a step of half a batch
    assert replace(PACE, overhead_seconds=0.004).fit_seconds(50, RECIPE) == pytest.approx(10 * (0.004 + 0.006 / 2))
    assert PACE.fits_seconds(3, 1_000, RECIPE) == pytest.approx(2 * PACE.fit_seconds(1_000, RECIPE))
    assert PACE.fits_seconds(1, 1_000, RECIPE) == pytest.approx(
        ALONE * PACE.fit_seconds(1_000, RECIPE)
    )  # on two threads
    assert replace(PACE, workers=16).fits_seconds(2, 1_000, RECIPE) == PACE.fits_seconds(1, 1_000, RECIPE)
    asks = replace(PACE, row_seconds=0.001)
    assert asks.fit_seconds(1_000, RECIPE, 500) == pytest.approx(1.0 + 0.5)


def test_an_agreement_is_foretold_with_the_second_trainings_of_target_and_random_task():
    config = AgreementConfig(networks=2, max_rows=4_000, epochs=10)
    epoch = 30 * 0.01  # 3000 rows, two networks side by side
    assert foretell_agreement(PACE, 9_999, 1, config, RECIPE) == pytest.approx((1 + 2) * 10 * epoch)
    assert foretell_chosen_agreement(PACE, 9_999, config, RECIPE) == pytest.approx(10 * epoch)
    by_size = replace(config, epochs=None)  # 20 by the recipe, and 34, which are 1000 steps, to converge
    assert foretell_agreement(PACE, 9_999, 1, by_size, RECIPE) == pytest.approx((3 * 20 + 2 * 34) * epoch)


def test_a_search_is_foretold_as_the_confusion_and_its_rounds():
    config = SearchConfig(rows=(1_000, 8_000), keep=(3,), max_trained=8)
    confusion, first, last = 5.0 * ALONE, 4 * 1.0, 2 * 5.0  # 8 and 3 candidates, two at a time; train has 5000 rows
    cuts = plan_cuts(config, "label")
    assert foretell_search(PACE, SIZES, 5, cuts, config, RECIPE) == pytest.approx(confusion + first + last)


def test_a_search_over_given_or_drawn_sides_needs_no_confusion():
    config = SearchConfig("random", rows=(1_000, 8_000), keep=(3,))
    drawn, given = (plan_cuts(config, target) for target in ("label", "0,1"))
    assert foretell_search(PACE, SIZES, 2, drawn, config, RECIPE) == pytest.approx(1.0 + 5.0)  # two side by side
    assert foretell_search(PACE, SIZES, 2, given, config, RECIPE) == pytest.approx(2 * 1.0 + 2 * 5.0)  # four, and three


def test_refinement_is_foretold_as_its_meta_steps_and_the_judging_after_each_round():
    """Two runners to the mark of 20 and to that of 30, of 2 x 10 steps of 100 rows a meta-step."""
    refinement = {"candidates": 1, "new_tasks": 1, "keep": 2, "first_round": 20, "inner_steps": 10, "batch_size": 100}
    config = build_config(
        {
            "refinement": refinement,
            "search": {"rows": [1_000, 4_000]},
            "training": {"batch_size": 100, "epochs": 10, "steps": 1_000},
        }
    )
    judging = foretell_judging(PACE, SIZES, 2, config.search, RECIPE)
    config = replace(config, refinement=replace(config.refinement, pool_size=1_000))
    encoded = LOOKS["refine"] * (1_000 + config.discovery.held_out_size)
    step = 2 * 10 * INNER * 0.01 + 2 * encoded * 0.0001
    assert foretell_refinement(PACE, SIZES, 10_000, config, 30) == pytest.approx(30 * step + 2 * judging)
    assert foretell_refinement(PACE, SIZES, 10_000, config, 12) == pytest.approx(12 * step + judging)


def test_tangent_tasks_are_foretold_as_networks_their_gradients_and_the_descents_of_all_rounds():
    config = TangentConfig(starts=16, steps=(60, 200), rows=(450, 900), keep=(3,), networks=3, dim=2_000, epochs=2)
    networks = 2 * 2 * 5 * 0.01  # two epochs of 500 rows, two at a time
    gradients = 3 * 1_000 * 0.0002
    products = PRODUCTS * 1_000 * 2_000
    descents = 0.004 * (8 * 60 * (DESCENT + products) + 2 * 200 * (2 * DESCENT + products))  # two tasks at a time
    judging = foretell_judging(PACE, SIZES, 3, SearchConfig(), RECIPE)
    found = foretell_tangent(PACE, SIZES, 1_000, config, SearchConfig(), RECIPE)
    assert found == pytest.approx(networks + gradients + descents + judging)
    few = foretell_tangent(PACE, SIZES, 450, config, SearchConfig(), RECIPE)  # no step has more rows than there are
    more = foretell_tangent(PACE, SIZES, 450, replace(config, rows=(450, 450)), SearchConfig(), RECIPE)
    assert few == more
    assert foretell_tangent(PACE, SIZES, 1_000, replace(config, starts=0), SearchConfig(), RECIPE) == 0


def test_a_last_judging_is_foretold_as_trainings_of_the_last_round_and_one_candidate_needs_none():
    config = SearchConfig(finalists=3, final_fits=2)
    assert foretell_final(PACE, SIZES, config, RECIPE) == foretell_judging(PACE, SIZES, 6, config, RECIPE) > 0
    assert foretell_final(PACE, SIZES, replace(config, finalists=1), RECIPE) == 0


def test_discovery_is_foretold_with_the_rows_that_its_encoder_sees():
    config = build_config(
        {"discovery": {"inner_steps": 10, "batch_size": 50, "pool_size": 1_000, "held_out_size": 200}}
    )
    trained, look = 2 * 10 * INNER * 0.01 / 2, LOOKS["discover"] * 0.0001
    assert foretell_discovery(PACE, 10_000, config, 4) == pytest.approx(4 * (trained + 1_200 * look))
    assert foretell_discovery(PACE, 500, config, 4) == pytest.approx(4 * (trained + 500 * look))
    slow = replace(PACE, overhead_seconds=0.004)  # a step on half as many rows takes seven tenths of its time
    assert foretell_discovery(slow, 10_000, config, 4) == pytest.approx(4 * (1.4 * trained + 1_200 * look))


def test_a_verification_is_foretold_by_its_trainings():
    whole = VerificationConfig(seeds=3)
    n_rounds = 5  # of two side by side: 3 * (1 + 2) trainings; half and half has the test rows in two folds
    assert foretell_verification(PACE, SIZES, whole, RECIPE) == pytest.approx(n_rounds * 10 * 45 * 0.01)
    with_validation = Sizes(4_000, 1_000, 5_000)
    assert foretell_verification(PACE, with_validation, whole, RECIPE) == pytest.approx(n_rounds * 10 * 40 * 0.01)
    another_mix = replace(SIZES, keeps_mix=False)  # and a random split of its own
    assert foretell_verification(PACE, another_mix, whole, RECIPE) == pytest.approx(6 * 10 * 45 * 0.01)
    asks = replace(PACE, step_seconds=0.0, row_seconds=0.001)
    predicted = 3 * (500 + 3 * 5_000 + 2 * 1_000)
    assert foretell_verification(asks, replace(SIZES, own_test=1_000), whole, RECIPE) == pytest.approx(predicted / 2000)
