"""The first stage of a run: find tasks, and score the agreement on them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from functools import partial

import numpy as np
import torch

from splitgen._version import __version__
from splitgen.data.dataset import describe_dataset
from splitgen.keeping import Slot, State
from splitgen.random import stream_generator
from splitgen.runs.fitting import fit_agreement
from splitgen.runs.forecast import foretell_agreement
from splitgen.runs.run import Run, describe_settings, tell_chosen
from splitgen.screen.tables import print_agreement
from splitgen.settings.stop import Stop
from splitgen.splits.provenance import DISCOVERED
from splitgen.tasks.agreement import AgreementScore, read_task_labels, score_agreement
from splitgen.tasks.found import FoundTasks, count_values
from splitgen.tasks.objectives.agreement import MetaStep
from splitgen.tasks.tasks_file import SavedTasks
from splitgen.tasks.terms import task_similarity
from splitgen.tasks.ways.registry import WAYS
from splitgen.tasks.ways.request import WayRequest


def run_tasks(run: Run) -> SavedTasks:
    """Find tasks by the run's way, score their agreement, and save both."""
    tasks = run_discovery(run) if run.way == DISCOVERED else run_way(run, run.way)
    scores = run_agreement(run, tasks.margins)
    labels = np.stack(list(name_tasks(tasks.margins).values()), axis=1)
    similarity = task_similarity(torch.from_numpy(labels)).tolist()
    run.record["task_similarity"] = similarity
    metadata = {
        "splitgen_version": __version__,
        "dataset": describe_dataset(run.dataset),
        "config": describe_settings(run.asked),
        **tell_chosen(run, "agreement"),
        "meta_steps": tasks.meta_steps,
        "agreement": [dataclasses.asdict(score) for score in scores],
        "task_similarity": similarity,
        **({} if run.way == DISCOVERED else {"way": run.way}),
    }
    margins = tasks.margins.astype(np.float32)
    found = SavedTasks(margins, metadata, tasks.encoder_state)
    run.store.save("tasks", found)
    if tasks.encoder_state is not None:
        run.store.save("encoder", tasks.encoder_state)
    return found


def run_discovery(run: Run) -> FoundTasks:
    """Tasks by the meta loop, with its progress shown and recorded."""
    start, stop = time.monotonic(), Stop(run.config.discovery.meta_steps, run.allot("discover"))
    with run.screen.progress("discover", stop.total) as progress:

        def show_step(step: MetaStep) -> None:
            done = stop.progress(step.step, step.elapsed_seconds)
            progress.advance(done - progress.done, tell_step(step, stop))

        request = WayRequest(run.config.discovery, budget_seconds=stop.seconds, on_step=show_step)
        tasks = WAYS[DISCOVERED](run.bench, request)
    run.timed("discover", start)
    if stop.seconds is not None:
        run.settle(discovery=dataclasses.replace(run.config.discovery, meta_steps=tasks.meta_steps))
    run.record["discovery"] = {
        "meta_steps": tasks.meta_steps,
        "stopped_by": tasks.stopped_by,
        "history": [dataclasses.asdict(step) for step in tasks.history],
    }
    run.screen.note(f"{tasks.meta_steps} meta-steps, stopped by {tasks.stopped_by}")
    return tasks


def run_way(run: Run, way: str) -> FoundTasks:
    """Tasks by a way without meta-steps."""
    config = run.config
    request = WayRequest(config.discovery, config.selection.train_fraction, run.labels)

    def find(_: Slot) -> State:
        found = WAYS[way](run.bench, request)
        return State({"margins": torch.from_numpy(found.margins)}, {"way": found.way})

    with run.screen.progress(way, None):
        found = run.bench.recall(("way", way, config.discovery.task_values, request.train_fraction), find)
    return FoundTasks(found.told["way"], found.tensors["margins"].numpy())


def tell_step(step: MetaStep, stop: Stop) -> str:
    """One meta-step on the screen."""
    left = stop.foretell(step.step, step.elapsed_seconds)
    return (
        f"step {step.step} agreement {step.agreement:.2f} D {step.divergence:.3f} "
        f"U {step.uniformity:.2f} left {left:.0f} s"
    )


def run_agreement(run: Run, margins: np.ndarray) -> list[AgreementScore]:
    """Agreement scores of every discovered task, of the target, and of a random task of as many values."""
    labels = name_tasks(margins)
    labels["target"] = run.bench.target.values
    labels["random"] = draw_random_labels(run.dataset.n_points, run.config.seed, count_values(margins))
    if (seconds := run.allot("agreement")) is not None:
        n_points, config = run.dataset.n_points, run.config
        foretell = partial(foretell_agreement, run.pace, n_points, margins.shape[1], recipe=config.training)
        run.settle(agreement=fit_agreement(seconds, n_points, config.agreement, foretell))
    return score_tasks(run, labels, "agreement")


def score_tasks(run: Run, labels: Mapping[str, np.ndarray], stage: str) -> list[AgreementScore]:
    """Agreement scores of tasks by name; labels [N] each."""
    start, config = time.monotonic(), run.config
    with run.screen.progress(stage, len(labels) * config.agreement.networks) as progress:
        scores = [
            score_agreement(run.bench, values, config.agreement, task=name, on_fit=progress.advance)
            for name, values in labels.items()
        ]
    run.timed(stage, start)
    described = [dataclasses.asdict(score) for score in scores]
    run.record[stage] = described
    print_agreement(run.screen, described)
    return scores


def name_tasks(margins: np.ndarray) -> dict[str, np.ndarray]:
    """The classes [N] of every task by its name. margins: [N, K] or [N, K, V]."""
    return {f"task {k}": read_task_labels(margins[:, k]) for k in range(margins.shape[1])}


def draw_random_labels(n_points: int, seed: int, n_values: int = 2) -> np.ndarray:
    """A random task [N] of so many values: what its agreement is, is no merit of a task on these images."""
    return torch.randint(n_values, (n_points,), generator=stream_generator(seed, "random task")).numpy()
