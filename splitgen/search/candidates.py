"""Which discovered task, with which class sides, makes the strongest split (docs/method.md, section 6).

Where there are many candidates, a linear classifier of the pixels says which are worth a training. They
are compared by really training the target model, on few rows first and on more for the best (successive
halving). The random streams are named "search", so that the trainings of the verification, which have
streams of their own, judge a winner that never saw them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifier

from splitgen.data.target import LABEL
from splitgen.keeping import Slot, State
from splitgen.models.bench import Bench
from splitgen.parallel import map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.settings.stages import RANDOM, SearchConfig, SelectionConfig
from splitgen.splits.scores import score_datapoints
from splitgen.splits.selection import EmptyPartError, Selection, select_split

MAX_PREDICTOR_ROWS = 2_000
RIDGE = 100.0
NO_SPLIT = 2.0  # in place of a test accuracy, and worse than any


@dataclass(frozen=True)
class Candidate:
    """A task with class sides, and the test accuracy of the target model in each round it took part in.

    task: 0..K-1, or None for one that is not among the discovered; draw tells several of those apart.
    class_sides: [C] of -1 and +1. test_accuracies: one a round. final_accuracies: of the last judging, if it took part.
    own_margins: the margins are not those of `SearchSpace.margins` but these, [N], after so many meta-steps
        of refinement, steps in the tangent space, and rounds of sharpening.
    """

    task: int | None
    class_sides: tuple[int, ...]
    test_accuracies: tuple[float, ...] = ()
    own_margins: np.ndarray | None = None
    meta_steps: int = 0
    sharpened: int = 0
    draw: int = 0
    tangent_steps: int = 0
    final_accuracies: tuple[float, ...] = ()

    @property
    def accuracy(self) -> float:
        """What tells how strong it is, lower being stronger: of the last round it took part in, and of the last
        judging, the mean test accuracy."""
        return float(np.mean([self.test_accuracies[-1], *self.final_accuracies]))

    def margins(self, discovered: np.ndarray) -> np.ndarray:
        """Task margins [N]; discovered: those of all tasks, [N, K]."""
        return discovered[:, self.task] if self.own_margins is None else self.own_margins

    @property
    def name(self) -> str:
        """For people: "task 0", "task 0 refined, sharpened", "new task 0" for one that refinement began, or "tangent
        task 0" for one of the tangent space."""
        kind = "tangent" if self.tangent_steps > 0 else "new"
        name = f"{kind} task {self.draw}" if self.task is None else f"task {self.task}"
        done = {"refined": self.meta_steps > 0 and self.task is not None, "sharpened": self.sharpened > 0}
        return f"{name} {', '.join(step for step, is_done in done.items() if is_done)}".strip()

    @property
    def is_refined(self) -> bool:
        """By the failure of the target model."""
        return self.meta_steps > 0 or self.tangent_steps > 0

    def describe(self) -> dict[str, Any]:
        """As the JSON of a run has it."""
        return {
            "task": self.task,
            "class_sides": list(self.class_sides),
            "refined": self.is_refined,
            "draw": self.draw,
            "meta_steps": self.meta_steps,
            "tangent_steps": self.tangent_steps,
            "sharpened": self.sharpened,
            "test_accuracies": list(self.test_accuracies),
            "final_accuracies": list(self.final_accuracies),
        }


@dataclass(frozen=True)
class SearchSpace:
    """What all candidates share: the bench, the margins of the tasks found, [N, K], and the sizes wanted."""

    bench: Bench
    margins: np.ndarray
    selection: SelectionConfig


def list_candidates(n_tasks: int, cuts: Sequence[np.ndarray], signs: Sequence[int] = (1, -1)) -> list[Candidate]:
    """Every task with every cut and both signs: train and test exchanged is another split."""
    return [
        Candidate(task, tuple(int(s) for s in sign * cut)) for task in range(n_tasks) for cut in cuts for sign in signs
    ]


@dataclass(frozen=True)
class CutPlan:
    """How many class cuts are tried, with how many signs each. by_confusion: they are found by that of the target
    model, which is a training of its own."""

    n_cuts: int
    n_signs: int
    by_confusion: bool

    def count_candidates(self, n_tasks: int) -> int:
        """How many `list_candidates` gives."""
        return n_tasks * self.n_cuts * self.n_signs


def plan_cuts(config: SearchConfig, target: str) -> CutPlan:
    """Both signs of the sides that a binary target has, drawn sides as they are, or the best cuts of the confusion."""
    if target != LABEL:
        return CutPlan(1, 2, by_confusion=False)
    if config.class_sides == RANDOM:
        return CutPlan(1, 1, by_confusion=False)  # the other sign is another draw
    return CutPlan(config.n_cuts, 2, by_confusion=True)


def count_fits(n_candidates: int, config: SearchConfig) -> list[int]:
    """Trainings in each round."""
    counts = [min(n_candidates, config.max_trained)]
    for keep in config.keep:
        counts.append(min(keep, counts[-1]))
    return counts


def search_candidates(
    space: SearchSpace,
    candidates: Sequence[Candidate],
    config: SearchConfig,
    on_fit: Callable[[], None] | None = None,
) -> list[Candidate]:
    """All candidates, strongest first; those of the last round come before those that fell out earlier."""
    running, fallen = preselect(space, candidates, config.max_trained)
    for round_ in range(len(config.rows)):
        if round_ > 0:
            keep = config.keep[round_ - 1]
            running, out = running[:keep], running[keep:]
            fallen = out + fallen
        scored = train_round(space, running, config, round_, on_fit)
        running = sorted(scored, key=lambda candidate: candidate.accuracy)
    return running + fallen


