"""The stages in their order: discover -> agreement -> scores -> split -> verify, and the run folder."""

from __future__ import annotations

import dataclasses
import math
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from splitgen._version import __version__
from splitgen.config import RunConfig
from splitgen.console import Screen
from splitgen.data.dataset import ImageDataset
from splitgen.data.sources import open_dataset
from splitgen.errors import RunFolderError
from splitgen.models.registry import ModelFactory, check_model, find_model
from splitgen.models.training import count_epochs, steps_per_epoch
from splitgen.parallel import count_workers
from splitgen.parquet import write_json
from splitgen.random import stream_generator
from splitgen.report import print_agreement, print_verification
from splitgen.splits.scores import Target, make_target
from splitgen.splits.search import (
    Candidate,
    SearchProblem,
    count_fits,
    list_candidates,
    search_candidates,
    select_candidate,
)
from splitgen.splits.selection import advise_alignment, count_parts
from splitgen.splits.sides import binary_sides, cut_classes, measure_confusion
from splitgen.splits.split import Split, check_belongs, read_split, write_split
from splitgen.splits.verification import Verification, count_verification_fits, verify_split
from splitgen.tasks.agreement import AgreementScore, binary_task_labels, score_prepared
from splitgen.tasks.discovery import DiscoveredTasks, MetaStep, discover_tasks
from splitgen.tasks.objectives import task_similarity
from splitgen.tasks.tasks_file import SavedTasks, check_tasks_belong, read_tasks, write_tasks


@dataclass
class Run:
    """One run of a command: what all its stages share, and what they found.

    record: becomes run.json; every figure that was printed, the settings, timings, environment.
    """

    config: RunConfig
    screen: Screen
    device: str
    dataset: ImageDataset
    model: ModelFactory
    target: Target
    out: Path | None
    record: dict[str, Any] = field(default_factory=dict)

    def timed(self, stage: str, start: float) -> None:
        self.record.setdefault("seconds", {})[stage] = round(time.monotonic() - start, 3)


def open_run(config: RunConfig, screen: Screen, device: str, out: Path | None, command: str) -> Run:
    """Open the dataset and the model, and check all that can be checked before the work begins.

    The out folder is made last, so that bad input leaves nothing behind.
    """
    if out is not None:
        check_out(out)
    dataset = open_dataset(config.data)
    config = dataclasses.replace(config, discovery=config.discovery.for_images(dataset.image_size))
    model = find_model(config.model)
    target = make_target(dataset, config.selection.target)
    count_parts(dataset.class_counts, config.selection)
    check_model(model, target.n_outputs, dataset.images[:2].to(device, torch.float32))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    run = Run(config, screen, device, dataset, model, target, out)
    run.record.update(command=command, config=dataclasses.asdict(config), environment=describe_environment(device))
    run.record["dataset"] = describe_dataset(dataset)
    size = "x".join(str(n) for n in dataset.images.shape[1:])
    screen.note(f"{dataset.source}: {dataset.n_points} rows, {dataset.n_classes} classes, images {size}; {device}")
    return run


def check_out(out: Path) -> None:
    """Refuse a path that is a file, or a folder with something in it."""
    if out.exists() and not out.is_dir():
        raise RunFolderError(str(out), "it is a file", "give another --out")
    if out.is_dir() and any(out.iterdir()):
        raise RunFolderError(str(out), "it holds another run or other files", "give another --out")


def short_name(spec: str) -> str:
    """A folder name for a dataset spec: `fashion-mnist` for `idx:/a/fashion-mnist`."""
    return Path(spec.rpartition(":")[2]).stem or "run"


def without_stop(config: RunConfig) -> RunConfig:
    """The same settings with the budget as discovery's only stop."""
    return dataclasses.replace(config, discovery=dataclasses.replace(config.discovery, meta_steps=None))


def next_out(parent: Path, name: str) -> Path:
    """The first free `parent/name-NNN`."""
    number = 1
    while (parent / f"{name}-{number:03d}").exists():
        number += 1
    return parent / f"{name}-{number:03d}"


def describe_dataset(dataset: ImageDataset) -> dict[str, Any]:
    return {
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "class_names": list(dataset.class_names),
        "n_points": dataset.n_points,
    }


def describe_environment(device: str) -> dict[str, Any]:
    return {
        "splitgen": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": device,
        "threads": torch.get_num_threads(),
    }


def describe_settings(config: RunConfig) -> dict[str, Any]:
    """The settings that the bytes of a result depend on. The stop of discovery is not among them: the
    meta-steps done are recorded by themselves."""
    settings = dataclasses.asdict(config)
    del settings["data"], settings["discovery"]["meta_steps"]
    return settings


