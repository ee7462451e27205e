"""Honest verification: does the model fail because of the split alone? (docs/method.md, section 7)

Three trainings or more for each seed, all with the same recipe and as many rows:

- on the split's train rows, judged on held-out train rows and on the test rows;
- on random samples that leave a fold of the test rows out, judged on that fold ("recoverable");
- on a random split of the same rows and class counts, which the first of these samples is where train has the mix of
  all used rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from scipy.special import stdtrit

from splitgen.keeping import Slot, State
from splitgen.models.bench import Bench
from splitgen.models.training import predict
from splitgen.parallel import map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.settings.faults import check
from splitgen.settings.stages import VerificationConfig
from splitgen.splits.split import Split
from splitgen.verification.chance import measure_chance, tell_unlearned
from splitgen.verification.figures import FIGURES
from splitgen.verification.sampling import Rows, count_folds, draw_controls, hold_out, keeps_mix, thin_out

RECOVERABLE_MARGIN = 0.03  # how far recoverable may lie below random (docs/method.md, section 7)
CONFIDENCE = 0.95
RANGES = {"fair_drop": (-1.0, 1.0)}  # the other figures are accuracies


@dataclass(frozen=True)
class Figure:
    """One figure over the seeds: each value, their mean, and a 95 % t-interval of the mean."""

    values: tuple[float, ...]
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Verification:
    """What the trainings say of a split.

    model: the name of the model. figures: by the names of `FIGURES`; the two of the source's own test
    set only where it has one. worst_class: the class with the lowest mean test accuracy.
    imbalance: largest relative difference of a class's share of train or test from that of the source.
    chance_accuracy: of the best constant guess, the larger of that on train and that on test.
    test_confusion, random_confusion: int64 [C, n_outputs], how often a row of each source class was predicted
        as each output, summed over the seeds; on the test rows, and under the random split.
    limits: how it was made shorter than asked for, in words; the verdict tells them.
    """

    model: str
    figures: dict[str, Figure]
    worst_class: int
    imbalance: float
    n_train: int
    n_test: int
    chance_accuracy: float
    test_confusion: np.ndarray = field(compare=False)
    random_confusion: np.ndarray = field(compare=False)
    limits: tuple[str, ...] = ()

    @property
    def unlearned(self) -> str | None:
        """Why the model has not learned enough for a verdict, in words; None where it has."""
        means = {name: figure.mean for name, figure in self.figures.items()}
        learned = {
            "held-out train rows": means["train_holdout_accuracy"],
            "the test rows when it may see their like": means["recoverable_accuracy"],
        }
        return tell_unlearned(self.model, learned, self.chance_accuracy)

    @property
    def is_fair(self) -> bool:
        """Recoverable accuracy is at most 0.03 below random: the failure is not due to the rows."""
        gap = self.figures["recoverable_accuracy"].mean - self.figures["random_accuracy"].mean
        return gap >= -RECOVERABLE_MARGIN

    @property
    def is_adversarial(self) -> bool:
        """The rule of docs/method.md, section 7, of a model that has learned: fair, and the fair drop's interval lies
        above 0."""
        return self.unlearned is None and self.is_fair and self.figures["fair_drop"].low > 0

    @property
    def verdict(self) -> str:
        """The verdict in one sentence."""
        return "; ".join([self.tell_verdict(), *self.limits])

    def tell_verdict(self) -> str:
        """The verdict without the limits."""
        drop, figures = self.figures["fair_drop"], self.figures
        span = f"{100 * drop.mean:.1f} points (95 % interval {100 * drop.low:.1f} to {100 * drop.high:.1f})"
        if self.unlearned is not None:
            return f"NOT adversarial: {self.unlearned}; nothing can be said of how it fails"
        if self.is_adversarial:
            return (
                f"adversarial: fair drop {span}; when the model may see their like, the same rows are predicted with "
                f"an accuracy of {figures['recoverable_accuracy'].mean:.3f}"
            )
        if drop.low <= 0:
            return f"NOT adversarial: the fair drop, {span}, is not clearly above 0"
        return (
            f"NOT adversarial: recoverable accuracy {figures['recoverable_accuracy'].mean:.3f} lies more than "
            f"{RECOVERABLE_MARGIN} below random {figures['random_accuracy'].mean:.3f}: the rows themselves are hard"
        )


@dataclass(frozen=True)
class Trial:
    """One training of a verification: the rows trained on, and by name the rows judged.

    seed: of the training. on_own_test: it is judged on the source's own test set too.
    """

    train: torch.Tensor
    judged: dict[str, torch.Tensor]
    seed: int
    on_own_test: bool = False


def verify_split(
    bench: Bench, split: Split, config: VerificationConfig | None = None, on_fit: Callable[[], None] | None = None
) -> Verification:
    """Judge a split over `config.seeds` seeds, by its own targets. on_fit: called after each training.

    The random numbers are those of the streams "verify", which nothing else uses.
    Raises `SettingError` for settings out of range.
    """
    config = config or VerificationConfig()
    check(config)
    targets = torch.from_numpy(split.targets).to(bench.device)
    whole = take_rows(bench, split)
    rows = thin_out(whole, bench.labels, config.max_rows, stream_generator(bench.seed, "verify", "rows"))
    plans = [plan_seed(bench, rows, config, which) for which in range(config.seeds)]
    results = map_threads(partial(run_trial, bench, targets), [trial for plan in plans for trial in plan], on_fit)
    judged = [list(itertools.islice(results, len(plan))) for plan in plans]
    runs = [summarize_seed(bench, rows, results_of_seed) for results_of_seed in judged]
    per_class = np.mean([run.class_accuracies for run in runs], axis=0)
    names = [name for name in FIGURES if name in runs[0].figures]
    figures = {name: summarize([run.figures[name] for run in runs], *RANGES.get(name, (0.0, 1.0))) for name in names}
    n_train_side = len(rows.train) + len(rows.validation)
    return Verification(
        bench.model.title,
        figures,
        int(np.nanargmin(per_class)),
        measure_imbalance(split),
        n_train_side,
        len(rows.test),
        measure_chance(
            split.targets[np.isin(split.parts, ("train", "validation"))], split.targets[split.parts == "test"]
        ),
        confuse_all(bench, count_outputs(targets), plans, judged, 0, "test"),
        confuse_all(bench, count_outputs(targets), plans, judged, 1, "random"),
        tell_thinned(len(rows.used), len(whole.used)),
    )


def tell_thinned(n_judged: int, n_rows: int) -> tuple[str, ...]:
    """That not all rows took part, in words, or nothing."""
    return () if n_judged == n_rows else (f"judged by {n_judged:,} of its {n_rows:,} rows, drawn at random",)


def count_outputs(targets: torch.Tensor) -> int:
    """Outputs of a model for targets int64 [N]."""
    return int(targets.max()) + 1


def map_own_targets(bench: Bench, targets: torch.Tensor) -> torch.Tensor | None:
    """Targets int64 [M] of the source's own test set, or None where it has none; a target is a function of the label,
    and read off the rows' own, int64 [N]."""
    own = bench.dataset.own_test
    if own is None:
        return None
    target_of = torch.zeros(bench.n_classes, dtype=torch.int64)
    target_of[torch.from_numpy(bench.dataset.labels)] = targets.cpu()
    return target_of[torch.from_numpy(own.labels)]


