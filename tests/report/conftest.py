"""A run folder of real images whose names are hostile, with everything a run can hold, made in seconds."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from splitgen import (
    ImageDataset,
    SelectionConfig,
    Split,
    TrainingConfig,
    VerificationConfig,
    find_model,
    make_bench,
    select_split,
    verify_split,
    write_split,
    write_tasks,
)
from splitgen.data.dataset import describe_dataset
from splitgen.parquet import write_json
from splitgen.runs.verify import describe_verification
from splitgen.tasks.tasks_file import SavedTasks

HOSTILE = '<script>alert("0")</script> $x^2$ & a very long name of a class'


@pytest.fixture(scope="session")
def hostile(digits) -> ImageDataset:
    """Digits with a class name and an id that would run or break a careless page."""
    names = (HOSTILE, *digits.class_names[1:])
    ids = ('"><img src=x onerror=alert(1)>', *digits.ids[1:])
    return replace(digits, class_names=names, ids=ids, source="npz:<b>digits</b>")


@pytest.fixture(scope="session")
def run_folder(hostile, tmp_path_factory) -> Path:
    """Split by brightness within class, judged by short trainings of the MLP."""
    folder = tmp_path_factory.mktemp("run")
    brightness = hostile.images.pixels.float().mean(dim=(1, 2, 3)).numpy()
    margins = np.zeros(hostile.n_points, np.float32)
    for c in range(10):
        mine = hostile.labels == c
        margins[mine] = brightness[mine] - np.median(brightness[mine])
    selection = select_split(margins, hostile.labels, hostile.ids, SelectionConfig(reserve_fraction=0.1))
    agreement = {"kappa": 0.9, "train_accuracy": 1.0, "class_balance": [0.5, 0.5], "fitted": True}
    scores = [{"task": name, "agreement_score": 0.9, **agreement} for name in ("task 0", "task 1", "target", "random")]
    metadata = {
        "dataset": describe_dataset(hostile),
        "target": "label",
        "task": 0,
        "task_name": "task 0",
        "class_sides": [1] * 10,
        "train_thresholds": selection.train_thresholds.tolist(),
        "test_thresholds": selection.test_thresholds.tolist(),
        "alignment": selection.alignment,
        "seed": 0,
        "meta_steps": 3,
        "agreement": scores,
        "verification": None,
    }
    split = Split(hostile.ids, hostile.labels, hostile.labels, selection.parts, margins, margins, metadata)
    seeds, training = VerificationConfig(seeds=2), TrainingConfig(epochs=3)
    result = verify_split(make_bench(hostile, find_model("mlp"), training=training), split, seeds)
    described = describe_verification(result)
    write_split(split.with_metadata(verification=described), folder / "split.parquet")
    both = np.stack([margins, np.roll(margins, 1)], axis=1)
    tasks = {"dataset": metadata["dataset"], "agreement": scores, "task_similarity": [[1, 0.5], [0.5, 1]]}
    write_tasks(SavedTasks(both, tasks), folder / "tasks.parquet")
    history = [{"divergence": 1 / k, "agreement": 0.5, "uniformity": -1.0} for k in range(1, 4)]
    figures = {name: asdict(value) for name, value in result.figures.items()}
    rows = [{"splitter": HOSTILE, "figures": figures, "imbalance": 0.0, "cpu_seconds": 1.0}]
    record = {
        "command_line": ["splitgen", "make", "digits", "--budget", "10m"],
        "confusion": {"test": result.test_confusion.tolist(), "random": result.random_confusion.tolist()},
        "verification": described,
        "discovery": {"meta_steps": 3, "history": history},
        "refinement_steps": 0,
        "transfer": [described, {**described, "model": "conv"}],
        "comparison": rows,
        "config": {"seed": 0, "data": {"dataset": "<i>digits</i>"}},
    }
    write_json(record, folder / "run.json")
    return folder