def run_discovery(run: Run, budget_seconds: float | None) -> SavedTasks:
    """Discover tasks, score their agreement, and save both."""
    config, start = run.config, time.monotonic()
    meta_steps = config.discovery.meta_steps
    with run.screen.progress("discover", budget_seconds or meta_steps) as progress:
        tasks = discover_tasks(
            run.dataset,
            run.model,
            config.discovery,
            seed=config.seed,
            device=run.device,
            budget_seconds=budget_seconds,
            on_step=lambda step: show_step(progress.advance, progress.done, step, meta_steps, budget_seconds),
        )
    run.timed("discover", start)
    run.record["discovery"] = {
        "meta_steps": tasks.meta_steps,
        "stopped_by": tasks.stopped_by,
        "history": [dataclasses.asdict(step) for step in tasks.history],
    }
    run.screen.note(f"{tasks.meta_steps} meta-steps, stopped by {tasks.stopped_by}")
    scores = run_agreement(run, tasks.margins)
    similarity = task_similarity(torch.from_numpy(binary_task_labels(tasks.margins))).tolist()
    run.record["task_similarity"] = similarity
    metadata = {
        "splitgen_version": __version__,
        "dataset": describe_dataset(run.dataset),
        "config": describe_settings(config),
        "meta_steps": tasks.meta_steps,
        "agreement": [dataclasses.asdict(score) for score in scores],
        "task_similarity": similarity,
    }
    saved = SavedTasks(tasks.margins, metadata)
    if run.out is not None:
        write_tasks(saved, run.out / "tasks.parquet")
        save_encoder(tasks, run.out)
    return saved


def save_encoder(tasks: DiscoveredTasks, out: Path) -> None:
    """The task encoder's weights, as safetensors."""
    (out / "checkpoint").mkdir(exist_ok=True)
    save_file(dict(tasks.encoder_state), out / "checkpoint" / "encoder.safetensors")


def show_step(
    advance: Callable[[float, str], None], done: float, step: MetaStep, meta_steps: int | None, budget: float | None
) -> None:
    """One meta-step on the screen; the bar runs on whichever stop comes first."""
    left = [] if meta_steps is None else [(meta_steps - step.step) * step.elapsed_seconds / step.step]
    if budget is not None:
        left.append(max(0.0, budget - step.elapsed_seconds))
    detail = (
        f"step {step.step} agreement {step.agreement:.2f} D {step.divergence:.3f} "
        f"U {step.uniformity:.2f} left {min(left):.0f} s"
    )
    advance((step.elapsed_seconds if budget is not None else step.step) - done, detail)


def run_agreement(run: Run, margins: np.ndarray) -> list[AgreementScore]:
    """Agreement scores of every discovered task, of the target, and of a random task for comparison."""
    start, config = time.monotonic(), run.config
    labels = {f"task {k}": binary_task_labels(margins[:, k]) for k in range(margins.shape[1])}
    labels["target"] = run.target.values
    labels["random"] = draw_random_labels(run.dataset.n_points, config.seed)
    images = run.dataset.normalized_images(run.device)
    with run.screen.progress("agreement", len(labels) * config.agreement.networks) as progress:
        scores = [
            score_prepared(
                images,
                values,
                run.model,
                config.agreement,
                config.training,
                task=name,
                seed=config.seed,
                on_fit=progress.advance,
            )
            for name, values in labels.items()
        ]
    run.timed("agreement", start)
    run.record["agreement"] = [dataclasses.asdict(score) for score in scores]
    print_agreement(run.screen, scores)
    return scores


def draw_random_labels(n_points: int, seed: int) -> np.ndarray:
    """A random binary task [N]: what its agreement is, is no merit of a task on these images."""
    return torch.randint(2, (n_points,), generator=stream_generator(seed, "random task")).numpy()


