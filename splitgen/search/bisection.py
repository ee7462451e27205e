"""Halving a weighted graph of many nodes with as much weight across the cut as can be found.

Kernighan and Lin, "An Efficient Heuristic Procedure for Partitioning Graphs", Bell System Technical
Journal 1970, from several starts: every node is swapped once in a pass, the pass is cut back to where it
stood best, and passes go on while they gain. A step is a few operations on rows of the weights, so that a
pass over n nodes takes O(n^2).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

N_RANDOM = 7  # starts beside the spectral one
MAX_PASSES = 50
SPECTRAL_STEPS = 60  # restarts of the Lanczos iteration; a rough eigenvector is as good a start
ROUNDING = 1e-12  # of all weight: a gain below this is none


def bisect(weights: np.ndarray, seed: int = 0) -> np.ndarray:
    """Sides [n] of -1 and +1 with a heavy cut, int64; their numbers differ by at most one, node 0 is on side +1.

    weights: symmetric [n, n] with a diagonal of zero. The seed fixes the starts.
    """
    n_nodes, rng = len(weights), np.random.default_rng(seed)
    # of an odd number, a node without edges makes pairs, and leaves open which side is the larger
    n_paired = n_nodes + n_nodes % 2
    orders = [rank_spectrally(weights, n_paired, rng), *(rng.permutation(n_paired) for _ in range(N_RANDOM))]
    improved = [improve(weights, np.where(order < n_paired // 2, 1.0, -1.0)) for order in orders]
    best = max(improved, key=lambda sides: weigh_cut(weights, sides))[:n_nodes]
    sides: np.ndarray = (best * best[0]).astype(np.int64)
    return sides


def weigh_cut(weights: np.ndarray, sides: np.ndarray) -> float:
    """The weight across the cut. sides: [n] of -1 and +1, or one more that stands for no edges."""
    sides = sides[: len(weights)]
    return float(weights.sum() - sides @ weights @ sides) / 4


def rank_spectrally(weights: np.ndarray, n_paired: int, rng: np.random.Generator) -> np.ndarray:
    """Rank of each node, [n_paired], along the balanced vector x of length 1 that has most weight between opposite
    signs: the lowest eigenvector of the weights, with those of equal entries taken out."""
    n_nodes = len(weights)

    def multiply(vector: np.ndarray) -> np.ndarray:
        product = weights @ (vector - vector.mean())
        return np.asarray(product - product.mean())

    operator = LinearOperator((n_nodes, n_nodes), matvec=multiply, dtype=np.float64)
    start = rng.standard_normal(n_nodes)
    try:
        vector = eigsh(operator, k=1, which="SA", v0=start, tol=1e-3, maxiter=SPECTRAL_STEPS)[1][:, 0]
    except ArpackError:  # no convergence, or no edges at all
        vector = start
    padded = np.append(vector, np.zeros(n_paired - n_nodes))
    return np.asarray(padded.argsort(kind="stable").argsort())


def improve(weights: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The sides after passes until one gains nothing. sides: [n], or with a node without edges at the end."""
    least = ROUNDING * float(weights.sum())
    for _ in range(MAX_PASSES):
        swaps, gains = swap_all(weights, sides)
        n_kept = int(gains.argmax()) + 1
        if gains[n_kept - 1] <= least:
            break
        sides = sides.copy()
        sides[swaps[:n_kept]] *= -1
    return sides


def swap_all(weights: np.ndarray, sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One pass: pairs of nodes in the order of their swap, [m, 2], and how much weight the cut has won by then, [m]."""
    n_nodes, n_swaps = len(weights), len(sides) // 2
    gains = np.zeros(len(sides))  # of each node, if it alone changed sides
    gains[:n_nodes] = sides[:n_nodes] * (weights @ sides[:n_nodes])
    closed = {sign: np.where(sides == sign, 0.0, -np.inf) for sign in (1, -1)}
    swaps, won = np.zeros((n_swaps, 2), dtype=np.int64), np.zeros((n_swaps, 2))
    for step in range(n_swaps):
        for turn, sign in enumerate((1, -1)):
            node = int((gains + closed[sign]).argmax())
            swaps[step, turn], won[step, turn] = node, gains[node]
            closed[sign][node] = -np.inf
            if node < n_nodes:
                gains[:n_nodes] -= 2 * sign * sides[:n_nodes] * weights[node]
    return swaps, won.sum(axis=1).cumsum()
