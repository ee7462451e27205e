"""A smaller model finds, refines and sharpens tasks; the target model judges them."""

from __future__ import annotations

import numpy as np
import pytest
from commands import run_command

from splitgen.data.dataset import describe_dataset
from splitgen.errors import ModelError
from splitgen.models import bench
from splitgen.models.pace import measure_pace
from splitgen.models.registry import choose_model, find_model
from splitgen.runs.finding import (
    find_cuts,
    make_search_space,
    run_final,
    run_refinement,
    run_search,
    run_sharpening,
    run_tangent,
)
from splitgen.runs.forecast import foretell_discovery, foretell_judging, foretell_sharpening
from splitgen.runs.run import open_run
from splitgen.runs.tasks import run_agreement, run_discovery
from splitgen.screen.console import Screen
from splitgen.settings.layers import build_config
from splitgen.splits.split import Split, write_split
from splitgen.tasks.tasks_file import SavedTasks

SETTINGS = {
    "discovery": {"meta_steps": 2, "inner_steps": 3},
    "refinement": {"meta_steps": 1, "inner_steps": 3, "first_round": 1},
    "tangent": {"starts": 2, "steps": [2], "rows": [60], "keep": []},
    "agreement": {"epochs": 1},
    "training": {"epochs": 1},
    "search": {"max_trained": 2, "rows": [200], "keep": []},
    "sharpening": {"rounds": 1, "networks": 1},
}


def open_digits(model: str, discovery_model: str | None):
    finder = None if discovery_model is None else find_model(discovery_model)
    config = build_config(SETTINGS)
    return open_run(config, find_model(model), Screen(quiet=True), "cpu", None, "make", discovery_model=finder)


@pytest.fixture
def built(monkeypatch):
    """Names of the models that networks are built of; to be cleared between stages."""
    names, build = [], bench.build_network

    def spy(model, *args):
        names.append(model.name)
        return build(model, *args)

    monkeypatch.setattr(bench, "build_network", spy)
    return names


def test_each_stage_trains_the_model_whose_turn_it_is(built):
    run = open_digits("linear", "mlp")

    def seen(stage):
        built.clear()
        return stage(), set(built)

    tasks, names = seen(lambda: run_discovery(run))
    assert names == {"mlp"}
    _, names = seen(lambda: run_agreement(run, tasks.margins))
    assert names == {"linear"}
    saved = SavedTasks(tasks.margins, {"meta_steps": 2, "agreement": []}, tasks.encoder_state)
    space = make_search_space(run, tasks.margins)
    ranked, names = seen(lambda: run_search(run, space, find_cuts(run)))
    assert names == {"linear"}
    cuts = find_cuts(run)
    found, names = seen(lambda: run_tangent(run, space, cuts))
    assert names == {"mlp", "linear"}
    assert built.count("linear") == len(found)  # each is judged once, by the target model
    (refined, _), names = seen(lambda: run_refinement(run, space, saved, ranked))
    assert names == {"mlp", "linear"}
    assert built.count("linear") == len(refined)  # each state is judged once, by the target model
    assert not run.bench.finder.is_noisy  # found by a network of its own
    judged, names = seen(lambda: run_sharpening(run, space, ranked))
    n_finalists = sum(len(each.final_accuracies) == 2 for each in judged)
    assert sum(each.sharpened for each in judged) == 2  # two, one round each
    assert built.count("mlp") == 2 * 2  # a network a fold
    assert built.count("linear") == 2 * n_finalists + 2  # the judge
    _, names = seen(lambda: run_final(run, space, judged))
    assert names <= {"linear"}  # none where no two are close


def test_the_tasks_are_those_that_the_smaller_model_finds_as_a_target_model():
    alone, for_another = (run_discovery(run) for run in (open_digits("mlp", None), open_digits("linear", "mlp")))
    assert np.array_equal(alone.margins, for_another.margins)


def test_a_verification_by_other_models_has_none_to_find_tasks():
    bench = open_digits("linear", "mlp").bench
    assert bench.finder.model.name == "mlp"
    assert bench.finder.finder is bench.finder
    assert bench.with_model(find_model("conv")).finder.model.name == "conv"


def test_stages_are_foretold_by_the_pace_of_the_model_that_they_train():
    run = open_digits("conv", "linear")
    pace = measure_pace(run.bench)
    assert pace.of_finder is not None
    assert pace.finder.step_seconds < pace.step_seconds
    assert pace.ridge_seconds == pace.gradient_seconds == 0  # a large target model's gradients are asked for by nobody
    assert min(pace.finder.ridge_seconds, pace.finder.gradient_seconds) > 0
    alone = measure_pace(open_digits("conv", None).bench)
    assert alone.finder is alone
    slow = foretell_discovery(alone, 1797, run.config, 10)
    assert foretell_discovery(pace, 1797, run.config, 10) == pytest.approx(
        slow * pace.finder.step_seconds / alone.step_seconds
    )
    judging = foretell_judging(pace, run.sizes, 1, run.config.search, run.config.training)
    sharpening = foretell_sharpening(
        pace, run.sizes, 1797, run.config.sharpening, run.config.search, run.config.training
    )
    assert sharpening > judging  # by the target model


def test_code_that_a_file_names_to_find_tasks_is_not_run():
    with pytest.raises(ModelError, match="give --discovery-model theirs:net if you trust it"):
        choose_model("theirs:net", is_named=False, option="--discovery-model")


def test_a_verification_needs_no_code_that_once_found_tasks(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = np.where(np.arange(digits.n_points) % 2, "train", "test")
    metadata = {
        "dataset": describe_dataset(digits),
        "target": "label",
        "verification": None,
        "config": {"model": "linear", "discovery_model": "theirs:net"},
    }
    scores = np.zeros(digits.n_points, np.float32)
    split = Split(digits.ids, digits.labels, digits.labels, parts, scores, scores, metadata)
    write_split(split, tmp_path / "split.parquet")
    done = run_command("verify", "split.parquet", "--seeds", "2", "--epochs", "1")
    assert done.returncode == 0, done.stderr


def test_a_model_that_cannot_find_tasks_is_refused_before_any_work():
    with pytest.raises(ModelError, match="torchvision:vgg11"):
        open_digits("linear", "torchvision:vgg11_of_another_day")
