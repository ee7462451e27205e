"""Which rows each training of a verification sees, and which it is judged on (docs/method.md, section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from splitgen.splits.grouping import count_members, take_groups
from splitgen.strata import count_earlier


@dataclass(frozen=True)
class Rows:
    """Row numbers that the trainings use, each an int64 tensor.

    train: to train on and to hold out of; validation: held out where there are any.
    groups: int64 [N] of the whole dataset; where given, no draw tears a group apart.
    """

    train: torch.Tensor
    validation: torch.Tensor
    test: torch.Tensor
    groups: torch.Tensor | None = None

    @property
    def used(self) -> torch.Tensor:
        return torch.cat([self.train, self.validation, self.test])


def thin_out(rows: Rows, labels: torch.Tensor, max_rows: int | None, generator: torch.Generator) -> Rows:
    """About max_rows of the used rows at random, in proportion to part and class, and one of each at least; all of them
    where there are no more. labels: int64 [N]."""
    used = rows.used
    if max_rows is None or len(used) <= max_rows:
        return rows
    strata = labels * 3
    for number, part in enumerate((rows.validation, rows.test), start=1):
        strata[part] += number
    counts = torch.bincount(strata[used])
    taken = draw_strata(used, strata, share_counts(counts, max_rows).clamp_min(1), generator)
    train, validation, test = (taken[strata[taken] % 3 == number] for number in range(3))
    return Rows(train, validation, test, rows.groups)


def hold_out(rows: Rows, fraction: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows to train on and held-out train rows: the validation part, or a random share of train."""
    if len(rows.validation) > 0:
        return rows.train, rows.validation
    order, ends = shuffle_whole(rows.train, rows.groups, generator)
    n_held = cut_near(ends, max(1, int(len(order) * fraction)))
    return order[n_held:], order[:n_held]


def keeps_mix(labels: torch.Tensor, rows: Rows) -> bool:
    """Whether the train side has the used rows' own mix of classes, to a row a class, and no groups bind rows: then a
    sample of that mix is a random split's, too. labels: int64 [N]."""
    used, n_classes = rows.used, int(labels.max()) + 1
    n_train_side = len(rows.train) + len(rows.validation)
    in_mix = torch.bincount(labels[used], minlength=n_classes).double() * n_train_side / len(used)
    train_side = torch.bincount(labels[used[:n_train_side]], minlength=n_classes)
    return rows.groups is None and bool((train_side - in_mix).abs().max() <= 1)


def draw_controls(
    labels: torch.Tensor, fitted: torch.Tensor, rows: Rows, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, dict[str, torch.Tensor]]]:
    """Random samples of as many rows as `fitted`, and by name the rows that each is judged on: the first as a random
    split ("random"), and one a fold of the test rows that leaves it out ("fold").

    Where train keeps the mix of the used rows, the sample of the first fold is the random split's: both are uniform.
    """
    folds = draw_folds(labels, rows, len(fitted), generator)
    if keeps_mix(labels, rows):
        sample, fold = next(folds)
        yield sample, {"random": draw_comparable(labels, sample, rows, generator), "fold": fold}
    else:
        sample, comparable = draw_random_split(labels, fitted, rows, generator)
        yield sample, {"random": comparable}
    yield from ((sample, {"fold": fold}) for sample, fold in folds)


def draw_comparable(labels: torch.Tensor, sample: torch.Tensor, rows: Rows, generator: torch.Generator) -> torch.Tensor:
    """Used rows outside a sample at random, with the class counts of the test rows."""
    rest = rows.used[~torch.isin(rows.used, sample)]
    return draw_strata(rest, labels, torch.bincount(labels[rows.test], minlength=int(labels.max()) + 1), generator)


def draw_random_split(
    labels: torch.Tensor, fitted: torch.Tensor, rows: Rows, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A random split of the used rows with the class counts of `fitted` and of the test rows."""
    n_classes = int(labels.max()) + 1
    used = rows.used
    counts = torch.bincount(labels[fitted], minlength=n_classes)
    if rows.groups is None:
        sample = draw_strata(used, labels, counts, generator)
    else:
        sample = draw_whole_groups(used, labels, rows.groups, counts, generator)
    return sample, draw_comparable(labels, sample, rows, generator)


def draw_whole_groups(
    pool: torch.Tensor, labels: torch.Tensor, groups: torch.Tensor, counts: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Random whole groups of the pool, with class counts near counts [C]."""
    members = count_members(groups[pool].cpu().numpy(), labels[pool].cpu().numpy(), len(counts))
    order = torch.randperm(members.shape[0], generator=generator).numpy()
    taken = torch.from_numpy(take_groups(order, members, counts.cpu().numpy()))
    return pool[torch.isin(groups[pool], taken.to(pool.device))]


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
    for fold in chunk_whole(rows, count_folds(len(used), len(rows.test)), generator):
        yield draw_strata(used[~torch.isin(used, fold)], strata, counts, generator), fold


def chunk_whole(rows: Rows, n_folds: int, generator: torch.Generator) -> Sequence[torch.Tensor]:
    """The test rows in random folds of about the same size."""
    order, ends = shuffle_whole(rows.test, rows.groups, generator)
    size = -(-len(order) // n_folds)
    cuts = sorted({cut_near(ends, size * number) for number in range(1, n_folds) if size * number < len(order)})
    return order.tensor_split(cuts)


def shuffle_whole(
    rows: torch.Tensor, groups: torch.Tensor | None, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows [n] in random order with the rows of a group side by side, and where groups end, ascending [G]."""
    order = shuffle(rows, generator)
    if groups is None:
        return order, torch.arange(1, len(order) + 1)
    _, inverse, sizes = torch.unique(groups[order].cpu(), return_inverse=True, return_counts=True)
    place = torch.randperm(len(sizes), generator=generator)  # of each group
    together = place[inverse].argsort(stable=True)
    return order[together.to(order.device)], sizes[place.argsort()].cumsum(0)


def cut_near(ends: torch.Tensor, n_rows: int) -> int:
    """The end nearest to n_rows, and never the last, so that both sides have rows. ends: ascending [G], G > 1."""
    inner = ends[:-1]
    return int(inner[(inner - n_rows).abs().argmin()])


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
    pool = pool[strata[pool].argsort(stable=True)]
    earlier = torch.from_numpy(count_earlier(strata[pool].cpu().numpy())).to(pool.device)
    return pool[earlier < counts[strata[pool]]]


def share_counts(stratum_counts: torch.Tensor, n_rows: int) -> torch.Tensor:
    """How many of n_rows fall to each stratum in proportion, by largest remainder."""
    exact = stratum_counts.double() * n_rows / stratum_counts.sum()
    counts = exact.floor().long()
    order = (exact - counts).argsort(descending=True, stable=True)
    counts[order[: n_rows - int(counts.sum())]] += 1
    return counts
