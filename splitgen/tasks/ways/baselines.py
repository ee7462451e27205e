"""Cheaper ways to tasks, which discovered ones must beat, one small function each.

Each gives task margins [N, K] for some K; the search over class sides, the selection and the
verification are then the same for all of them as for discovered tasks.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from splitgen.data.images import CHUNK
from splitgen.data.statistics import measure_chunks
from splitgen.errors import SettingError
from splitgen.models.bench import Bench
from splitgen.models.training import PREDICTION_CHUNK
from splitgen.parallel import map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.strata import list_strata
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.ways.request import Way, WayRequest

N_COMPONENTS = 4
N_UNTRAINED = 3
LOSS_FOLDS = 2


def named(way: str) -> Callable[[Callable[[Bench, WayRequest], np.ndarray]], Way]:
    """A function that gives margins as a way of that name."""

    def name_margins(margins: Callable[[Bench, WayRequest], np.ndarray]) -> Way:
        @functools.wraps(margins)
        def find(bench: Bench, request: WayRequest) -> FoundTasks:
            return FoundTasks(way, margins(bench, request))

        return find

    return name_margins


def flatten_pixels(bench: Bench) -> np.ndarray:
    """All images as the networks see them, [N, channels * height * width]."""
    return np.concatenate([part.flatten(1).cpu().numpy() for part in bench.pixels.chunks(CHUNK)])


@named("random")
def random_margins(bench: Bench, request: WayRequest) -> np.ndarray:
    """A random split of the same sizes."""
    generator = stream_generator(bench.seed, "baseline", "random")
    return torch.randn(bench.n_points, 1, generator=generator).numpy()


@named("untrained network")
@torch.no_grad()
def untrained_network(bench: Bench, request: WayRequest) -> np.ndarray:
    """The output of untrained networks of the target architecture (the paper's random-network tasks)."""
    columns = []
    rows = torch.arange(bench.n_points, device=bench.device)
    for which in range(N_UNTRAINED):
        network = bench.build(2, stream_seed(bench.seed, "baseline", which))
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = None
        network.train()
        for part in torch.split(rows, 1000):
            network(bench.batch(part))
        probs = bench.predict_probs(network.eval(), rows).double().clamp_min(1e-12)
        columns.append((probs[:, 1].log() - probs[:, 0].log()).numpy())
    return np.stack(columns, axis=1)


@named("principal components")
def principal_components(bench: Bench, request: WayRequest) -> np.ndarray:
    """The first principal components of the pixels."""
    pixels = flatten_pixels(bench)
    found: np.ndarray = PCA(min(N_COMPONENTS, pixels.shape[1]), random_state=0).fit_transform(pixels)
    return found


@named("image statistics")
def image_statistics(bench: Bench, request: WayRequest) -> np.ndarray:
    """Brightness, contrast, ink, edges, symmetry and the like: every statistic that differs between images."""
    measured = measure_chunks(bench.pixels.chunks, bench.pixels.shape)
    numbers = [values for values in measured.values() if values.dtype.kind == "f" and values.std() > 0]
    if not numbers:
        raise SettingError("tasks_from: features, and images under 3 pixels, have no image statistics; use another way")
    return np.stack(numbers, axis=1).astype(np.float64)


@named("clusters within class")
def clusters_within_class(bench: Bench, request: WayRequest) -> np.ndarray:
    """Two k-means clusters in each class: how much nearer a datapoint is to the larger one's centre."""
    pixels = flatten_pixels(bench)
    margins = np.zeros((len(pixels), 1))
    for _, rows in list_strata(bench.dataset.labels):
        clusters = KMeans(2, n_init=4, random_state=0).fit(pixels[rows])
        distances = clusters.transform(pixels[rows])
        larger = np.bincount(clusters.labels_, minlength=2).argmax()
        margins[rows, 0] = distances[:, 1 - larger] - distances[:, larger]
    return margins


@named("highest loss")
def highest_loss(bench: Bench, request: WayRequest) -> np.ndarray:
    """Minus the loss of target models that were trained on the other rows: the hard rows go to test."""
    order = torch.randperm(bench.n_points, generator=stream_generator(bench.seed, "baseline", "loss")).to(bench.device)
    folds = order.chunk(LOSS_FOLDS)

    def judge_fold(which: int) -> torch.Tensor:
        rest = torch.cat([fold for number, fold in enumerate(folds) if number != which])
        seed = stream_seed(bench.seed, "baseline", "loss", which)
        network = bench.fit(bench.targets, rest, bench.target.n_outputs, seed)
        return torch.cat([-measure_loss(network, part) for part in torch.split(folds[which], PREDICTION_CHUNK)])

    def measure_loss(network: torch.nn.Module, rows: torch.Tensor) -> torch.Tensor:
        log_probs = bench.predict_probs(network, rows).clamp_min(1e-12).log()
        return F.nll_loss(log_probs, bench.targets[rows].cpu(), reduction="none")

    margins = np.zeros((bench.n_points, 1))
    for fold, found in zip(folds, map_threads(judge_fold, range(LOSS_FOLDS)), strict=True):
        margins[fold.cpu().numpy(), 0] = found.numpy()
    return margins


@named("splytters distance")
def splytters_distance(bench: Bench, request: WayRequest) -> np.ndarray:
    """splytters' distance_adversarial_split within each class."""
    split_one = importlib.import_module("splytters").distance_adversarial_split
    split_each = importlib.import_module("splytters.stratify").per_class_split
    train, _ = split_each(split_one, flatten_pixels(bench), bench.dataset.labels, request.train_fraction)
    return partition_margins(train, bench.n_points)


@named("splytters minority grow")
def splytters_minority_grow(bench: Bench, request: WayRequest) -> np.ndarray:
    """splytters' minority_grow_split, with equal class counts."""
    grow = importlib.import_module("splytters").minority_grow_split
    train, _ = grow(flatten_pixels(bench), bench.dataset.labels, request.train_fraction, stratify="per_class")
    return partition_margins(train, bench.n_points)


def partition_margins(train: np.ndarray, n_points: int) -> np.ndarray:
    """A partition as margins [N, 1]: +1 in train, -1 in test."""
    margins = -np.ones((n_points, 1))
    margins[train] = 1
    return margins