def run_split(run: Run, tasks: SavedTasks) -> Split:
    """Choose task and class sides by training the target model, and select the rows."""
    start, config, target = time.monotonic(), run.config, run.target
    images = run.dataset.normalized_images(run.device)
    if target.positive_classes is not None:
        cuts = [binary_sides(run.dataset.n_classes, target.positive_classes)]
    else:
        labels = torch.from_numpy(run.dataset.labels).to(run.device)
        confusion = measure_confusion(run.model, images, labels, run.dataset.n_classes, config.training, config.seed)
        cuts = cut_classes(confusion, config.search.n_cuts)
    candidates = list_candidates(tasks.n_tasks, cuts)
    problem = SearchProblem(
        images,
        run.dataset.labels,
        run.dataset.ids,
        target,
        tasks.margins,
        run.model,
        config.training,
        config.selection,
        config.seed,
    )
    with run.screen.progress("search", sum(count_fits(len(candidates), config.search))) as progress:
        ranked = search_candidates(problem, candidates, config.search, progress.advance)
    best = ranked[0]
    scores, selection = select_candidate(problem, best)
    run.timed("split", start)
    run.record["search"] = [dataclasses.asdict(candidate) for candidate in ranked]
    run.record["split"] = {"alignment": selection.alignment}
    metadata = {
        "splitgen_version": __version__,
        "dataset": describe_dataset(run.dataset),
        "target": target.spec,
        "task": best.task,
        "class_sides": list(best.class_sides),
        "train_thresholds": selection.train_thresholds.tolist(),
        "test_thresholds": selection.test_thresholds.tolist(),
        "alignment": selection.alignment,
        "config": describe_settings(config),
        "seed": config.seed,
        "meta_steps": tasks.metadata["meta_steps"],
        "agreement": tasks.metadata["agreement"],
        "verification": None,
    }
    margins = tasks.margins[:, best.task]
    split = Split(run.dataset.ids, run.dataset.labels, target.values, selection.parts, scores, margins, metadata)
    print_split(run, split, best)
    if run.out is not None:
        write_split(split, run.out / "split.parquet")
    return split


def print_split(run: Run, split: Split, best: Candidate) -> None:
    counts = ", ".join(f"{part} {n}" for part, n in split.counts().items() if n)
    run.screen.note(f"task {best.task}, sides {format_sides(best.class_sides)}: {counts}")
    advice = advise_alignment(split.metadata["alignment"], run.config.selection)
    run.screen.note(advice or "alignment 1.000: all of train lies on the task's side")


def format_sides(sides: tuple[int, ...]) -> str:
    plus, minus = ([str(c) for c, s in enumerate(sides) if s == sign] for sign in (1, -1))
    return f"{','.join(plus)} | {','.join(minus)}"


def run_verification(run: Run, split: Split) -> tuple[Split, Verification]:
    """Judge the split, print the figures, and put them into its metadata."""
    start, config, counts = time.monotonic(), run.config, split.counts()
    n_used = counts["train"] + counts["validation"] + counts["test"]
    n_fits = count_verification_fits(n_used, counts["test"], config.verification)
    epochs = count_epochs(counts["train"], config.training)
    steps = epochs * steps_per_epoch(counts["train"], config.training.batch_size)
    run.screen.note(f"verify: {n_fits} trainings of {epochs} epochs ({steps} steps) each")
    first: list[float] = []

    with run.screen.progress("verify", n_fits) as progress:

        def on_fit() -> None:
            if not first:
                first.append(time.monotonic() - start)
                rounds = math.ceil(n_fits / count_workers(n_fits))
                run.screen.note(f"verify: about {first[0] * rounds:.0f} s")
            progress.advance()

        result = verify_split(
            run.dataset,
            split,
            run.model,
            config.verification,
            config.training,
            seed=config.seed,
            device=run.device,
            on_fit=on_fit,
        )
    run.timed("verify", start)
    described = describe_verification(result)
    run.record["verification"] = described
    split = split.with_metadata(verification=described)
    print_verification(run.screen, described, run.dataset.class_names)
    if run.out is not None:
        write_split(split, run.out / "split.parquet")
    return split, result


def describe_verification(result: Verification) -> dict[str, Any]:
    """A verification as the JSON of a file has it."""
    described = dataclasses.asdict(result)
    return {**described, "is_adversarial": result.is_adversarial, "verdict": result.verdict}


def close_run(run: Run) -> None:
    """Write run.json, and say where everything is."""
    # ru_maxrss is in KiB on Linux and in bytes on macOS
    unit = 1 if platform.system() == "Darwin" else 1024
    run.record["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if run.out is not None:
        write_json(run.record, run.out / "run.json")
        run.screen.say(f"written to {run.out}")


def make(run: Run, budget_seconds: float | None) -> None:
    """Everything, from the dataset to a verified split."""
    tasks = run_discovery(run, budget_seconds)
    split = run_split(run, tasks)
    run_verification(run, split)
    close_run(run)


def discover(run: Run, budget_seconds: float | None) -> None:
    """Tasks only."""
    run_discovery(run, budget_seconds)
    close_run(run)


def resplit(run: Run, tasks_path: Path) -> None:
    """Another split from saved tasks."""
    tasks = read_tasks(tasks_path)
    check_tasks_belong(tasks, str(tasks_path), run.dataset)
    split = run_split(run, tasks)
    run_verification(run, split)
    close_run(run)


def verify(run: Run, split_path: Path) -> None:
    """Judge an existing index file."""
    split = read_split(split_path)
    check_belongs(split, str(split_path), run.dataset.fingerprint, run.dataset.labels)
    run_verification(run, split)
    close_run(run)