def preselect(
    space: SearchSpace, candidates: Sequence[Candidate], max_trained: int
) -> tuple[list[Candidate], list[Candidate]]:
    """At most so many candidates to be trained, by the lowest predicted test accuracy, and the others."""
    if len(candidates) <= max_trained:
        return list(candidates), []
    predicted = list(map_threads(partial(predict_test_accuracy, space), candidates))
    order = sorted(range(len(candidates)), key=predicted.__getitem__)
    ranked = [candidates[which] for which in order]
    return ranked[:max_trained], ranked[max_trained:]


def predict_test_accuracy(space: SearchSpace, candidate: Candidate) -> float:
    """Test accuracy of a ridge classifier of the pixels: a cheap stand-in for the target model's."""
    try:
        _, selection = select_candidate(space, candidate)
    except EmptyPartError:
        return NO_SPLIT
    bench, targets = space.bench, space.bench.target.values
    generator = stream_generator(bench.seed, "search", "predict")
    train, test = (
        draw_some(np.flatnonzero(selection.parts == part), MAX_PREDICTOR_ROWS, generator) for part in ("train", "test")
    )

    def predict(_: Slot) -> State:
        classifier = RidgeClassifier(alpha=RIDGE).fit(bench.batch(train).flatten(1).cpu().numpy(), targets[train])
        accuracy = classifier.score(bench.batch(test).flatten(1).cpu().numpy(), targets[test])
        return State(told={"accuracy": float(accuracy)})

    return float(bench.recall(("predicted", train, test), predict).told["accuracy"])


def train_round(
    space: SearchSpace,
    candidates: Sequence[Candidate],
    config: SearchConfig,
    round_: int,
    on_fit: Callable[[], None] | None = None,
) -> list[Candidate]:
    """The candidates, each with the test accuracy of one more round, side by side."""
    accuracies = map_threads(partial(try_candidate, space, config=config, round_=round_), candidates, on_fit)
    return [
        replace(candidate, test_accuracies=(*candidate.test_accuracies, accuracy))
        for candidate, accuracy in zip(candidates, accuracies, strict=True)
    ]


def judge_candidates(
    space: SearchSpace,
    candidates: Sequence[Candidate],
    config: SearchConfig,
    on_fit: Callable[[], None] | None = None,
) -> list[Candidate]:
    """The candidates, each with one more test accuracy, as the last round of a search has it."""
    return train_round(space, candidates, config, len(config.rows) - 1, on_fit)


def add_candidates(ranked: Sequence[Candidate], others: Sequence[Candidate], config: SearchConfig) -> list[Candidate]:
    """Ranked candidates with refined and sharpened ones among them, which were trained as in the search's last round.

    So a refinement or a sharpening that made nothing better is not taken.
    """
    judged = [candidate for candidate in (*others, *ranked) if was_judged(candidate, config)]
    fallen = [candidate for candidate in ranked if not was_judged(candidate, config)]
    return sorted(judged, key=lambda candidate: candidate.accuracy) + fallen


def was_judged(candidate: Candidate, config: SearchConfig) -> bool:
    """Whether it was trained as in the search's last round."""
    return candidate.own_margins is not None or len(candidate.test_accuracies) == len(config.rows)


def select_candidate(space: SearchSpace, candidate: Candidate) -> tuple[np.ndarray, Selection]:
    """Datapoint scores [N] and the selection of a candidate."""
    bench, sides = space.bench, np.array(candidate.class_sides)
    dataset = bench.dataset
    scores = score_datapoints(candidate.margins(space.margins), dataset.labels, sides)
    return scores, select_split(
        scores,
        dataset.labels,
        dataset.ids,
        space.selection,
        seed=bench.seed,
        groups=bench.groups,
        class_names=dataset.class_names,
    )


def try_candidate(
    space: SearchSpace, candidate: Candidate, *, config: SearchConfig, round_: int, trial: int = 0
) -> float:
    """Test accuracy of the target model trained on some of the candidate's train rows; `NO_SPLIT` of a candidate that
    gives none. trial: another number is of other rows and another network."""
    try:
        _, selection = select_candidate(space, candidate)
    except EmptyPartError:
        return NO_SPLIT
    bench = space.bench
    stream = (round_, "trial", trial) if trial else (round_,)
    generator = stream_generator(bench.seed, "search", *stream)
    train = draw_some(np.flatnonzero(selection.parts == "train"), config.rows[round_], generator).to(bench.device)
    test = draw_some(np.flatnonzero(selection.parts == "test"), config.test_rows, generator).to(bench.device)
    seed = stream_seed(bench.seed, "search", "fit", *stream)

    def judge(slot: Slot) -> State:
        recipe = bench.training.for_trials()
        network = bench.fit(bench.targets, train, bench.target.n_outputs, seed, recipe, slot)
        return State(told={"accuracy": bench.score_accuracy(network, bench.targets, test)})

    return float(bench.recall(("search", train, test, seed), judge).told["accuracy"])


def draw_some(rows: np.ndarray, n_rows: int, generator: torch.Generator) -> torch.Tensor:
    """At most n_rows of the rows at random."""
    return torch.from_numpy(rows)[torch.randperm(len(rows), generator=generator)[:n_rows]]
