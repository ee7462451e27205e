"""Each stage is made as large as its time allows, by a pace that was measured."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from known_pace import CUTS, PACE, RECIPE, SIZES

from splitgen.runs.budget import share_out
from splitgen.runs.fitting import (
    FEWEST_ROWS,
    FEWEST_TEST_ROWS,
    STEPS,
    choose_sizes,
    fit_agreement,
    fit_final,
    fit_new_tasks,
    fit_search,
    fit_sharpening,
    fit_steps,
    fit_tangent,
    fit_verification,
    foretell_least,
    list_searches,
)
from splitgen.runs.forecast import (
    foretell_agreement,
    foretell_final,
    foretell_refinement,
    foretell_search,
    foretell_sharpening,
    foretell_stages,
    foretell_tangent,
)
from splitgen.settings.layers import build_config
from splitgen.settings.presets import settled
from splitgen.settings.stages import (
    AgreementConfig,
    RefinementConfig,
    SearchConfig,
    SharpeningConfig,
    TangentConfig,
    VerificationConfig,
)

STAGES = ("discover", "agreement", "search", "tangent", "refine", "sharpen", "final", "agreement of the chosen")


@pytest.mark.parametrize("seconds", [0.0, 3.0, 9.0, 12.0, 1e6, None])
def test_rows_are_as_many_as_the_time_allows(seconds):
    agreement, search = AgreementConfig(max_rows=9_000), SearchConfig(rows=(1_000, 4_000), keep=(3,))
    scored = fit_agreement(seconds, 10_000, agreement, partial(foretell_agreement, PACE, 10_000, 1, recipe=RECIPE))
    searched = fit_search(seconds, PACE, SIZES, 2, CUTS, search, RECIPE)
    if seconds is None or seconds > 1_000:
        assert (scored, searched) == (agreement, search)
        return
    for config, rows, foretold in (
        (scored, scored.max_rows, foretell_agreement(PACE, 10_000, 1, scored, RECIPE)),
        (searched, searched.rows[-1], foretell_search(PACE, SIZES, 2, CUTS, searched, RECIPE)),
    ):
        assert config not in (agreement, search)
        assert foretold <= seconds or rows == FEWEST_ROWS


def test_the_confusion_has_fewer_rows_with_the_search_and_none_gains_any():
    """It was left at 10,000 rows, which took a large network longer than its whole search."""
    whole = SearchConfig(rows=(300, 4_000), keep=(3,))
    found = [fit_search(float(seconds), PACE, SIZES, 2, CUTS, whole, RECIPE) for seconds in range(14, -1, -1)]
    confused = [config.confusion_rows for config in found]
    assert confused == sorted(confused, reverse=True)
    assert max(confused) == whole.confusion_rows
    assert min(confused) == 536  # five full batches, as 500 rows are
    assert {config.rows[0] for config in found if len(config.rows) == 2} == {300}
    assert found[-1].rows == (FEWEST_ROWS,)


def test_a_search_of_too_little_time_for_two_rounds_has_one_of_as_many_rows_as_fit():
    """Two rounds on the same 500 rows judged a candidate twice by the same measure."""
    whole = SearchConfig(rows=(1_000, 4_000), keep=(3,))
    found = [fit_search(seconds / 10, PACE, SIZES, 1, CUTS, whole, RECIPE) for seconds in range(200, -1, -1)]
    last = [config.rows[-1] for config in found]
    assert last == sorted(last, reverse=True)
    assert {len(config.rows) for config in found} == {1, 2}
    first_alone = next(config for config in found if len(config.rows) == 1)
    assert first_alone == replace(whole, rows=(4_000,), keep=())  # before the last round loses any
    for seconds, config in zip(range(200, -1, -1), found, strict=True):
        for larger in list_searches(whole, SIZES):
            if larger.rows[-1] > config.rows[-1]:
                assert foretell_search(PACE, SIZES, 1, CUTS, larger, RECIPE) > seconds / 10
    assert (found[-1].rows, found[-1].keep, found[-1].test_rows) == ((FEWEST_ROWS,), (), FEWEST_TEST_ROWS)


@pytest.mark.parametrize(("seconds", "new_tasks"), [(None, 3), (1e6, 3), (21.0, 3), (19.0, 1), (11.0, 1), (9.0, 0)])
def test_a_refinement_begins_as_many_new_tasks_as_its_judging_leaves_time_for(seconds, new_tasks):
    """Judged two at a time, for five seconds each; half of the time is to be left."""
    refinement, search = RefinementConfig(candidates=1, new_tasks=3), SearchConfig(rows=(5_000,), keep=())
    found = fit_new_tasks(seconds, PACE, SIZES, refinement, search, RECIPE)
    assert found == replace(refinement, new_tasks=new_tasks)
    alone = fit_new_tasks(seconds, PACE, SIZES, replace(refinement, candidates=0), search, RECIPE)
    assert settled(alone.new_tasks) == max(1, alone.new_tasks)


def test_the_least_that_stages_take_is_that_of_the_smallest():
    config = build_config({"refinement": {"new_tasks": 3, "inner_steps": 80, "first_round": 35, "pool_size": 1024}})
    config = replace(
        config,
        training=replace(config.training, steps=1_000),
        discovery=replace(config.discovery, inner_steps=80, batch_size=50),
        sharpening=replace(config.sharpening, rounds=4),
        tangent=replace(config.tangent, starts=16),
    )
    least = foretell_least(PACE, SIZES, 10_000, config, list(share_out(config, STAGES)), 1)
    smallest = replace(config.search, rows=(500,), keep=(), confusion_rows=500, test_rows=1_000)
    assert least["search"] == foretell_search(PACE, SIZES, 1, CUTS, smallest, config.training)
    assert least["agreement"] == foretell_agreement(
        PACE, 10_000, 1, replace(config.agreement, max_rows=500), config.training
    )
    assert least["sharpen"] == least["tangent"] == least["final"] == 0
    alone = replace(config, search=smallest, refinement=replace(config.refinement, new_tasks=0))
    assert least["refine"] == foretell_refinement(PACE, SIZES, 10_000, alone, STEPS[0])


def test_as_many_tasks_begin_in_the_tangent_space_as_the_time_allows():
    whole = TangentConfig(starts=20)

    def foretell(config):
        return foretell_tangent(PACE, SIZES, 1_000, config, SearchConfig(), RECIPE)

    def fit(seconds):
        return fit_tangent(seconds, PACE, SIZES, 1_000, whole, SearchConfig(), RECIPE)

    assert fit(None) == fit(1e6) == whole
    found = [fit(seconds) for seconds in np.linspace(foretell(whole), 0, 200)]
    assert [starts for starts, _ in itertools.groupby(config.starts for config in found)] == [20, 16, 12, 8, 4, 0]
    for seconds, config in zip(np.linspace(foretell(whole), 0, 200), found, strict=True):
        assert foretell(config) <= seconds


def test_a_last_judging_has_as_many_finalists_as_the_time_allows():
    whole = SearchConfig(rows=(5_000,), keep=(), finalists=4, final_fits=2)

    def fit(seconds):
        return fit_final(seconds, PACE, SIZES, whole, RECIPE)

    times = np.linspace(foretell_final(PACE, SIZES, whole, RECIPE), 0, 100)
    found = [(config.finalists, config.final_fits) for config in map(fit, times)]
    assert [each for each, _ in itertools.groupby(found)] == [(4, 2), (3, 2), (2, 2), (0, 2)]
    for seconds in times:
        assert foretell_final(PACE, SIZES, fit(seconds), RECIPE) <= seconds
    assert fit(None) == whole
    assert fit_final(0.0, PACE, SIZES, replace(whole, finalists=0), RECIPE).finalists == 0


def test_a_sharpening_loses_late_rounds_first_and_all_of_it_last():
    whole = SharpeningConfig(rounds=4, folds=2, networks=3, candidates=2)

    def fit(seconds):
        return fit_sharpening(seconds, PACE, SIZES, 10_000, whole, SearchConfig(), RECIPE)

    assert fit(None) == fit(1e6) == whole
    found = [fit(seconds) for seconds in range(400, -1, -1)]
    sizes = [(config.rounds, config.networks, config.candidates, config.finalists) for config in found]
    assert [size for size, _ in itertools.groupby(sizes)] == [
        *[(4, 3, 2, 3), (3, 3, 2, 3), (2, 3, 2, 3), (2, 3, 1, 3), (2, 2, 1, 3), (2, 1, 1, 3)],
        *[(2, 1, 1, 2), (2, 1, 1, 0), (1, 1, 1, 0), (0, 3, 2, 3)],
    ]
    for seconds, config in zip(range(400, -1, -1), found, strict=True):
        assert foretell_sharpening(PACE, SIZES, 10_000, config, SearchConfig(), RECIPE) <= seconds


def test_a_verification_has_fewer_seeds_and_then_fewer_rows():
    whole = VerificationConfig(seeds=3)

    def fit(seconds):
        return fit_verification(seconds, PACE, SIZES, whole, RECIPE)

    assert fit(None) == fit(1_000) == whole
    assert fit(20) == replace(whole, seeds=2)
    assert fit(13) == replace(whole, max_rows=5_000)
    assert fit(0) == replace(whole, seeds=2, max_rows=600)  # as small as it can be
    assert fit_verification(0, PACE, SIZES, VerificationConfig(seeds=2, max_rows=2_000), RECIPE).max_rows == FEWEST_ROWS


@pytest.mark.parametrize(("seconds", "steps"), [(0, 4), (4, 4), (11.9, 8), (12, 12), (34, 32), (35, 35), (1e9, 35)])
def test_the_most_meta_steps_that_fit_are_of_a_few_numbers(seconds, steps):
    """At a second a meta-step: so a pace that is measured a little otherwise gives the same run."""
    assert fit_steps(seconds, 35, float) == steps


def test_never_more_meta_steps_are_chosen_than_asked_for():
    assert (fit_steps(0, 3, float), fit_steps(1e9, 3, float)) == (3, 3)


def build_whole(**sections):
    """Settings with all sizes that a budget makes smaller."""
    whole = {
        "discovery": {"n_tasks": 1, "dim": 1, "meta_steps": 40, "batch_size": 50, "inner_steps": 80},
        "refinement": {"meta_steps": 70, "inner_steps": 80, "new_tasks": 3, "first_round": 35, "pool_size": 1024},
        "sharpening": {"rounds": 4},
        "tangent": {"starts": 16},
        "training": {"steps": 1_000},
    }
    return build_config({**whole, **sections})


def foretell_all(config, stages=STAGES):
    return sum(foretell_stages(PACE, SIZES, 10_000, config, list(share_out(config, stages)), 1).values())


@pytest.mark.parametrize("seconds", range(120, 800, 20))
def test_what_sizes_leave_of_their_shares_is_for_the_stages_after_them(seconds):
    """CIFAR-10's default left two minutes of twelve, and had no time for a last judging of thirty seconds."""
    config, stages = build_whole(), ("discover", "search", "refine", "sharpen", "final")
    chosen = replace(config, **choose_sizes(seconds, PACE, SIZES, 10_000, config, stages, 1))
    assert foretell_all(chosen, stages) <= seconds
    more_finalists = {0: 2, 2: 3, 3: 3}[chosen.search.finalists]
    larger = replace(chosen, search=replace(chosen.search, finalists=more_finalists))
    assert larger == chosen or foretell_all(larger, stages) > seconds