@dataclass(frozen=True)
class SeedRun:
    """Figures of one seed by name, and the test accuracy of each source class [C] (NaN: none in test)."""

    figures: dict[str, float]
    class_accuracies: np.ndarray


def plan_seed(bench: Bench, rows: Rows, config: VerificationConfig, which: int) -> list[Trial]:
    """The trainings of one seed: on the split, then on random samples, the first of them judged as a random split."""
    seed, labels = bench.seed, bench.labels
    generator = stream_generator(seed, "verify", which)
    fitted, holdout = hold_out(rows, config.holdout_fraction, generator)
    has_own = bench.own_pixels is not None
    return [
        Trial(fitted, {"holdout": holdout, "test": rows.test}, stream_seed(seed, "verify", which, "split"), has_own),
        *(
            Trial(sample, judged, stream_seed(seed, "verify", which, "control", number), has_own and "random" in judged)
            for number, (sample, judged) in enumerate(draw_controls(labels, fitted, rows, generator))
        ),
    ]


@dataclass(frozen=True)
class TrialResult:
    """By the names of the rows judged: which of them the network gets right, and what it predicts, [n] each.
    The source's own test set, where it was judged, is "own" and has hits alone."""

    hits: dict[str, torch.Tensor]
    predicted: dict[str, torch.Tensor]


def run_trial(bench: Bench, targets: torch.Tensor, trial: Trial) -> TrialResult:
    """Train on the rows of a trial, and judge. targets: int64 [N]."""
    own_targets = map_own_targets(bench, targets) if trial.on_own_test else None

    def judge(slot: Slot) -> State:
        network = bench.fit(targets, trial.train, count_outputs(targets), trial.seed, slot=slot)
        predicted = {name: bench.predict(network, rows) for name, rows in trial.judged.items()}
        if own_targets is not None and bench.own_pixels is not None:
            every = torch.arange(len(own_targets), device=bench.device)
            predicted["own"] = predict(network, bench.own_pixels, every)
        return State(predicted)

    key = ("verify", targets, trial.train, tuple(trial.judged.items()), trial.seed, trial.on_own_test)
    predicted = dict(bench.recall(key, judge).tensors)
    hits = {name: predicted[name] == targets[rows].cpu() for name, rows in trial.judged.items()}
    if own_targets is not None and "own" in predicted:
        hits["own"] = predicted.pop("own") == own_targets
    return TrialResult(hits, predicted)


