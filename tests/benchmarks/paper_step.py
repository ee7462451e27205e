"""A meta-step of the paper's setting, beside exact double backward through the unrolled steps in plain torch.

    python tests/benchmarks/paper_step.py [--threads 2] [--repeats 5] [--held-out 64]

ResNet-18 of width 0.25, T = 5, B = 64, 32x32 grey (Fashion-MNIST, padded), with the same encoder, pool and penalties,
in three processes: splitgen's `take_step` with its default reverse pass, in a process that keeps freed memory, as that
of the command does; one that keeps the graph of all steps and goes back through them by one `backward`; and double
backward with a checkpoint at every step, which is computed again on the way back, as the paper's engine does
(`take_step` with `meta_gradient = "exact"`). They take turns, so that the ratios hold on a noisy machine. Memory: the
most that is resident, less what is before the first meta-step. Also told: the cosine of splitgen's gradient for the
encoder with those of the others, at the same weights and rows.
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.func import functional_call

from splitgen import Bench, DataConfig, make_bench, open_dataset
from splitgen.data.dataset import make_dataset
from splitgen.heap import keep_freed_memory
from splitgen.models.networks import resnet18
from splitgen.models.registry import ModelFactory
from splitgen.settings.stages import DiscoveryConfig
from splitgen.tasks.encoder import build_encoder
from splitgen.tasks.meta import LoopSettings, MetaTask, draw_rows, init_task, measure_penalties, take_step
from splitgen.tasks.objectives.registry import OBJECTIVES
from splitgen.tasks.problem import pose_problem
from splitgen.tasks.terms import divergence, soft_cross_entropy

STEPS, BATCH, ROWS = 5, 64, 4_000
CHECKPOINTED = "double backward, checkpointed"


def make_paper_bench() -> Bench:
    source = open_dataset(DataConfig("idx:/usr/share/datasets/fashion-mnist"))
    rows = torch.arange(ROWS)
    images = nn.functional.pad(source.images.take(rows), (2, 2, 2, 2))
    dataset = make_dataset("fashion 32x32", images, source.labels[:ROWS])
    return make_bench(dataset, ModelFactory("resnet18 x 0.25", partial(resnet18, width=0.25)))


def make_task(bench: Bench, engine: str, held_out: int) -> tuple[MetaTask, LoopSettings]:
    config = DiscoveryConfig(n_tasks=1, dim=1, inner_steps=STEPS, batch_size=BATCH, pool_size=STEPS * BATCH)
    config = replace(config, meta_gradient="exact" if engine == CHECKPOINTED else config.meta_gradient)
    config = replace(config, held_out_size=held_out, crowding_weight=0.0).for_images(32)
    problem = pose_problem(bench, config)
    objective = OBJECTIVES["agreement"](problem, None)
    torch.manual_seed(0)  # the same encoder for every engine
    encoder = build_encoder(bench, config)
    generator = torch.Generator().manual_seed(0)
    return init_task(objective, encoder, config.encoder_learning_rate, generator), problem.discovery_loop


def take_exact_step(bench: Bench, settings: LoopSettings, start: float, task: MetaTask) -> None:
    """`take_step`, written as one graph from the encoder through every weight of both trainings to the loss."""
    objective, rate = task.objective, settings.inner_learning_rate
    rows = draw_rows(bench, settings, task.generator)
    view = objective.look(task, rows)
    pool, held_out = bench.batch(rows.pool), bench.batch(rows.held_out)
    logits = []
    for network in objective.networks(task):
        network.train()
        weights = {name: value.detach().clone().requires_grad_() for name, value in network.named_parameters()}
        for batch in rows.batches:
            outputs = functional_call(network, weights, (pool[batch],)).log_softmax(dim=1)
            loss = soft_cross_entropy(outputs, view.inner_labels[batch])
            grads = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {name: value - rate * g for (name, value), g in zip(weights.items(), grads, strict=True)}
        logits.append(functional_call(network, weights, (held_out,)))
    penalties = measure_penalties(bench, settings, view)
    loss = divergence(*logits) + settings.imbalance_weight * penalties.imbalance
    loss = loss + settings.uniformity_weight * penalties.spread + settings.crowding_weight * penalties.crowding
    task.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    task.optimizer.step()
    task.average.update_parameters(task.encoder)
    task.history.append(None)


ENGINES: dict[str, Callable[[Bench, LoopSettings, float, MetaTask], object]] = {
    "splitgen": take_step,
    "double backward": take_exact_step,
    CHECKPOINTED: take_step,
}


def serve(engine: str, held_out: int) -> None:
    """A meta-step for each line of stdin: its seconds, and the peak of resident memory since the start in MiB."""
    if engine == "splitgen":
        keep_freed_memory()
    bench = make_paper_bench()
    task, settings = make_task(bench, engine, held_out)
    gc.collect()
    before = read_resident()
    for _ in sys.stdin:
        start = time.perf_counter()
        ENGINES[engine](bench, settings, start, task)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
        print(seconds, peak, flush=True)


def read_resident() -> float:
    """MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def compare_gradients(held_out: int) -> dict[str, float]:
    """Cosines of the other engines' gradients for the encoder with splitgen's."""
    found = {}
    for name, engine in ENGINES.items():
        task, settings = make_task(make_paper_bench(), name, held_out)
        engine(task.objective.bench, settings, 0.0, task)  # type: ignore[attr-defined]
        found[name] = torch.cat([p.grad.flatten() for p in task.encoder.parameters() if p.grad is not None])
    ours = found.pop("splitgen")
    return {name: float(torch.cosine_similarity(ours, grad, dim=0)) for name, grad in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--held-out", type=int, default=BATCH)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.engine is not None:
        serve(given.engine, given.held_out)
        return
    call = [sys.executable, __file__, "--threads", str(given.threads), "--held-out", str(given.held_out), "--engine"]
    pipes = {
        name: subprocess.Popen([*call, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in ENGINES
    }
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in ENGINES}
    for repeat in range(-1, given.repeats):  # the first is a warm-up
        for name, process in pipes.items():
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            seconds, peak = map(float, process.stdout.readline().split())
            if repeat >= 0:
                rows[name].append((seconds, peak))
    for process in pipes.values():
        process.communicate()
    print("| engine | seconds (range) | MiB |\n|---|---|---|")
    for name, measured in rows.items():
        seconds_all = [seconds for seconds, _ in measured]
        spread = f"{statistics.median(seconds_all):.3f} ({min(seconds_all):.3f} to {max(seconds_all):.3f})"
        print(f"| {name} | {spread} | {measured[-1][1]:.0f} |")
    cosines, ours = compare_gradients(given.held_out), rows.pop("splitgen")
    for name, measured in rows.items():
        ratios = [a[0] / b[0] for a, b in zip(ours, measured, strict=True)]
        told = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        memory = ours[-1][1] / measured[-1][1]
        print(f"of {name}: time {told}, memory {memory:.2f}, cosine {cosines[name]:.4f}")


if __name__ == "__main__":
    main()
