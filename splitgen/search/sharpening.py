"""Sharpening: a task becomes what networks make of it.

The margins of an encoder leave a part of each class near the boundary, where train and test look alike. In
each round networks of the target architecture, or of the one that finds tasks, are trained on the task's labels,
and the margins become their logits for rows that they were not trained on: a row that networks would put on the other
side goes there, the others move away from the boundary. A task with an agreement score of 1 stays as it is, so this
is a step from the task towards one that networks generalise on, taken on the datapoints instead of the encoder.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from scipy.ndimage import median
from torch import nn

from splitgen.keeping import Slot, State, digest_parts
from splitgen.models.snapshots import put_module, take_module
from splitgen.models.training import count_epochs
from splitgen.parallel import map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.search.candidates import Candidate, SearchSpace, judge_candidates
from splitgen.settings.presets import settled
from splitgen.settings.stages import EQUALITY, SearchConfig, SharpeningConfig, TrainingConfig
from splitgen.tasks.agreement import read_task_labels


def sharpen_candidates(
    space: SearchSpace,
    candidates: Sequence[Candidate],
    config: SharpeningConfig,
    search: SearchConfig,
    on_fit: Callable[[], None] | None = None,
    seconds: float | None = None,
) -> list[Candidate]:
    """The candidates after each round, judged as in the last round of a search.

    From the second round on, the best of the first goes on alone. seconds: no round begins, after the first, that would
    end later than this.
    """
    found: list[Candidate] = []
    running = [(candidate, Sharpener(space, config)) for candidate in candidates]
    start = before = time.monotonic()
    for number in range(1, settled(config.rounds) + 1):
        sharpened = [
            replace(
                candidate,
                own_margins=sharpener.sharpen(candidate.margins(space.margins), on_fit),
                sharpened=number,
                test_accuracies=(),
                final_accuracies=(),
            )
            for candidate, sharpener in running
        ]
        judged = judge_candidates(space, sharpened, search, on_fit)
        now, n_sharpened = time.monotonic(), len(running)
        best = min(range(n_sharpened), key=lambda which: judged[which].accuracy)
        running = [(judged[best], running[best][1])]
        found += judged
        is_over = seconds is not None and now - start + (now - before) / n_sharpened > seconds
        if space.bench.keeper.decide(f"sharpening ends at {number}", partial(bool, is_over)):
            break
        before = now
    return found


def choose_sharpened(ranked: Sequence[Candidate], n_candidates: int) -> list[Candidate]:
    """The best of ranked candidates, one of each origin: states of one refinement are alike, and a task as it was
    discovered may gain the more from sharpening where a refined one is stronger before."""
    best: dict[tuple[object, ...], Candidate] = {}
    for candidate in ranked:
        origin = (candidate.task, candidate.draw, candidate.is_refined, candidate.class_sides)
        best.setdefault(origin, candidate)
    return list(best.values())[:n_candidates]


def count_sharpening_fits(n_candidates: int, config: SharpeningConfig) -> int:
    """Trainings in all rounds."""
    rounds = settled(config.rounds)
    return (n_candidates + rounds - 1) * (config.folds * config.networks + 1) if rounds else 0


def shorten_recipe(recipe: TrainingConfig, n_rows: int, share: float) -> TrainingConfig:
    """The recipe of a task with a share of the epochs that it takes on so many rows, and at least one."""
    of_task = recipe.for_tasks()
    return replace(of_task, epochs=max(1, round(share * count_epochs(n_rows, of_task))))


class Sharpener:
    """The networks that sharpen one task, round after round: some for each fold of the rows, trained on the others.

    A row keeps its fold, so that in no round a network has seen the rows that it gives margins to.
    """

    def __init__(self, space: SearchSpace, config: SharpeningConfig) -> None:
        self.bench, self.config, self.rounds = space.bench.finder, config, 0
        self.keeps_sides = space.selection.rule == EQUALITY
        generator = stream_generator(self.bench.seed, "sharpen")
        self.folds = draw_folds(self.bench.n_points, self.bench.groups, config.folds, generator)
        self.networks: dict[tuple[int, int], nn.Module] = {}
        self.taught: list[str] = []  # digests of the labels of all rounds: what a network has become depends on each

    def sharpen(self, margins: np.ndarray, on_fit: Callable[[], None] | None = None) -> np.ndarray:
        """One round: float32 [N], the logit of class 1 less that of class 0, added up over the networks of the other
        folds, which are trained on from where the round before left them.

        margins: [N]. The labels are 1 above the class's median margin, so that every class is halved; by the rule
        "equality", above 0, as the task has them.
        """
        self.rounds += 1
        labels = self.bench.dataset.labels
        classes = read_task_labels(margins) if self.keeps_sides else halve_classes(margins, labels)
        task_labels = torch.from_numpy(classes).to(self.bench.device)
        self.taught.append(digest_parts(task_labels))
        which = list(itertools.product(range(self.config.folds), range(self.config.networks)))
        logits = map_threads(partial(self.score_fold, task_labels), which, on_fit)
        sharper = np.zeros(len(margins), dtype=np.float32)
        for (fold, _), values in zip(which, logits, strict=True):
            sharper[self.folds == fold] += values.numpy()
        return sharper

    def score_fold(self, task_labels: torch.Tensor, which: tuple[int, int]) -> torch.Tensor:
        """Train a network of a fold on the rows of the others; its logits for those of the fold."""
        bench, (fold, number) = self.bench, which
        others = torch.from_numpy(np.flatnonzero(self.folds != fold)).to(bench.device)
        seed = stream_seed(bench.seed, "sharpen", self.rounds, fold, number)
        is_new = which not in self.networks
        share = self.config.first_epochs if is_new else self.config.more_epochs
        network = self.networks[which] = bench.build(2, seed) if is_new else self.networks[which]
        recipe = shorten_recipe(bench.training, len(others), share)

        def judge(slot: Slot) -> State:
            bench.train(network, task_labels, others, seed, recipe, slot)
            logits = bench.predict_logits(network, torch.from_numpy(np.flatnonzero(self.folds == fold)))
            return State({"margins": logits[:, 1] - logits[:, 0], **take_module(network, "network")})

        found = bench.recall(("sharpen", tuple(self.taught), others, recipe, seed), judge)
        put_module(network, "network", found.tensors)
        return found.tensors["margins"]


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