def confuse_all(
    bench: Bench,
    n_outputs: int,
    plans: Sequence[Sequence[Trial]],
    judged: Sequence[Sequence[TrialResult]],
    which: int,
    name: str,
) -> np.ndarray:
    """How often rows of a class were predicted as an output, int64 [C, n_outputs], in one trial of each plan.

    name: of the rows judged. which: the trial's position in its plan.
    """
    rows = torch.cat([plan[which].judged[name] for plan in plans])
    predicted = torch.cat([results[which].predicted[name] for results in judged])
    pairs = bench.labels[rows].cpu() * n_outputs + predicted
    return torch.bincount(pairs, minlength=bench.n_classes * n_outputs).reshape(-1, n_outputs).numpy()


def summarize_seed(bench: Bench, rows: Rows, results: Sequence[TrialResult]) -> SeedRun:
    """The figures of one seed from what `run_trial` gave for its plan."""
    on_split, *controls = (result.hits for result in results)
    on_random, folds = controls[0], [hits["fold"] for hits in controls if "fold" in hits]
    class_accuracies = score_classes(bench, on_split["test"], rows.test)
    figures = {
        "train_holdout_accuracy": share(on_split["holdout"]),
        "test_accuracy": share(on_split["test"]),
        "worst_class_accuracy": float(np.nanmin(class_accuracies)),
        "random_accuracy": share(on_random["random"]),
        "recoverable_accuracy": share(torch.cat(folds)),
    }
    figures["fair_drop"] = figures["recoverable_accuracy"] - figures["test_accuracy"]
    if "own" in on_split:
        figures["source_test_accuracy"] = share(on_split["own"])
        figures["source_test_random_accuracy"] = share(on_random["own"])
    return SeedRun(figures, class_accuracies)


def share(hits: torch.Tensor) -> float:
    """Fraction that is true."""
    return float(hits.double().mean())


def count_verification_fits(n_used: int, n_test: int, config: VerificationConfig, in_mix: bool = True) -> int:
    """Trainings that a verification takes. in_mix: see `keeps_mix`."""
    return config.seeds * ((1 if in_mix else 2) + count_folds(n_used, n_test))


def count_trials(bench: Bench, split: Split, config: VerificationConfig) -> int:
    """The same of a split that is made."""
    rows = take_rows(bench, split)
    return count_verification_fits(len(rows.used), len(rows.test), config, keeps_mix(bench.labels, rows))


def take_rows(bench: Bench, split: Split) -> Rows:
    """The rows of a split's parts, on the bench's device."""
    groups = None if bench.groups is None else torch.from_numpy(bench.groups).to(bench.device)
    train, validation, test = (
        torch.from_numpy(split.indices(part)).to(bench.device) for part in ("train", "validation", "test")
    )
    return Rows(train, validation, test, groups)


def score_classes(bench: Bench, hits: torch.Tensor, rows: torch.Tensor) -> np.ndarray:
    """Accuracy of each source class [C] from the hits [n] on some rows [n]; NaN for a class without rows."""
    labels, n_classes = bench.labels[rows].cpu(), bench.n_classes
    right = torch.bincount(labels[hits], minlength=n_classes).double()
    return (right / torch.bincount(labels, minlength=n_classes)).numpy()


def summarize(values: list[float], least: float = 0.0, most: float = 1.0) -> Figure:
    """Mean and t-interval of a figure over the seeds. The interval ends where the figure's range does."""
    mean = float(np.mean(values))
    half = float(stdtrit(len(values) - 1, 0.5 + CONFIDENCE / 2)) * float(np.std(values, ddof=1))
    half /= math.sqrt(len(values))
    return Figure(tuple(values), mean, max(least, mean - half), min(most, mean + half))


def measure_imbalance(split: Split) -> float:
    """Largest relative difference between a class's share of train, or of test, and of the source."""
    source = np.bincount(split.labels) / split.n_points
    worst = 0.0
    for parts in (("train", "validation"), ("test",)):
        labels = split.labels[np.isin(split.parts, parts)]
        shares = np.bincount(labels, minlength=len(source)) / max(1, len(labels))
        worst = max(worst, float(np.max(np.abs(shares - source)[source > 0] / source[source > 0])))
    return worst
