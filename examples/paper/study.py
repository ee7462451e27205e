"""The study of "Task Discovery" (NeurIPS 2022) on CIFAR-10, by one command; README.md says what it shows and found.

    python examples/paper/study.py parquet:PATH/TO/cifar10 --size small --out study

Each part writes a Parquet file and a figure into the folder. A score that is there already is not made again: a study
that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from figures import FIGURES
from sizes import HALVES, SIZES, StudySize

import splitgen
from splitgen import Bench, SavedTasks
from splitgen.data.dataset import describe_dataset
from splitgen.random import stream_generator
from splitgen.tasks.agreement import read_task_labels
from splitgen.tasks.tasks_file import read_tasks, write_tasks
from splitgen.tasks.terms import task_similarity
from splitgen.tasks.ways.registry import WAYS
from splitgen.tasks.ways.request import WayRequest

Record = dict[str, Any]
Labelling = tuple[str, int, np.ndarray]  # its kind, its number among these, and classes [N]


class Study:
    """A study of some size on a dataset, in a folder."""

    def __init__(self, dataset: splitgen.ImageDataset, size: StudySize, out: Path, seed: int, device: str) -> None:
        self.dataset, self.size, self.out, self.seed, self.device = dataset, size, out, seed, device

    def bench(self, family: str, target: str = "label") -> Bench:
        model = splitgen.find_model(family)
        return splitgen.make_bench(self.dataset, model, target, self.size.training, seed=self.seed, device=self.device)

    def tasks(self, family: str, dim: int) -> np.ndarray:
        """Margins [N, d] of the tasks that were discovered for a family; found when they are first asked for."""
        path = self.out / f"tasks-{family}-{dim}.parquet"
        if not path.exists():
            config = replace(self.size.discovery, dim=dim, n_tasks=dim)
            found = splitgen.discover_tasks(self.bench(family), config, on_step=partial(tell_step, family, dim))
            metadata = {"dataset": describe_dataset(self.dataset), "meta_steps": found.meta_steps}
            write_tasks(SavedTasks(found.margins.astype(np.float32), metadata), path)
        return read_tasks(path).margins

    def labellings(self, family: str) -> Iterator[Labelling]:
        """All that a family scores: what was discovered for it, human, random and untrained-network tasks."""
        for dim in self.size.dims:
            labels = label_tasks(self.tasks(family, dim))
            yield from ((f"discovered, d = {dim}", k, labels[:, k]) for k in range(dim))
        yield from self.human_tasks()
        for k in range(self.size.n_random):
            draws = torch.randint(2, (self.dataset.n_points,), generator=stream_generator(self.seed, "study", k))
            yield "random", k, draws.numpy()
        untrained = WAYS["untrained network"](self.bench(family), WayRequest()).margins
        centred = untrained - np.median(untrained, axis=0)
        for k in range(min(self.size.n_untrained, centred.shape[1])):
            yield "untrained network", k, read_task_labels(centred[:, k])

    def human_tasks(self) -> Iterator[Labelling]:
        """Five classes against the other five."""
        order = np.random.default_rng(self.seed).permutation(len(HALVES))
        for k, which in enumerate(order[: self.size.n_human]):
            yield "human", k, np.isin(self.dataset.labels, HALVES[which]).astype(np.int64)

    def score(self, family: str, labelling: Labelling) -> Record:
        """One agreement score."""
        kind, number, labels = labelling
        score = splitgen.score_agreement(self.bench(family), labels, self.size.agreement, task=f"{kind} {number}")
        balance = float(min(score.class_balance))
        return {**asdict(score), "class_balance": balance, "model": family, "kind": kind, "number": number}


def label_tasks(margins: np.ndarray) -> np.ndarray:
    """Classes of tasks of two values, int64 [N, K]. margins: [N, K]."""
    return np.stack([read_task_labels(margins[:, k]) for k in range(margins.shape[1])], axis=1)


def tell_step(family: str, dim: int, step: Any) -> None:
    print(f"{family}, d = {dim}: meta-step {step.step}, {step.elapsed_seconds:.0f} s", flush=True)


def keep_records(path: Path, wanted: Iterator[tuple[Record, Callable[[], Record]]]) -> pd.DataFrame:
    """A table of records, each under its key; those that the file has are not made again, and each new one is kept at
    once."""
    before = pd.read_parquet(path).to_dict("records") if path.exists() else []
    found = [{str(name): value for name, value in record.items()} for record in before]
    for key, make in wanted:
        if not any(all(record[name] == value for name, value in key.items()) for record in found):
            found.append({**make(), **key})
            pd.DataFrame(found).to_parquet(path, index=False)
            print(", ".join(f"{name} {tell(value)}" for name, value in found[-1].items()), flush=True)
    return pd.DataFrame(found)


def tell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def score_all(study: Study) -> pd.DataFrame:
    """Agreement scores of every family on its own tasks, and on those beside them (the paper, figure 3)."""

    def wanted() -> Iterator[tuple[Record, Callable[[], Record]]]:
        for family in study.size.families:
            for labelling in study.labellings(family):
                key = {"model": family, "kind": labelling[0], "number": labelling[1]}
                yield key, partial(study.score, family, labelling)

    return keep_records(study.out / "agreement.parquet", wanted())


def compare_tasks(study: Study) -> pd.DataFrame:
    """Similarity of every two tasks of a family, and of each with the nearest human one (the paper, section 4)."""
    records = []
    human = torch.from_numpy(np.stack([labels for _, _, labels in study.human_tasks()], axis=1))
    for family in study.size.families:
        for dim in study.size.dims:
            labels = torch.from_numpy(label_tasks(study.tasks(family, dim)))
            similarity = task_similarity(torch.cat([labels, human], dim=1)).numpy()
            for a in range(dim):
                for b in range(similarity.shape[1]):
                    other = f"task {b}" if b < dim else f"human {b - dim}"
                    records.append(
                        {"model": family, "d": dim, "task": a, "other": other, "similarity": similarity[a, b]}
                    )
    found = pd.DataFrame(records)
    found.to_parquet(study.out / "similarity.parquet", index=False)
    return found


def cross_models(study: Study) -> pd.DataFrame:
    """Agreement of each family on tasks that were found for another (the paper, section 4.3)."""

    def wanted() -> Iterator[tuple[Record, Callable[[], Record]]]:
        for source in study.size.families:
            dim = study.size.dims[0]
            labels = label_tasks(study.tasks(source, dim))
            for family in study.size.families:
                for k in range(study.size.crossed if family != source else 0):
                    key = {"found_for": source, "model": family, "number": k}
                    yield key, partial(study.score, family, (f"found for {source}", k, labels[:, k]))

    return keep_records(study.out / "transfer.parquet", wanted())


def split_all(study: Study) -> pd.DataFrame:
    """Adversarial splits of binary targets, by the rule of the paper, each with its controls (the paper, section 6)."""
    model = study.size.split_model
    margins = study.tasks(model, study.size.dims[0])

    def split_once(target: tuple[int, ...], task: int) -> Record:
        bench = study.bench(model, ",".join(map(str, target)))
        sides = np.where(np.isin(np.arange(bench.n_classes), target), 1, -1)
        dataset = study.dataset
        scores = splitgen.score_datapoints(margins[:, task], dataset.labels, sides)
        parts = splitgen.select_split(scores, dataset.labels, dataset.ids, seed=study.seed).parts
        metadata = {"dataset": describe_dataset(dataset)}
        split = splitgen.Split(
            dataset.ids, dataset.labels, bench.target.values, parts, scores, margins[:, task], metadata
        )
        found = splitgen.verify_split(bench, split, study.size.verification)
        figures = {name: figure.mean for name, figure in found.figures.items()}
        return {**figures, "is_adversarial": found.is_adversarial, "model": model}

    def wanted() -> Iterator[tuple[Record, Callable[[], Record]]]:
        for target in study.size.targets:
            for task in range(study.size.split_tasks):
                key = {"target": ",".join(map(str, target)), "number": task}
                yield key, partial(split_once, target, task)

    return keep_records(study.out / "splits.parquet", wanted())


PARTS = {"agreement": score_all, "similarity": compare_tasks, "splits": split_all, "transfer": cross_models}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="CIFAR-10, as `splitgen make` takes it")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--out", type=Path, default=Path("study"))
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="one part, or several (default all)")
    parser.add_argument(
        "--family", action="append", help="one family of models, or several (default those of the size)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    size = SIZES[given.size]
    if given.family:
        size = replace(size, families=tuple(given.family))
    study = Study(splitgen.open_dataset(given.dataset), size, given.out, given.seed, given.device)
    for name in given.only or PARTS:
        FIGURES[name](PARTS[name](study), given.out / f"{name}.png")
        print(f"{name}: {given.out / name}.parquet, .png", flush=True)


if __name__ == "__main__":
    main()
