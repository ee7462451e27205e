"""Halving by swaps, against all halves, against networkx, and of a thousand nodes."""

from __future__ import annotations

import time
import tracemalloc

import networkx as nx
import numpy as np
import pytest

from splitgen.search.bisection import bisect
from splitgen.search.sides import exact_cuts


def make_random(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random((n, n))


def make_sparse(n: int, rng: np.random.Generator) -> np.ndarray:
    """Each class is taken for a few others."""
    return rng.dirichlet(np.full(n, 0.1), n)


def make_blocks(n: int, rng: np.random.Generator) -> np.ndarray:
    """Families of five classes that are taken for each other."""
    family = np.arange(n) // 5
    return np.where(family[:, None] == family, 1.0, 0.02) * rng.random((n, n))


def make_near(n: int, rng: np.random.Generator) -> np.ndarray:
    """Classes are points, and the near ones are taken for each other."""
    points = rng.normal(size=(n, 3))
    return np.exp(-2 * ((points[:, None] - points) ** 2).sum(axis=2))


KINDS = [make_random, make_sparse, make_blocks, make_near]


def make_weights(kind, n: int, seed: int = 0) -> np.ndarray:
    confusion = kind(n, np.random.default_rng([n, seed]))
    confusion /= confusion.sum(axis=1, keepdims=True)
    weights = confusion + confusion.T
    np.fill_diagonal(weights, 0)
    return weights


def weigh(weights: np.ndarray, sides: np.ndarray) -> float:
    return float(weights[np.ix_(sides == 1, sides == -1)].sum())


def bisect_by_networkx(weights: np.ndarray) -> np.ndarray:
    """A minimum bisection of the complement weights."""
    graph = nx.from_numpy_array(weights.max() - weights)
    first, _ = nx.algorithms.community.kernighan_lin_bisection(graph, weight="weight", seed=0)
    return np.where(np.isin(np.arange(len(weights)), list(first)), 1, -1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [5, 8, 11, 14])
def test_of_few_nodes_the_halves_are_the_best_of_all(kind, n):
    weights = make_weights(kind, n)
    assert weigh(weights, bisect(weights)) == pytest.approx(weigh(weights, exact_cuts(weights, 1)[0]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [21, 30, 60, 100])
def test_the_cut_is_at_least_as_heavy_as_networkxs(kind, n):
    for seed in range(2):
        weights = make_weights(kind, n, seed)
        sides = bisect(weights)
        assert set(sides.tolist()) == {-1, 1}
        assert sides[0] == 1
        assert abs(sides.sum()) == n % 2
        assert weigh(weights, sides) >= weigh(weights, bisect_by_networkx(weights)) - 1e-9


def test_a_thousand_nodes_take_two_seconds_and_less_memory_than_a_second_table_of_weights():
    weights = make_weights(make_sparse, 1000)
    start = time.process_time()
    sides = bisect(weights)
    assert time.process_time() - start < 2  # without the tracing of memory, which takes longer than the work
    tracemalloc.start()
    assert np.array_equal(bisect(weights), sides)
    assert tracemalloc.get_traced_memory()[1] < weights.nbytes
    tracemalloc.stop()
    assert sides.sum() == 0
    assert weigh(weights, sides) > 0.53 * weights.sum() / 2 > weigh(weights, np.resize([1, -1], 1000))


def test_pairs_that_are_taken_for_each_other_are_all_torn_apart():
    n = 400
    partner = np.random.default_rng(0).permutation(n)
    weights = np.zeros((n, n))
    weights[partner[::2], partner[1::2]] = weights[partner[1::2], partner[::2]] = 1
    sides = bisect(weights)
    assert (sides[partner[::2]] == -sides[partner[1::2]]).all()


def test_the_same_weights_give_the_same_sides_and_weights_without_any_edge_give_halves():
    weights = make_weights(make_sparse, 51)
    assert np.array_equal(bisect(weights), bisect(weights.copy()))
    assert abs(bisect(np.zeros((31, 31))).sum()) == 1
