"""Time and accuracy of the meta-gradient's reverse passes, all in one run.

    python tests/benchmarks/meta_gradient.py [--threads 2]

Fashion-MNIST (Debian's dataset-fashion-mnist), the built-in conv net with SiLU and with ReLU, T = 30,
B = 128, eta = 0.1, epsilon as in the defaults, 5 seeds. Each seed times the three passes in turn, so that
the ratio holds on a noisy machine. About two minutes on two cores.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import nn

from splitgen import DiscoveryConfig, find_model, make_bench, open_dataset
from splitgen.tasks.inner_loop import FlatNetwork, InnerData, Trajectory, reverse_inner, train_inner
from splitgen.tasks.terms import divergence, soft_task_labels

STEPS, BATCH, RATE = 30, 128, 0.1


def draw_data(images: torch.Tensor, seed: int) -> InnerData:
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    rows = order[: STEPS * BATCH].view(STEPS, BATCH)
    margins = images[rows].flatten(2) @ torch.randn(images[0].numel(), generator=generator)
    return InnerData(
        [images[row] for row in rows], soft_task_labels(margins / margins.std(), 5.0), images[order[-512:]]
    )


def swap_activation(module: nn.Module) -> nn.Module:
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.SiLU):
                setattr(parent, name, nn.ReLU())
    return module


def time_reverse(
    paths: list[Trajectory], data: InnerData, adjoints: list[torch.Tensor], method: str
) -> tuple[float, torch.Tensor]:
    """Seconds of the reverse passes of both networks, and dD/dp [T * B * 2]; the networks end at w_T again."""
    kept = [path.network.weights.clone() for path in paths]
    start = time.perf_counter()
    total = sum(
        reverse_inner(path, data, adjoint, method, DiscoveryConfig().epsilon)
        for path, adjoint in zip(paths, adjoints, strict=True)
    )
    seconds = time.perf_counter() - start
    for path, weights in zip(paths, kept, strict=True):
        path.network.weights.copy_(weights)
    assert isinstance(total, torch.Tensor)
    return seconds, total.flatten()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    bench = make_bench(open_dataset("idx:/usr/share/datasets/fashion-mnist"), find_model("conv"))
    images = bench.batch(torch.arange(bench.n_points))
    for activation in ("silu", "relu"):
        results: dict[str, list[tuple[float, float, float]]] = {"one-sided": [], "central": []}
        for seed in range(-1, 5):  # the first is a warm-up
            data = draw_data(images, seed + 100)
            networks = [bench.build(2, 10 * seed + which + 100) for which in range(2)]
            if activation == "relu":
                networks = [swap_activation(network) for network in networks]
            paths = [train_inner(FlatNetwork(network, data.held_out[:2]), data, RATE) for network in networks]
            outputs = [path.network.module(data.held_out) for path in paths]
            loss = divergence(*outputs)
            adjoints = [path.network.flat_grad(loss, retain_graph=True) for path in paths]
            exact_seconds, exact = time_reverse(paths, data, adjoints, "exact")
            for method, rows in results.items():
                seconds, rough = time_reverse(paths, data, adjoints, method)
                cosine = float(torch.cosine_similarity(rough, exact, dim=0))
                if seed >= 0:
                    rows.append((seconds / exact_seconds, cosine, float(rough.norm() / exact.norm())))
        for method, rows in results.items():
            for name, values in zip(("time / exact", "cosine", "norm ratio"), zip(*rows, strict=True), strict=True):
                spread = f"{min(values):.4f} to {max(values):.4f}"
                print(f"{activation} {method:9s} {name:12s} median {statistics.median(values):.4f} ({spread})")


if __name__ == "__main__":
    main()
