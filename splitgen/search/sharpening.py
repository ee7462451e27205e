"""Sharpening: a task becomes what networks make of it.

The margins of an encoder leave a part of each class near the boundary, where train and test look alike. In
each round networks of the target architecture are trained on the task's labels, and the margins become
their logits for rows that they were not trained on: a row that networks would put on the other side goes
there, the others move away from the boundary. A task with an agreement score of 1 stays as it is, so this
is a step from the task towards one that networks generalise on, taken on the datapoints instead of the encoder.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import median

from splitgen.parallel import map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.search.candidates import Candidate, SearchSpace, train_round
from splitgen.settings.presets import settled
from splitgen.settings.stages import SharpeningConfig


def sharpen_candidates(
    space: SearchSpace,
    candidates: Sequence[Candidate],
    config: SharpeningConfig,
    n_rows: int,
    round_: int,
    on_fit: Callable[[], None] | None = None,
    seconds: float | None = None,
) -> list[Candidate]:
    """The candidates after each round, trained as in a round of search on n_rows rows.

    From the second round on, the best of the first goes on alone. seconds: no round begins, after the first, that would
    end later than this.
    """
    found: list[Candidate] = []
    start = before = time.monotonic()
    for number in range(1, settled(config.rounds) + 1):
        sharpened = [
            replace(
                candidate,
                own_margins=sharpen_margins(space, candidate.margins(space.margins), config, number, on_fit),
                sharpened=number,
                test_accuracies=(),
            )
            for candidate in candidates
        ]
        judged = train_round(space, sharpened, n_rows, round_, on_fit)
        now, n_sharpened = time.monotonic(), len(candidates)
        candidates = [min(judged, key=lambda candidate: candidate.test_accuracies[-1])]
        found += judged
        if seconds is not None and now - start + (now - before) / n_sharpened > seconds:
            break
        before = now
    return found


def count_sharpening_fits(n_candidates: int, config: SharpeningConfig) -> int:
    """Trainings in all rounds."""
    rounds = settled(config.rounds)
    return (n_candidates + rounds - 1) * (config.folds * config.networks + 1) if rounds else 0


def sharpen_margins(
    space: SearchSpace,
    margins: np.ndarray,
    config: SharpeningConfig,
    round_: int = 1,
    on_fit: Callable[[], None] | None = None,
) -> np.ndarray:
    """One round: float32 [N], the logit of class 1 less that of class 0, added up over the networks that were trained
    on the other folds.

    margins: [N]. The labels are 1 above the class's median margin, so that every class is halved.
    """
    bench = space.bench
    task_labels = torch.from_numpy(halve_classes(margins, bench.dataset.labels)).to(bench.device)
    folds = draw_folds(len(margins), bench.groups, config.folds, stream_generator(bench.seed, "sharpen", round_))

    def score_fold(which: tuple[int, int]) -> torch.Tensor:
        fold, network_number = which
        seed = stream_seed(bench.seed, "sharpen", round_, fold, network_number)
        others = torch.from_numpy(np.flatnonzero(folds != fold)).to(bench.device)
        network = bench.fit(task_labels, others, 2, seed)
        logits = bench.predict_logits(network, torch.from_numpy(np.flatnonzero(folds == fold)))
        return logits[:, 1] - logits[:, 0]

    sharper = np.zeros(len(margins), dtype=np.float32)
    networks = list(itertools.product(range(config.folds), range(config.networks)))
    for (fold, _), values in zip(networks, map_threads(score_fold, networks, on_fit), strict=True):
        sharper[folds == fold] += values.numpy()
    return sharper


def halve_classes(margins: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 for rows above the median margin of their class, else 0; int64 [N]. margins [N]; labels int [N]."""
    present, which = np.unique(labels, return_inverse=True)
    medians = np.asarray(median(margins, labels, present))
    halves: np.ndarray = (margins > medians[which]).astype(np.int64)
    return halves


def draw_folds(n_points: int, groups: np.ndarray | None, n_folds: int, generator: torch.Generator) -> np.ndarray:
    """The fold 0..n_folds-1 of each row, int64 [N], of about the same size; rows of a group share one."""
    codes = np.arange(n_points) if groups is None else np.unique(groups, return_inverse=True)[1]
    order = torch.randperm(int(codes.max()) + 1, generator=generator).numpy()
    folds: np.ndarray = (order % n_folds)[codes]
    return folds
