"""Which rows each training of a verification sees, and which it is judged on (METHOD.md section 4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Rows:
    """Row numbers that the trainings use, each an int64 tensor.

    train: to train on and to hold out of; validation: held out where there are any.
    """

    train: torch.Tensor
    validation: torch.Tensor
    test: torch.Tensor

    @property
    def used(self) -> torch.Tensor:
        return torch.cat([self.train, self.validation, self.test])


def hold_out(rows: Rows, fraction: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows to train on and held-out train rows: the validation part, or a random share of train."""
    if len(rows.validation) > 0:
        return rows.train, rows.validation
    order = shuffle(rows.train, generator)
    n_held = max(1, int(len(order) * fraction))
    return order[n_held:], order[:n_held]


def draw_random_split(
    labels: torch.Tensor, fitted: torch.Tensor, rows: Rows, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random split of the used rows with the class counts of `fitted` and of the test rows."""
    n_classes = int(labels.max()) + 1
    used = rows.used
    sample = draw_strata(used, labels, torch.bincount(labels[fitted], minlength=n_classes), generator)
    rest = used[~torch.isin(used, sample)]
    return sample, draw_strata(rest, labels, torch.bincount(labels[rows.test], minlength=n_classes), generator)


def draw_folds(
    labels: torch.Tensor, rows: Rows, n_fitted: int, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Folds of the test rows, each after a random sample of n_fitted used rows that leaves it out.

    The samples have the used rows' own mix of classes and parts, so that a model may see the like of
    the test rows, but never the rows themselves.
    """
    used = rows.used
    strata = labels * 2
    strata[rows.test] += 1
    counts = share_counts(torch.bincount(strata[used], minlength=int(strata.max()) + 1), n_fitted)
    for fold in shuffle(rows.test, generator).chunk(count_folds(len(used), len(rows.test))):
        yield draw_strata(used[~torch.isin(used, fold)], strata, counts, generator), fold


def count_folds(n_used: int, n_test: int) -> int:
    """Folds of the recoverable accuracy: with so many, a sample can keep the used rows' own mix."""
    return -(-n_used // n_test)


def shuffle(rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return rows[torch.randperm(len(rows), generator=generator).to(rows.device)]


def draw_strata(
    pool: torch.Tensor, strata: torch.Tensor, counts: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """A random sample of the pool with counts[s] rows of each stratum s (all of them where it has fewer)."""
    pool = shuffle(pool, generator)
    return torch.cat([pool[strata[pool] == s][:n] for s, n in enumerate(counts.tolist())])


def share_counts(stratum_counts: torch.Tensor, n_rows: int) -> torch.Tensor:
    """How many of n_rows fall to each stratum in proportion, by largest remainder."""
    exact = stratum_counts.double() * n_rows / stratum_counts.sum()
    counts = exact.floor().long()
    order = (exact - counts).argsort(descending=True, stable=True)
    counts[order[: n_rows - int(counts.sum())]] += 1
    return counts
