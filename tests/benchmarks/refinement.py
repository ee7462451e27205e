"""Ablations of refinement on Fashion-MNIST: one new task from an untrained encoder for each variant, the same
budget for all, judged by one training of the target model on all train rows.

    python tests/benchmarks/refinement.py --target 0,2,4,6,8 --budget 150 --seed 1 [--only "lifetime 1" ...]

Prints a Markdown table. `reserve` is the same task split into 0.4 / 0.2 / 0.4. What was measured so far is in
refinement.md. The seed and the targets are not those by which splits are reported.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

import splitgen
from splitgen.random import stream_seed
from splitgen.search.sides import binary_sides, cut_classes, measure_confusion
from splitgen.settings.stages import DiscoveryConfig, RefinementConfig, SelectionConfig

# Settings that differ from the defaults: of refinement, and of the discovery that lends it its inner loop.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "default": ({}, {}),
    "lifetime 1": ({"lifetime": 1}, {}),
    "lifetime 4": ({"lifetime": 4}, {}),
    "lifetime 20": ({"lifetime": 20}, {}),
    "T 40, lifetime 20": ({"inner_steps": 40, "lifetime": 20}, {}),
    "T 160, lifetime 1": ({"inner_steps": 160, "lifetime": 1}, {}),
    "T 160, lifetime 3": ({"inner_steps": 160, "lifetime": 3}, {}),
    "pool 1024": ({"pool_size": 1024}, {}),
    "eta 0.3, lifetime 1": ({"lifetime": 1}, {"inner_learning_rate": 0.3}),
    "crowding 2": ({}, {"crowding_weight": 2.0}),
    "imbalance 100": ({}, {"imbalance_weight": 100.0}),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="idx:/usr/share/datasets/fashion-mnist")
    parser.add_argument("--target", default="label")
    parser.add_argument("--budget", type=float, default=150, help="seconds a variant")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dataset = splitgen.open_dataset(options.dataset)
    print("| variant | meta-steps | F at the end | test | test with a reserve |\n|---|---|---|---|---|", flush=True)
    bench = splitgen.make_bench(dataset, splitgen.find_model("conv"), options.target, seed=options.seed)
    for name in options.only:
        print(f"| {name} | {measure_variant(bench, *VARIANTS[name], options.budget)} |", flush=True)


def measure_variant(bench: splitgen.Bench, refinement: dict[str, Any], discovery: dict[str, Any], budget: float) -> str:
    """The cells of one variant."""
    if bench.target.positive_classes is not None:
        sides = binary_sides(bench.n_classes, bench.target.positive_classes)
    else:
        sides = cut_classes(measure_confusion(bench, splitgen.SearchConfig().confusion_rows), 1)[0]
    (task,) = splitgen.refine_tasks(
        bench,
        [splitgen.Start(None, sides)],
        {},
        DiscoveryConfig(**discovery),
        RefinementConfig(**refinement),
        budget_seconds=budget,
    )
    accuracies = [
        judge(bench, task.margins[:, 0], sides, sizes)
        for sizes in (SelectionConfig(), SelectionConfig(test_fraction=0.4, reserve_fraction=0.2))
    ]
    failure = float(np.mean([step.failure for step in task.history[-20:]]))
    return " | ".join([str(task.meta_steps), f"{failure:.3f}", *(f"{accuracy:.3f}" for accuracy in accuracies)])


def judge(bench: splitgen.Bench, margins: np.ndarray, sides: np.ndarray, sizes: SelectionConfig) -> float:
    """Test accuracy of one training on all train rows."""
    dataset = bench.dataset
    scores = splitgen.score_datapoints(margins, dataset.labels, sides)
    parts = splitgen.select_split(scores, dataset.labels, dataset.ids, sizes).parts
    train, test = (torch.from_numpy(np.flatnonzero(parts == part)) for part in ("train", "test"))
    network = bench.fit(bench.targets, train, bench.target.n_outputs, stream_seed(bench.seed, "ablation judge"))
    return bench.score_accuracy(network, bench.targets, test)


if __name__ == "__main__":
    main()
