"""How fast this machine trains the target model: what stages are planned and foretold by."""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from splitgen.models.bench import Bench
from splitgen.models.linearization import measure_gradient, measure_ridge
from splitgen.models.training import PREDICTION_CHUNK, count_epochs, steps_per_epoch
from splitgen.parallel import count_workers, map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.settings.stages import TrainingConfig

SPELLS = 3  # of training, at least; their median counts, as a moment may be busy with something else
SPELL_SECONDS = 0.3
ALL_SECONDS = 2.4  # of all spells, where more than the fewest are fitted in
MAX_STEPS = 128
FEWEST_OF_BATCH = 2  # rows, of which a batch norm has statistics
FEWER = 4  # times fewer rows of a step, in a second measurement: it tells what a step takes however few there are
ALONE = 0.64  # of the time that a training takes beside another, what it takes with both threads (measured with two)


@dataclass(frozen=True)
class Pace:
    """Seconds of a training step and of a row's prediction while every worker is busy with one of its own.

    batch_size: of the step. workers: trainings side by side. overhead_seconds: of the step, what it takes however few
    rows there are. look_seconds: of a row in a pass of the task encoder and its gradient. ridge_seconds: of a ridge
    regression of `MEASURED_ROWS` rows and its gradient, gradient_seconds: of the gradient of a row by itself; 0 both
    where another model finds tasks.
    of_finder: the pace of that model; None: the target model does.
    """

    step_seconds: float
    row_seconds: float
    batch_size: int
    workers: int
    overhead_seconds: float = 0.0
    look_seconds: float = 0.0
    ridge_seconds: float = 0.0
    gradient_seconds: float = 0.0
    of_finder: Pace | None = None

    @property
    def finder(self) -> Pace:
        """Of the trainings in which tasks are found, refined and sharpened."""
        return self if self.of_finder is None else self.of_finder

    def step_on(self, n_rows: int) -> float:
        """Seconds of a step on so many rows."""
        return self.overhead_seconds + (self.step_seconds - self.overhead_seconds) * n_rows / self.batch_size

    def fit_seconds(self, n_rows: int, recipe: TrainingConfig, n_predicted: float = 0) -> float:
        """Of one training on n_rows rows by a recipe, and of so many predictions of its network."""
        steps = count_epochs(n_rows, recipe) * steps_per_epoch(n_rows, recipe.batch_size)
        return steps * self.step_on(min(recipe.batch_size, n_rows)) + n_predicted * self.row_seconds

    def fits_seconds(self, n_fits: int, n_rows: int, recipe: TrainingConfig, n_predicted: float = 0) -> float:
        """Of so many alike, side by side. Fewer than there are workers share the threads of all."""
        one = self.fit_seconds(n_rows, recipe, n_predicted)
        return one * (max(ALONE, n_fits / self.workers) if n_fits < self.workers else math.ceil(n_fits / self.workers))


def read_pace(told: Mapping[str, Any]) -> Pace:
    """A pace as `dataclasses.asdict` tells it."""
    of_finder = told["of_finder"]
    return Pace(**{**told, "of_finder": None if of_finder is None else read_pace(of_finder)})


def measure_pace(bench: Bench) -> Pace:
    """Train a few steps and predict some rows, as many networks at a time as the machine has workers.

    Raises what a training raises: `TrainingError`, and what the code of a user's model does.
    """
    workers, batch_size = count_workers(bench.n_points), bench.training.batch_size
    order = torch.randperm(bench.n_points, generator=stream_generator(bench.seed, "pace")).to(bench.device)
    seeds = [stream_seed(bench.seed, "pace", which) for which in range(workers)]
    networks = [bench.build(bench.target.n_outputs, seed) for seed in seeds]

    def train(n_steps: int, batch_size: int) -> float:
        """Mean seconds of the trainings: each ends by itself in a long one, and none waits for the other."""
        rows = order.repeat(math.ceil(n_steps * batch_size / len(order)))[: n_steps * batch_size]
        recipe = replace(bench.training, epochs=1, batch_size=batch_size)

        def train_one(network: nn.Module) -> float:
            start = time.monotonic()
            bench.train(network, bench.targets, rows, bench.seed, recipe)
            return time.monotonic() - start

        return statistics.fmean(map_threads(train_one, networks))

    def predict() -> float:
        start = time.monotonic()
        list(map_threads(lambda network: bench.predict(network, order[:PREDICTION_CHUNK]), networks))
        return time.monotonic() - start

    train(1, batch_size)  # what is loaded and laid out once does not count
    n_steps = min(MAX_STEPS, math.ceil(SPELL_SECONDS / train(1, batch_size)))
    spells: list[float] = []
    while len(spells) < SPELLS or sum(spells) < ALL_SECONDS:
        spells.append(train(n_steps, batch_size))
    step_seconds, few = statistics.median(spells) / n_steps, max(FEWEST_OF_BATCH, batch_size // FEWER)
    short = statistics.median(train(n_steps, few) for _ in range(SPELLS)) / n_steps
    overhead = (short * batch_size - step_seconds * few) / (batch_size - few) if few < batch_size else 0.0
    row_seconds = min(predict() for _ in range(2)) / min(PREDICTION_CHUNK, len(order))
    pace = Pace(
        step_seconds,
        row_seconds,
        min(batch_size, len(order)),
        workers,
        overhead_seconds=min(max(0.0, overhead), step_seconds),
    )
    if bench.finder is not bench:
        return replace(pace, of_finder=measure_pace(bench.finder))
    fits = map_threads(lambda _: list(measure_ridge(bench.target.n_outputs)), range(workers))
    ridge_seconds = statistics.median(itertools.chain.from_iterable(fits))
    return replace(pace, ridge_seconds=ridge_seconds, gradient_seconds=measure_gradient(bench))