@pytest.mark.parametrize("seconds", range(40, 800, 20))
def test_the_share_of_a_stage_that_is_left_out_is_for_all_others(seconds):
    """Those before it, too, and those that its share alone had left with too little."""
    config, pace = build_whole(), replace(PACE, gradient_seconds=1.0)
    chosen = choose_sizes(seconds, pace, SIZES, 10_000, config, STAGES, 1)
    assert chosen.pop("tangent").starts == 0
    without = build_whole(tangent={"starts": 0})
    assert chosen == choose_sizes(seconds, pace, SIZES, 10_000, without, STAGES, 1)


@pytest.mark.parametrize("seconds", [0.0, 100.0, 400.0, 1e9])
def test_sizes_are_chosen_that_are_foretold_to_fit(seconds):
    config = build_whole()
    chosen = replace(config, **choose_sizes(seconds, PACE, SIZES, 10_000, config, STAGES, 1))
    foretold = foretell_all(chosen)
    steps = (chosen.discovery.meta_steps, chosen.refinement.meta_steps)
    if seconds == 1e9:
        assert chosen == config
    elif seconds == 0:
        assert (*steps, chosen.sharpening.rounds, chosen.agreement.max_rows) == (4, 4, 0, FEWEST_ROWS)
        assert chosen.tangent.starts == chosen.search.finalists == 0
    else:
        assert 0.6 * seconds < foretold <= seconds
        assert set(steps) <= set(STEPS)
