"""Cheaper ways to tasks, which discovered ones must beat, one small function each.

Each gives task margins [N, K] for some K; the search over class sides, the selection and the
verification are then the same for all of them as for discovered tasks.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from splitgen.data.images import CHUNK, count_fitting, fits_in_memory
from splitgen.data.statistics import measure_chunks
from splitgen.errors import SettingError
from splitgen.keeping import Slot, State
from splitgen.models.bench import Bench
from splitgen.models.training import PREDICTION_CHUNK
from splitgen.parallel import map_threads
from splitgen.random import stream_generator, stream_seed
from splitgen.strata import count_earlier, list_strata
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.trunks import reestimate_batch_norm
from splitgen.tasks.ways.request import Way, WayRequest

N_COMPONENTS = 4
N_UNTRAINED = 3
LOSS_FOLDS = 2
FITTED_SHARE, MIN_FITTED = 0.25, 10  # of what fits into memory, that a way is fitted on where not all does; of a class


def named(way: str) -> Callable[[Callable[[Bench, WayRequest], np.ndarray]], Way]:
    """A function that gives margins as a way of that name."""

    def name_margins(margins: Callable[[Bench, WayRequest], np.ndarray]) -> Way:
        @functools.wraps(margins)
        def find(bench: Bench, request: WayRequest) -> FoundTasks:
            return FoundTasks(way, margins(bench, request))

        return find

    return name_margins


def flatten_pixels(bench: Bench, way: str) -> np.ndarray:
    """All images as the networks see them, [N, channels * height * width]. Raises `SettingError` where they do not fit
    into memory, for a way that has no other use for them."""
    if not fits_in_memory(bench.pixels):
        most = count_fitting(bench.pixels)
        raise SettingError(f"the way {way!r} works on all pixels at once, of at most {most} such images; take another")
    return np.concatenate(list(stream_flat(bench)))


def stream_flat(bench: Bench) -> Iterator[np.ndarray]:
    """The same, some at a time."""
    return (part.flatten(1).cpu().numpy() for part in bench.pixels.chunks(CHUNK))


def draw_fitted(bench: Bench) -> torch.Tensor:
    """Rows that a way is fitted on where not all images fit into memory: of each class as large a share, at random."""
    share = FITTED_SHARE * count_fitting(bench.pixels) / bench.n_points
    order = torch.randperm(bench.n_points, generator=stream_generator(bench.seed, "baseline", "fitted")).numpy()
    labels = bench.dataset.labels[order]
    quotas = np.maximum(MIN_FITTED, share * bench.dataset.class_counts)
    return torch.from_numpy(np.sort(order[count_earlier(labels) < quotas[labels]]))


def take_flat(bench: Bench, rows: torch.Tensor) -> np.ndarray:
    """Some images as the networks see them, [n, channels * height * width]."""
    parts = torch.split(rows.to(bench.device), CHUNK)
    return np.concatenate([bench.batch(part).flatten(1).cpu().numpy() for part in parts])


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
        reestimate_batch_norm(network, bench)
        probs = bench.predict_probs(network, rows).double().clamp_min(1e-12)
        columns.append((probs[:, 1].log() - probs[:, 0].log()).numpy())
    return np.stack(columns, axis=1)


@named("principal components")
def principal_components(bench: Bench, request: WayRequest) -> np.ndarray:
    """The first principal components of the pixels; of more than fit into memory, those of a random part."""
    components = PCA(min(N_COMPONENTS, math.prod(bench.pixels.shape)), random_state=0)
    if fits_in_memory(bench.pixels):
        found: np.ndarray = components.fit_transform(flatten_pixels(bench, "principal components"))
        return found
    components.fit(take_flat(bench, draw_fitted(bench)))
    return np.concatenate([components.transform(part) for part in stream_flat(bench)])


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
    """Two k-means clusters in each class: how much nearer a datapoint is to the larger one's centre. Of more images
    than fit into memory, those of a random part."""
    labels, margins = bench.dataset.labels, np.zeros((bench.n_points, 1))
    fits = fits_in_memory(bench.pixels)
    fitted = np.arange(bench.n_points) if fits else draw_fitted(bench).numpy()
    pixels = flatten_pixels(bench, "clusters within class") if fits else take_flat(bench, torch.from_numpy(fitted))
    clusters = {
        int(label): KMeans(2, n_init=4, random_state=0).fit(pixels[rows]) for label, rows in list_strata(labels[fitted])
    }
    parts = [pixels] if fits else stream_flat(bench)
    start = 0
    for part in parts:
        own = labels[start : start + len(part)]
        for label, rows in list_strata(own):
            margins[start + rows, 0] = compare_distances(clusters[int(label)], part[rows])
        start += len(part)
    return margins


def compare_distances(clusters: KMeans, pixels: np.ndarray) -> np.ndarray:
    """How much nearer images [n, ...] are to the centre of the larger of two clusters."""
    distances = clusters.transform(pixels)
    larger = np.bincount(clusters.labels_, minlength=2).argmax()
    return np.asarray(distances[:, 1 - larger] - distances[:, larger])


@named("highest loss")
def highest_loss(bench: Bench, request: WayRequest) -> np.ndarray:
    """Minus the loss of target models that were trained on the other rows: the hard rows go to test."""
    order = torch.randperm(bench.n_points, generator=stream_generator(bench.seed, "baseline", "loss")).to(bench.device)
    folds = order.chunk(LOSS_FOLDS)

    def judge_fold(which: int) -> torch.Tensor:
        rest = torch.cat([fold for number, fold in enumerate(folds) if number != which])
        seed = stream_seed(bench.seed, "baseline", "loss", which)

        def judge(slot: Slot) -> State:
            network = bench.fit(bench.targets, rest, bench.target.n_outputs, seed, bench.training.for_trials(), slot)
            parts = torch.split(folds[which], PREDICTION_CHUNK)
            return State({"margins": torch.cat([-measure_loss(network, part) for part in parts])})

        return bench.recall(("highest loss", rest, seed), judge).tensors["margins"]

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
    train, _ = split_each(
        split_one, flatten_pixels(bench, "splytters distance"), bench.dataset.labels, request.train_fraction
    )
    return partition_margins(train, bench.n_points)


@named("splytters minority grow")
def splytters_minority_grow(bench: Bench, request: WayRequest) -> np.ndarray:
    """splytters' minority_grow_split, with equal class counts."""
    grow = importlib.import_module("splytters").minority_grow_split
    train, _ = grow(
        flatten_pixels(bench, "splytters minority grow"),
        bench.dataset.labels,
        request.train_fraction,
        stratify="per_class",
    )
    return partition_margins(train, bench.n_points)


def partition_margins(train: np.ndarray, n_points: int) -> np.ndarray:
    """A partition as margins [N, 1]: +1 in train, -1 in test."""
    margins = -np.ones((n_points, 1))
    margins[train] = 1
    return margins
