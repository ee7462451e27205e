"""The agreement score of a task (docs/method.md, section 2; the paper, section 3.1)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from splitgen.keeping import Slot, State
from splitgen.models.bench import Bench
from splitgen.models.training import count_epochs
from splitgen.parallel import map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.settings.faults import check
from splitgen.settings.presets import MAX_EPOCHS
from splitgen.settings.stages import AgreementConfig, TrainingConfig
from splitgen.tasks.terms import cohen_kappa, prediction_agreement

CONVERGENCE_EPOCHS = 60  # of a task that the target model's recipe does not fit: until noise is fitted, too


@dataclass(frozen=True)
class AgreementScore:
    """How far networks trained on a task agree on datapoints that they were not trained on.

    task: "task 0", "target", ...
    agreement_score: mean over all pairs of networks, 0..1.
    kappa: mean of Cohen's kappa over the pairs; 0 means no more than chance.
    train_accuracy: the lowest of the networks, on the rows that they were trained on.
    holdout_accuracy: mean over the networks, on the held-out rows.
    class_balance: share of each of the task's classes.
    fitted: train_accuracy reached `AgreementConfig.min_train_accuracy`; else the score says little, as
        two constants agree.
    """

    task: str
    agreement_score: float
    kappa: float
    train_accuracy: float
    holdout_accuracy: float
    class_balance: tuple[float, ...]
    fitted: bool


def score_agreement(
    bench: Bench,
    task_labels: np.ndarray,
    config: AgreementConfig | None = None,
    *,
    task: str = "task",
    on_fit: Callable[[], None] | None = None,
) -> AgreementScore:
    """Train networks on a part of the rows and compare their predictions on the rest; all tasks of a bench share the
    rows.

    task_labels: int [N], classes 0..K-1. on_fit: called after each training, of which a task that takes longer to fit
        has more than `config.networks`.
    Raises `SettingError` for settings out of range.
    """
    config = config or AgreementConfig()
    check(config)
    targets = torch.from_numpy(np.asarray(task_labels, dtype=np.int64)).to(bench.device)
    n_outputs = int(targets.max()) + 1
    train, holdout = draw_parts(len(targets), config, bench.seed, bench.device)

    def train_network(recipe: TrainingConfig, which: int) -> tuple[float, torch.Tensor]:
        seed = stream_seed(bench.seed, "agreement", task, which)

        def judge(slot: Slot) -> State:
            network = bench.fit(targets, train, max(2, n_outputs), seed, recipe, slot)
            accuracy = bench.score_accuracy(network, targets, train)
            return State({"predicted": bench.predict(network, holdout)}, {"train_accuracy": accuracy})

        found = bench.recall(("agreement", targets, train, holdout, recipe, seed), judge)
        return found.told["train_accuracy"], found.tensors["predicted"]

    for epochs in count_epochs_to_converge(len(train), config, bench.training):
        recipe = replace(bench.training.for_tasks(), epochs=epochs)
        trained = list(map_threads(partial(train_network, recipe), range(config.networks), on_fit))
        train_accuracies, predictions = zip(*trained, strict=True)
        if min(train_accuracies) >= config.min_train_accuracy:
            break
    pairs = list(itertools.combinations(predictions, 2))
    return AgreementScore(
        task,
        float(np.mean([prediction_agreement(a, b) for a, b in pairs])),
        float(np.mean([cohen_kappa(a, b, max(2, n_outputs)) for a, b in pairs])),
        min(train_accuracies),
        float(np.mean([prediction_agreement(p, targets[holdout].cpu()) for p in predictions])),
        tuple((torch.bincount(targets, minlength=n_outputs).double() / len(targets)).tolist()),
        min(train_accuracies) >= config.min_train_accuracy,
    )


def count_epochs_to_converge(n_train: int, config: AgreementConfig, training: TrainingConfig) -> list[int]:
    """Epochs of the first trainings, and of those that follow where a task is not fitted by then."""
    recipe = replace(training.for_tasks(), epochs=config.epochs)
    return sorted({count_epochs(n_train, recipe, most) for most in (MAX_EPOCHS, CONVERGENCE_EPOCHS)})


def draw_parts(n_points: int, config: AgreementConfig, seed: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows to train on and rows to compare on."""
    order = torch.randperm(n_points, generator=stream_generator(seed, "agreement"))
    order = order[: config.max_rows].to(device)
    n_train = round(len(order) * config.train_fraction)
    return order[:n_train], order[n_train:]


def read_task_labels(margins: np.ndarray) -> np.ndarray:
    """The classes of one task, int64 [N]: of margins [N], 1 above 0; of margins [N, V], the value with the largest."""
    return (margins > 0).astype(np.int64) if margins.ndim == 1 else margins.argmax(axis=1)
