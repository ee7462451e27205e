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
from splitgen.config import NO_STOP, DiscoveryConfig, RefinementConfig, SelectionConfig, TrainingConfig
from splitgen.models.training import fit, score_accuracy
from splitgen.random import stream_seed
from splitgen.splits.sides import binary_sides, cut_classes, measure_confusion

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
    dataset = splitgen.open_dataset(splitgen.DataConfig(options.dataset))
    print("| variant | meta-steps | F at the end | test | test with a reserve |\n|---|---|---|---|---|", flush=True)
    for name in options.only:
        print(f"| {name} | {measure_variant(dataset, *VARIANTS[name], options)} |", flush=True)


def measure_variant(
    dataset: splitgen.ImageDataset, refinement: dict[str, Any], discovery: dict[str, Any], options: argparse.Namespace
) -> str:
    """The cells of one variant."""
    model, target = splitgen.find_model("conv"), splitgen.make_target(dataset, options.target)
    images = dataset.normalized_images()
    if target.positive_classes is not None:
        sides = binary_sides(dataset.n_classes, target.positive_classes)
    else:
        labels = torch.from_numpy(dataset.labels)
        confusion = measure_confusion(model, images, labels, dataset.n_classes, TrainingConfig(), options.seed)
        sides = cut_classes(confusion, 1)[0]
    (task,) = splitgen.refine_tasks(
        dataset,
        model,
        {},
        [splitgen.Start(None, sides)],
        target.values,
        DiscoveryConfig(**discovery),
        RefinementConfig(meta_steps=NO_STOP, **refinement),
        seed=options.seed,
        budget_seconds=options.budget,
    )
    accuracies = [
        judge(dataset, images, model, target, task.margins, sides, sizes, options.seed)
        for sizes in (SelectionConfig(), SelectionConfig(test_fraction=0.4, reserve_fraction=0.2))
    ]
    failure = float(np.mean([step.failure for step in task.history[-20:]]))
    return " | ".join([str(task.meta_steps), f"{failure:.3f}", *(f"{accuracy:.3f}" for accuracy in accuracies)])


def judge(
    dataset: splitgen.ImageDataset,
    images: torch.Tensor,
    model: Any,
    target: splitgen.Target,
    margins: np.ndarray,
    sides: np.ndarray,
    sizes: SelectionConfig,
    seed: int,
) -> float:
    """Test accuracy of one training on all train rows."""
    scores = splitgen.score_datapoints(margins, dataset.labels, sides)
    parts = splitgen.select_split(scores, dataset.labels, dataset.ids, sizes).parts
    train, test = (torch.from_numpy(np.flatnonzero(parts == part)) for part in ("train", "test"))
    targets = torch.from_numpy(target.values)
    network = fit(
        model, images, targets, train, target.n_outputs, TrainingConfig(), stream_seed(seed, "ablation judge")
    )
    return score_accuracy(network, images, targets, test)


if __name__ == "__main__":
    main()
