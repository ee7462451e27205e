"""Splits by tasks of two values and of more, at the same cost: as many meta-steps of discovery of one task, as many
candidates trained by the search, no refinement, and judged by fresh trainings on all train rows.

    python tests/benchmarks/task_values.py [--dataset SPEC --rows 4000 --meta-steps 24 --candidates 12 --seeds 0 1 2]

A task of V > 2 values puts the classes into V groups of about one size, those with little confusion within them. Train
shows a group with its own value, test with the next one:

    datapoint score = m_g - m_(g+1 mod V)

which for V = 2 is that of two class sides. Candidates are the best groupings in all V turns of the values, as of two
values they are the best cuts in both signs. Prints a Markdown table; what it said is in refinement.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import torch

import splitgen
from splitgen.random import stream_seed
from splitgen.search.candidates import Candidate, SearchSpace, list_candidates, search_candidates, select_candidate
from splitgen.search.sides import cut_classes, measure_confusion
from splitgen.settings.stages import DataConfig, DiscoveryConfig, SearchConfig, SelectionConfig

SIZES = {
    "halves": SelectionConfig(),
    "a third each": SelectionConfig(test_fraction=1 / 3, reserve_fraction=1 / 3),
}
N_JUDGES = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--meta-steps", type=int, default=24)
    parser.add_argument("--values", type=int, nargs="*", default=[2, 3, 4])
    parser.add_argument("--candidates", type=int, default=12, help="a multiple of each of the values")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = open_rows(options.dataset, options.rows)
    print(f"| values | {' | '.join(SIZES)} |\n|---|{'---|' * len(SIZES)}", flush=True)
    for n_values in options.values:
        cost = (options.meta_steps, options.candidates)
        measured = [measure_seed(dataset, n_values, *cost, seed) for seed in options.seeds]
        cells = [f"{' '.join(f'{each:.3f}' for each in of)} ({np.mean(of):.3f})" for of in zip(*measured, strict=True)]
        print(f"| {n_values} | {' | '.join(cells)} |", flush=True)


def open_rows(spec: str, n_rows: int) -> splitgen.ImageDataset:
    """The first rows of a dataset, as one of its own."""
    dataset = splitgen.open_dataset(DataConfig(spec))
    kept = np.arange(min(n_rows, dataset.n_points))
    images, labels = dataset.images.take(torch.from_numpy(kept)), dataset.labels[kept]
    return splitgen.make_dataset(dataset.source, images, labels, class_names=dataset.class_names)


def measure_seed(
    dataset: splitgen.ImageDataset, n_values: int, meta_steps: int, n_candidates: int, seed: int
) -> list[float]:
    """Test accuracy of the best split by one task, for each of `SIZES`: mean of fresh trainings."""
    bench = splitgen.make_bench(dataset, splitgen.find_model("conv"), "label", seed=seed)
    found = splitgen.discover_tasks(bench, DiscoveryConfig(task_values=n_values, meta_steps=meta_steps))
    confusion = measure_confusion(bench, SearchConfig().confusion_rows)
    if n_values == 2:
        candidates = list_candidates(1, cut_classes(confusion, n_candidates // 2))
    else:
        groupings = group_classes(confusion, n_values, n_candidates // n_values)
        candidates = list_turned(found.margins[:, 0], dataset.labels, groupings)
    return [judge(SearchSpace(bench, found.margins, sizes), candidates) for sizes in SIZES.values()]


def list_turned(margins: np.ndarray, labels: np.ndarray, groupings: list[np.ndarray]) -> list[Candidate]:
    """A candidate for each grouping [C] in each turn of the values; its margins are the scores. margins: [N, V]."""
    n_values, n_classes = margins.shape[1], int(labels.max()) + 1
    turned = [(groups + turn) % n_values for groups in groupings for turn in range(n_values)]
    return [Candidate(0, (1,) * n_classes, own_margins=compare_values(margins, labels, values)) for values in turned]


def compare_values(margins: np.ndarray, labels: np.ndarray, class_values: np.ndarray) -> np.ndarray:
    """Margin of each row's class value less that of the next value, [N]. margins: [N, V]; class_values: [C]."""
    rows, own = np.arange(len(labels)), class_values[labels]
    scores: np.ndarray = margins[rows, own] - margins[rows, (own + 1) % margins.shape[1]]
    return scores


def judge(space: SearchSpace, candidates: list[Candidate]) -> float:
    """Mean test accuracy of fresh trainings on the split of the search's best."""
    bench, config = space.bench, SearchConfig(max_trained=len(candidates))
    _, selection = select_candidate(space, search_candidates(space, candidates, config)[0])
    train, test = (torch.from_numpy(np.flatnonzero(selection.parts == part)) for part in ("train", "test"))
    accuracies = []
    for which in range(N_JUDGES):
        network = bench.fit(bench.targets, train, bench.n_classes, stream_seed(bench.seed, "values judge", which))
        accuracies.append(bench.score_accuracy(network, bench.targets, test))
    return float(np.mean(accuracies))


def group_classes(confusion: np.ndarray, n_groups: int, n_groupings: int) -> list[np.ndarray]:
    """The class groups [C] of 0..n_groups-1 with the least confusion within them, of all whose sizes differ by at most
    one."""
    weights = confusion + confusion.T
    np.fill_diagonal(weights, 0.0)
    every = map(np.array, list_groupings((), len(weights), n_groups))
    return sorted(every, key=lambda groups: weights[groups[:, None] == groups].sum())[:n_groupings]


def list_groupings(begun: tuple[int, ...], n_classes: int, n_groups: int) -> Iterator[tuple[int, ...]]:
    """All groupings that begin so, numbered in the order of their first classes."""
    if len(begun) == n_classes:
        if min(begun.count(group) for group in range(n_groups)) >= n_classes // n_groups:
            yield begun
        return
    for group in range(min(max(begun, default=-1) + 2, n_groups)):
        if begun.count(group) < -(-n_classes // n_groups):
            yield from list_groupings((*begun, group), n_classes, n_groups)


if __name__ == "__main__":
    main()
