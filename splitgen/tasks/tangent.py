"""Tasks in the tangent space of a network, refined by the failure of the target model there (docs/method.md, section
4).

What refinement does with networks that are trained for T steps, this does with one that is linear in its weights: a
task is such a network, m(x) = <z, phi(x)>, and so is the target model, whose training is a ridge regression. So each
step trains the target model to its end, on hundreds of rows, in about the time of two batches of the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from splitgen.models.bench import Bench
from splitgen.models.linearization import predict_by_ridge, tangent_features
from splitgen.parallel import map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.settings.stages import EQUALITY, SelectionConfig, TangentConfig
from splitgen.stopping import check_stop

STEEPNESS = 3.0  # of a row's weight in train and test, in standard deviations of its class's scores
SHARPNESS = 8.0  # of the softmax of what the ridge regression predicts
VARIANCE_FLOOR = 1e-12  # of a class whose scores are all alike, as of a single row
LAST_STEPS = 10  # whose mean failure tells a state's


@dataclass(frozen=True)
class TangentSpace:
    """What the tasks of one space share.

    features: float32 [N, dim], as `tangent_features` gives them. kernel: their inner products [N, N]. labels, targets:
    int64 [N].
    """

    features: torch.Tensor
    kernel: torch.Tensor
    labels: torch.Tensor
    targets: torch.Tensor
    selection: SelectionConfig

    @cached_property
    def values(self) -> torch.Tensor:
        """What is regressed on: the targets one-hot, less what each would be by chance, float32 [N, V]."""
        one_hot: torch.Tensor = F.one_hot(self.targets).float()
        return one_hot - 1 / one_hot.shape[1]

    @cached_property
    def classes(self) -> ClassPlaces:
        return place_classes(self.labels, self.selection)


@dataclass(frozen=True)
class ClassPlaces:
    """Where train and test of each class begin and end, once the rows are ordered by class and then by score.

    counts: rows of each class that has any, float32 [c]. which: of these, the class of each row, int64 [N].
    train, test, middle: places [c, 2] between whose two rows the threshold of train, that of test, and the median lie.
    """

    counts: torch.Tensor
    which: torch.Tensor
    train: torch.Tensor
    test: torch.Tensor
    middle: torch.Tensor


def place_classes(labels: torch.Tensor, selection: SelectionConfig) -> ClassPlaces:
    """Of labels [N] and the sizes that are wanted."""
    which, counts = torch.unique(labels, return_inverse=True, return_counts=True)[1:]
    starts = counts.cumsum(0) - counts

    def place(share: float) -> torch.Tensor:
        """Rows around the boundary of the lowest share of each class; one at the end has both sides there."""
        below = (counts * share).round().long()
        pair = torch.stack([below - 1, below], dim=1)
        places: torch.Tensor = starts[:, None] + torch.minimum(pair.clamp_min(0), counts[:, None] - 1)
        return places

    not_train = selection.test_fraction + selection.reserve_fraction
    return ClassPlaces(counts.float(), which, place(not_train), place(selection.test_fraction), place(0.5))


def make_space(bench: Bench, config: TangentConfig, selection: SelectionConfig) -> TangentSpace:
    """The tangent spaces of several networks as one, in which kernels are the means of theirs: what fails one network
    by chance fails not all."""
    networks = list(map_threads(partial(fit_for_a_moment, bench, config), range(config.networks)))
    features = torch.cat(
        [
            tangent_features(bench, network, dim, stream_generator(bench.seed, "tangent", "features", which))
            for which, (network, dim) in enumerate(zip(networks, config.share_dim(), strict=True))
        ],
        dim=1,
    )
    features /= math.sqrt(config.networks)
    return TangentSpace(features, features @ features.T, bench.labels.cpu(), bench.targets.cpu(), selection)


def fit_for_a_moment(bench: Bench, config: TangentConfig, which: int) -> nn.Module:
    """A network trained on the target for a moment, on a random half of the rows: it looks at what the target model
    will look at, and hardly knows a row by heart."""
    generator = stream_generator(bench.seed, "tangent", "half", which)
    half = torch.randperm(bench.n_points, generator=generator)[: -(-bench.n_points // 2)].to(bench.device)
    seed = stream_seed(bench.seed, "tangent", "fit", which)
    return bench.fit(bench.targets, half, bench.target.n_outputs, seed, config.shorten(bench.training))


def standardize(scores: torch.Tensor, space: TangentSpace) -> torch.Tensor:
    """Scores [N] over their standard deviation within class."""
    classes = space.classes
    means = torch.zeros_like(classes.counts).index_add(0, classes.which, scores) / classes.counts
    squares = (scores - means[classes.which]).square()
    variances = torch.zeros_like(means).index_add(0, classes.which, squares) / classes.counts
    return scores / variances.clamp_min(VARIANCE_FLOOR).sqrt()[classes.which]


def find_threshold(ordered: torch.Tensor, places: torch.Tensor, rule: str) -> torch.Tensor:
    """[c]: halfway between the two rows of each class. ordered: scores [N], by class and then by score."""
    return ordered[places].mean(dim=1) if rule != EQUALITY else torch.zeros(len(places))


def weigh(scores: torch.Tensor, space: TangentSpace) -> tuple[torch.Tensor, torch.Tensor]:
    """How far each row belongs to train and to test, [N] each, from 0 to 1: softly above the threshold of train within
    its class, and below that of test; above and below 0 by the rule "equality"."""
    standard = standardize(scores, space)
    classes, rule = space.classes, space.selection.rule
    ordered = order_by_class(standard, classes)
    lowest, highest = (find_threshold(ordered, places, rule)[classes.which] for places in (classes.train, classes.test))
    return torch.sigmoid(STEEPNESS * (standard - lowest)), torch.sigmoid(STEEPNESS * (highest - standard))


def order_by_class(scores: torch.Tensor, classes: ClassPlaces) -> torch.Tensor:
    """The scores [N] by class and then by score."""
    order = scores.argsort(stable=True)
    return scores[order[classes.which[order].argsort(stable=True)]]


def measure_failure(scores: torch.Tensor, rows: torch.Tensor, space: TangentSpace, ridge: float) -> torch.Tensor:
    """The mean probability of the true target over test, of a target model that is linear in its weights and trained on
    train, both among these rows and by soft weights; lower is a stronger split."""
    train, test = (weights[rows] for weights in weigh(scores, space))
    kernel = space.kernel[rows][:, rows]
    predicted = predict_by_ridge(kernel, train, space.values[rows], ridge)
    right = (SHARPNESS * predicted).softmax(dim=1).gather(1, space.targets[rows, None])[:, 0]
    return (test * right).sum() / test.sum()


def descend(
    space: TangentSpace,
    weights: torch.Tensor,
    row_sides: torch.Tensor,
    config: TangentConfig,
    round_: int,
    generator: torch.Generator,
) -> tuple[torch.Tensor, float]:
    """Weights z [dim] of a task after a round of steps, each on other rows, and the mean failure of its last steps.

    row_sides: [N] of -1 and +1, of each row's class. In the last round the steps shorten to nothing.
    """
    weights = weights.clone().requires_grad_()
    optimizer = torch.optim.Adam([weights], config.learning_rate)
    n_steps, n_rows = config.steps[round_], min(config.rows[round_], len(row_sides))
    failures = []
    for step in range(n_steps):
        check_stop()
        if round_ == len(config.steps) - 1:
            optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - step / n_steps)
        rows = torch.randperm(len(row_sides), generator=generator)[:n_rows]
        failure = measure_failure((space.features @ weights) * row_sides, rows, space, config.ridge)
        optimizer.zero_grad()
        failure.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        failures.append(float(failure.detach()))
    return weights.detach(), float(np.mean(failures[-LAST_STEPS:]))


@torch.no_grad()
def read_margins(space: TangentSpace, weights: torch.Tensor) -> np.ndarray:
    """Task margins of all rows, float32 [N]: centred on the median of their class, or as they are by "equality"."""
    standard = standardize(space.features @ weights, space)
    ordered = order_by_class(standard, space.classes)
    centres = find_threshold(ordered, space.classes.middle, space.selection.rule)
    margins: np.ndarray = (standard - centres[space.classes.which]).numpy()
    return margins
