"""Seconds, CPU and memory of every stage of `splitgen make`, a stage at a time, in one run.

    python tests/benchmarks/stages.py [--data digits fashion cifar10] [--stages meta_step ...] [--out FILE]
    python tests/benchmarks/stages.py --compare BEFORE AFTER

Each stage runs in a process of its own, on digits, 10,000 rows of Fashion-MNIST and 10,000 of CIFAR-10 (as Parquet
files of the hub's layout, --cifar10 FOLDER), with the settings that `make` takes by default but for few steps. Beside
each, in turn, runs a yardstick that no commit changes: plain SGD steps of a small convolutional network in plain torch.
Machines are noisy: what is comparable across commits are the units, seconds over those of the yardstick, of which the
median and the range over the repeats are told. JSON goes to --out; --compare prints the ratio of the units of two such
files. Peak memory is that of the stage's process, resident, with everything that it loads.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from splitgen import DataConfig, VerificationConfig, find_model, make_bench, open_dataset, verify_split
from splitgen.data.dataset import ImageDataset, make_dataset
from splitgen.explain.evidence import gather_evidence
from splitgen.explain.explanation import explain_task
from splitgen.models.bench import Bench
from splitgen.report.folder import RunFolder
from splitgen.report.page import write_report
from splitgen.search.candidates import Candidate, SearchSpace, search_candidates, select_candidate
from splitgen.search.sharpening import sharpen_candidates
from splitgen.search.sides import measure_confusion
from splitgen.search.tangents import find_tangent_tasks
from splitgen.settings.presets import FEW_POINTS, settled
from splitgen.settings.stages import SearchConfig, SelectionConfig, SharpeningConfig, TangentConfig
from splitgen.splits.split import Split
from splitgen.tasks.agreement import score_agreement
from splitgen.tasks.encoder import build_encoder, copy_state, score_margins
from splitgen.tasks.inner_loop import FlatNetwork, InnerData, predict_held_out, reverse_inner, train_inner
from splitgen.tasks.meta import MetaTask, channels_last, draw_rows, init_task, take_step
from splitgen.tasks.objectives.registry import OBJECTIVES
from splitgen.tasks.problem import MetaProblem, pose_problem
from splitgen.tasks.refinement import Start, start_refinement
from splitgen.tasks.terms import divergence

Work = Callable[[], Any]
ROWS = 10_000
YARDSTICK_STEPS = 40
SIDES = np.where(np.arange(10) % 2 == 0, 1, -1)


def open_data(name: str, cifar10: Path, cache: Path) -> ImageDataset:
    spec = {"digits": "digits", "fashion": "idx:/usr/share/datasets/fashion-mnist"}.get(name)
    files = f"parquet:{cifar10}/train-00000-of-*.parquet"
    dataset = open_dataset(DataConfig(spec or files, cache=str(cache), image_size=None if spec else 32))
    kept = np.arange(min(ROWS, dataset.n_points))
    return make_dataset(
        dataset.source, dataset.images.take(kept), dataset.labels[kept], class_names=dataset.class_names
    )


class Stages:
    """Each method prepares a stage, and gives what is to be timed."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.problem: MetaProblem = pose_problem(bench)
        light = bench.pixels.take(torch.arange(bench.n_points)).mean(dim=(1, 2, 3)).numpy()
        self.margins = (light - np.median(light)).astype(np.float32)[:, None]  # a task that costs nothing to find
        self.space = SearchSpace(bench, self.margins, SelectionConfig())
        self.candidate = Candidate(0, tuple(SIDES.tolist()))

    def make_task(self) -> MetaTask:
        config = self.problem.discovery
        objective = OBJECTIVES["agreement"](self.problem, None)
        encoder = build_encoder(self.bench, config)
        return init_task(objective, encoder, config.encoder_learning_rate, torch.Generator().manual_seed(0))

    def make_refinement(self) -> MetaTask:
        return start_refinement(self.problem, Start(0, SIDES), copy_state(self.make_task().encoder))

    def make_split(self) -> Split:
        scores, selection = select_candidate(self.space, self.candidate)
        dataset = self.bench.dataset
        metadata = {"dataset": {"class_names": list(dataset.class_names)}, "target": "label", "verification": None}
        labels, margins = dataset.labels, self.margins[:, 0]
        return Split(dataset.ids, labels, labels, selection.parts, scores, margins, metadata)

    def draw_inner(self) -> tuple[InnerData, list[FlatNetwork]]:
        """The inner trainings of a meta-step of discovery, with random labels."""
        settings, generator = self.problem.discovery_loop, torch.Generator().manual_seed(0)
        rows = draw_rows(self.bench, settings, generator)
        pool = self.bench.batch(rows.pool)
        labels = torch.rand(settings.inner_steps, settings.batch_size, 1, generator=generator)
        images = [channels_last(pool[batch]) for batch in rows.batches]
        data = InnerData(images, torch.cat([labels, 1 - labels], dim=2), channels_last(self.bench.batch(rows.held_out)))
        return data, [FlatNetwork(self.bench.build(2, seed), data.held_out[:2]) for seed in (1, 2)]

    def meta_step(self) -> Work:
        task = self.make_task()
        return lambda: take_step(self.bench, self.problem.discovery_loop, time.monotonic(), task)

    def refinement_step(self) -> Work:
        task = self.make_refinement()
        return lambda: take_step(self.bench, self.problem.refinement_loop, time.monotonic(), task)

    def encoder(self) -> Work:
        """What a meta-step takes of its encoder: a pass over pool and held-out rows, and its reverse."""
        task, settings = self.make_task(), self.problem.discovery_loop
        rows = draw_rows(self.bench, settings, torch.Generator().manual_seed(0))

        def look() -> None:
            task.encoder.zero_grad()
            task.objective.look(task, rows).margins.sum().backward()  # type: ignore[no-untyped-call]

        return look

    def inner_training(self) -> Work:
        data, (network, _) = self.draw_inner()
        kept = network.weights.clone()

        def train() -> None:
            network.weights.copy_(kept)
            train_inner(network, data, self.problem.discovery_loop.inner_learning_rate)

        return train

    def reverse(self, method: str) -> Work:
        data, networks = self.draw_inner()
        paths = [train_inner(network, data, self.problem.discovery_loop.inner_learning_rate) for network in networks]
        value = divergence(*(predict_held_out(network, data) for network in networks))
        adjoint, kept = networks[0].flat_grad(value), networks[0].weights.clone()

        def go_back() -> None:
            networks[0].weights.copy_(kept)
            reverse_inner(paths[0], data, adjoint, method, self.problem.discovery.epsilon)

        return go_back

    def reverse_one_sided(self) -> Work:
        return self.reverse("one-sided")

    def reverse_central(self) -> Work:
        return self.reverse("central")

    def training(self) -> Work:
        targets, rows = self.bench.targets, torch.arange(self.bench.n_points // 2)
        return lambda: self.bench.fit(targets, rows, self.bench.target.n_outputs, 0)

    def confusion(self) -> Work:
        return lambda: measure_confusion(self.bench, SearchConfig().confusion_rows)

    def search(self) -> Work:
        others = [replace(self.candidate, class_sides=tuple(np.roll(SIDES, k).tolist())) for k in range(2)]
        return lambda: search_candidates(self.space, others, SearchConfig())

    def tangent(self) -> Work:
        """All tasks, as if there were as few rows as have them."""
        config = TangentConfig().for_points(FEW_POINTS - 1)
        return lambda: find_tangent_tasks(self.space, [SIDES], config, SearchConfig())

    def sharpening(self) -> Work:
        """All rounds, as if there were as many rows as have them."""
        config = replace(SharpeningConfig(), rounds=settled(SharpeningConfig().for_points(FEW_POINTS).rounds))
        return lambda: sharpen_candidates(self.space, [self.candidate] * config.candidates, config, SearchConfig())

    def agreement(self) -> Work:
        return lambda: score_agreement(self.bench, (self.margins[:, 0] > 0).astype(np.int64))

    def scoring(self) -> Work:
        encoder = self.make_task().encoder
        return lambda: score_margins(encoder, self.bench)

    def verification(self) -> Work:
        split = self.make_split()
        return lambda: verify_split(self.bench, split, VerificationConfig(seeds=2))

    def explanation(self) -> Work:
        return lambda: explain_task(gather_evidence(self.bench.dataset), "task 0", self.margins[:, 0])

    def report(self) -> Work:
        dataset, folder = self.bench.dataset, RunFolder(Path(), self.make_split(), None, {})
        explanations = [explain_task(gather_evidence(dataset), "task 0", self.margins[:, 0])]

        def write() -> None:
            with tempfile.TemporaryDirectory() as home:
                write_report(Path(home) / "report.html", folder, dataset, explanations)

        return write


STAGES = [name for name in vars(Stages) if not name.startswith(("_", "make", "draw")) and name != "reverse"]


def time_yardstick() -> float:
    """Seconds of plain SGD steps of a small convolutional network on noise, in plain torch."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 16, 3, 2, 1), nn.SiLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.SiLU(), nn.Flatten()]
    network, images = nn.Sequential(*layers, nn.Linear(32 * 49, 10)), torch.randn(128, 1, 28, 28)
    labels, optimizer = torch.randint(10, (128,)), torch.optim.SGD(network.parameters(), 0.01)
    start = time.perf_counter()
    for _ in range(YARDSTICK_STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return time.perf_counter() - start


def measure(name: str, stage: str, given: argparse.Namespace) -> None:
    """One stage on one dataset, in this process; prints a line of JSON."""
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as cache:
        if stage == "opening":
            work: Work = lambda: open_data(name, given.cifar10, Path(tempfile.mkdtemp(dir=cache)))  # noqa: E731
        else:
            bench = make_bench(open_data(name, given.cifar10, Path(cache)), find_model("conv"))
            work = getattr(Stages(bench), stage)()
        time_yardstick()
        work()  # warm
        rows = []
        for _ in range(given.repeats):
            yardstick, start, cpu = time_yardstick(), time.perf_counter(), time.process_time()
            work()
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            yardstick = (yardstick + time_yardstick()) / 2
            rows.append({"seconds": seconds, "cpu_seconds": cpu, "units": seconds / yardstick})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"data": name, "stage": stage, "peak_bytes": peak, "repeats": rows}))


def run_all(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Every stage asked for, each in a process of its own."""
    print("| data | stage | seconds | CPU | units (range) | peak MiB |\n|---|---|---|---|---|---|", flush=True)
    found = []
    for name in given.data:
        for stage in given.stages:
            call = [sys.executable, __file__, "--one", name, stage, "--repeats", str(given.repeats)]
            call += ["--threads", str(given.threads), "--cifar10", str(given.cifar10)]
            done = subprocess.run(call, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{name}, {stage}: {done.stderr.strip()}")
            row = json.loads(done.stdout.splitlines()[-1])
            found.append(row)
            seconds, cpu, units = (pick(row, key) for key in ("seconds", "cpu_seconds", "units"))
            told = f"{median(units):.2f} ({min(units):.2f} to {max(units):.2f})"
            peak = row["peak_bytes"] / 2**20
            print(f"| {name} | {stage} | {median(seconds):.3f} | {median(cpu):.3f} | {told} | {peak:.0f} |", flush=True)
    return found


def pick(row: dict[str, Any], key: str) -> list[float]:
    return [repeat[key] for repeat in row["repeats"]]


def median(values: list[float]) -> float:
    return statistics.median(values)


def compare(before: Path, after: Path) -> None:
    """The ratio of units and of memory, for what both files have."""
    first, second = (
        {(row["data"], row["stage"]): row for row in json.loads(path.read_text())["stages"]} for path in (before, after)
    )
    print("| data | stage | units, after over before | peak memory |\n|---|---|---|---|")
    for key in (key for key in first if key in second):
        units = median(pick(second[key], "units")) / median(pick(first[key], "units"))
        peak = second[key]["peak_bytes"] / first[key]["peak_bytes"]
        print(f"| {key[0]} | {key[1]} | {units:.2f} | {peak:.2f} |")


def main() -> None:
    stages = ["opening", *STAGES]
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="*", default=["digits", "fashion", "cifar10"])
    parser.add_argument("--stages", nargs="*", default=stages, choices=stages)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cifar10", type=Path, default=Path(__file__).parents[2].parent / "shared/data/cifar10")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, stage = given.one
        measure(name, stage, given)
    elif given.compare:
        compare(*given.compare)
    else:
        found = run_all(given)
        if given.out is not None:
            described = {"torch": torch.__version__, "threads": given.threads, "stages": found}
            given.out.write_text(json.dumps(described, indent=1))


if __name__ == "__main__":
    main()
