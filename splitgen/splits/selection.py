"""Which rows go to train, validation, test and reserve, with exact counts (docs/method.md, section 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from splitgen.errors import SettingError
from splitgen.settings.faults import check
from splitgen.settings.stages import EQUALITY, SelectionConfig
from splitgen.splits.grouping import check_groups, count_members, share_groups, take_groups
from splitgen.strata import count_earlier


class EmptyPartError(SettingError):
    """A task leaves a class without train or test rows, where the sizes are what comes of it."""


@dataclass(frozen=True)
class Selection:
    """Where every datapoint went.

    parts: [N] of "train", "validation", "test", "reserve".
    train_thresholds, test_thresholds: [C], the lowest score on the train side and the highest in
        test of each class.
    alignment: share of the train side (train and validation) in the upper half of its class's scores; by the rule
        "equality", of those with a score above 0.
    """

    parts: np.ndarray
    train_thresholds: np.ndarray
    test_thresholds: np.ndarray
    alignment: float


def select_split(
    scores: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    config: SelectionConfig | None = None,
    *,
    seed: int = 0,
    groups: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
) -> Selection:
    """Within each class the highest scores are the train side, the lowest are test, reserve lies between.

    By the rule "equality" (the paper, section 6) those above 0 are the train side, and all others test.
    scores: float [N]; labels: int [N]; ids: N different keys, which break ties and draw validation,
    so that the order of the rows does not matter.
    groups: [N], the group of each row; where given, whole groups go by the mean rank of their rows, and the counts
        are as near as they allow; by "equality" they go by the sum of their scores.
    class_names: for messages; the classes' numbers where there are none.
    Raises `SettingError` for fractions out of range, or that leave a class without train or test rows, of which an
    `EmptyPartError` is the task's.
    """
    config = config or SelectionConfig()
    check(config)
    if config.rule == EQUALITY:
        return select_equal(scores, labels, ids, config, seed, groups, class_names)
    counts = count_parts(np.bincount(labels), config, class_names)
    places = rank_within_class(scores, labels, ids)
    if groups is None:
        parts = take_places(places, labels, ids, counts, seed)
    else:
        ranks = 1 - (places + 0.5) / np.bincount(labels)[labels]
        codes = np.unique(groups, return_inverse=True)[1]
        order = order_groups(codes, ids, seed) if counts["validation"].any() else np.arange(0)
        parts = share_groups(ranks, order, codes, labels, counts, class_names)
    upper = places < -(-np.bincount(labels) // 2)[labels]
    return describe_selection(parts, scores, labels, upper)


def select_equal(
    scores: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    config: SelectionConfig,
    seed: int,
    groups: np.ndarray | None,
    class_names: Sequence[str] | None,
) -> Selection:
    """`select_split` by the rule of the paper: the train side is where the task equals the class side."""
    codes = None if groups is None else np.unique(groups, return_inverse=True)[1]
    is_train = (scores if codes is None else np.bincount(codes, weights=scores)[codes]) > 0
    sizes, n_train = np.bincount(labels), np.bincount(labels, weights=is_train).astype(np.int64)
    for part, counts in (("train", n_train), ("test", sizes - n_train)):
        if (lacking := (sizes > 0) & (counts == 0)).any():
            c = int(np.flatnonzero(lacking)[0])
            problem = (
                f"class {name_class(c, class_names)} has no rows in {part}: all {sizes[c]} lie on one side of the task"
            )
            raise EmptyPartError(f"{problem}; give --rule halves, or another task")
    parts = np.where(is_train, "train", "test").astype("<U10")
    wanted = largest_remainder(n_train, config.validation_fraction, np.maximum(n_train - 1, 0))
    if codes is None:
        parts = draw_validation(parts, labels, ids, wanted, seed)
    else:
        parts = draw_whole_groups(parts, labels, ids, wanted, seed, codes)
        part_of = np.full(int(codes.max()) + 1, "", dtype="<U10")
        part_of[codes] = parts
        check_groups(part_of, count_members(codes, labels, len(sizes)), class_names)
    return describe_selection(parts, scores, labels, scores > 0)


def draw_whole_groups(
    parts: np.ndarray, labels: np.ndarray, ids: Sequence[str], wanted: np.ndarray, seed: int, codes: np.ndarray
) -> np.ndarray:
    """The parts [N] with validation drawn from train in whole groups, near the counts wanted [C]. codes: [N], of
    groups."""
    if wanted.any():
        order = order_groups(codes, ids, seed)
        order = order[np.isin(order, codes[parts == "train"])]
        taken = take_groups(order, count_members(codes, labels, len(wanted)), wanted)
        parts = np.where(np.isin(codes, taken), "validation", parts)
    return parts


def name_class(number: int, class_names: Sequence[str] | None) -> str:
    return str(number) if class_names is None else f"'{class_names[number]}'"


def rank_within_class(scores: np.ndarray, labels: np.ndarray, keys: Sequence[str]) -> np.ndarray:
    """Place of every row in its class, int64 [N]: 0 is the highest score; ties go by key.

    Only the keys of ties are looked at: an array of all of them is as wide as the longest.
    """
    order = np.lexsort((-scores, labels))
    for start, stop in find_ties(labels[order], scores[order]):
        order[start:stop] = sorted(order[start:stop].tolist(), key=lambda row: str(keys[row]))
    places = np.empty(len(labels), dtype=np.int64)
    places[order] = count_earlier(labels[order])
    return places


def find_ties(labels: np.ndarray, scores: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end of each run of two rows or more with one label and one score. labels, scores: [N], sorted."""
    equal = (scores[1:] == scores[:-1]) | (np.isnan(scores[1:]) & np.isnan(scores[:-1]))
    tied = np.concatenate([[False], equal & (labels[1:] == labels[:-1]), [False]])
    starts = np.flatnonzero(~tied[:-1] & tied[1:])
    return list(zip(starts.tolist(), (np.flatnonzero(tied[:-1] & ~tied[1:]) + 1).tolist(), strict=True))


def take_places(
    places: np.ndarray, labels: np.ndarray, keys: Sequence[str], counts: Mapping[str, np.ndarray], seed: int
) -> np.ndarray:
    """The part of every row by its place, with exact class counts."""
    sizes = np.bincount(labels)
    first_test = (sizes - counts["test"])[labels]
    first_reserve = (sizes - counts["test"] - counts["reserve"])[labels]
    parts = np.where(places >= first_test, "test", np.where(places >= first_reserve, "reserve", "train"))
    return draw_validation(parts.astype("<U10"), labels, keys, counts["validation"], seed)


def draw_validation(
    parts: np.ndarray, labels: np.ndarray, keys: Sequence[str], wanted: np.ndarray, seed: int
) -> np.ndarray:
    """The parts [N] with so many train rows of each class, [C], drawn for validation."""
    of_row = wanted[labels]
    side = np.flatnonzero((parts == "train") & (of_row > 0))
    order = draw_by_id(side, keys, len(side), seed)
    parts[order[count_earlier(labels[order]) < of_row[order]]] = "validation"
    return parts


def order_groups(groups: np.ndarray, keys: Sequence[str], seed: int) -> np.ndarray:
    """Group numbers [G] in a random order that depends on the seed and each group's first key alone. groups: [N], each
    of 0..G-1."""
    first: dict[int, str] = {}
    for group, key in zip(groups.tolist(), map(str, keys), strict=True):
        first[group] = min(key, first.get(group, key))
    return draw_by_id(np.arange(len(first)), [first[group] for group in range(len(first))], len(first), seed)


def describe_selection(parts: np.ndarray, scores: np.ndarray, labels: np.ndarray, upper: np.ndarray) -> Selection:
    """Thresholds and alignment of the parts. upper: [N], whether a row is on the task's side."""
    on_side = np.isin(parts, ("train", "validation"))
    sizes = np.bincount(labels)
    train_thresholds, test_thresholds = np.full(len(sizes), np.inf), np.full(len(sizes), -np.inf)
    np.minimum.at(train_thresholds, labels[on_side], scores[on_side])
    np.maximum.at(test_thresholds, labels[parts == "test"], scores[parts == "test"])
    train_thresholds[sizes == 0] = test_thresholds[sizes == 0] = 0
    return Selection(parts, train_thresholds, test_thresholds, int((upper & on_side).sum()) / int(on_side.sum()))


def count_parts(
    class_counts: np.ndarray, config: SelectionConfig, class_names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Rows of test, reserve and validation in each class, [C] each; train is the rest. class_names: for messages.

    Each part's total is the fraction of all rows, rounded; classes share it by largest remainder. By the rule
    "equality" these are the sizes to be expected, and validation is a fraction of the train side.
    """
    left = class_counts.copy()
    counts = {}
    for part in ("test", "reserve", "validation"):
        shared = left if part == "validation" and config.rule == EQUALITY else class_counts
        counts[part] = largest_remainder(shared, getattr(config, f"{part}_fraction"), left)
        left = left - counts[part]
    present = class_counts > 0
    for part, rows in (("train", left), ("test", counts["test"])):
        if (rows[present] < 1).any():
            c = int(np.flatnonzero(present & (rows < 1))[0])
            raise SettingError(
                f"class {name_class(c, class_names)} with {int(class_counts[c])} rows would have none in {part}; "
                f"give larger classes or another {'test' if part == 'test' else 'train'} fraction"
            )
    return counts


def largest_remainder(class_counts: np.ndarray, fraction: float, capacity: np.ndarray) -> np.ndarray:
    """Whole numbers [C] near class_counts * fraction that sum to the rounded total, none over capacity [C]."""
    exact = class_counts * fraction
    counts: np.ndarray = np.minimum(np.floor(exact + 1e-9).astype(np.int64), capacity)
    missing = round(float(class_counts.sum() * fraction)) - int(counts.sum())
    missing = min(missing, int((capacity - counts).sum()))  # parts that are rounded up may ask for more than all rows
    while missing > 0:
        remainder = np.where(counts < capacity, exact - counts, -np.inf)
        for c in np.argsort(-remainder, kind="stable")[: min(missing, int((counts < capacity).sum()))]:
            counts[c] += 1
            missing -= 1
    return counts


def draw_by_id(rows: np.ndarray, keys: Sequence[str], n_drawn: int, seed: int) -> np.ndarray:
    """n_drawn of the rows at random: the lowest SHA-256 of seed and id."""
    if n_drawn == 0:
        return rows[:0]
    digests = [
        hashlib.sha256(f"{seed}/validation/{key}".encode()).digest() for key in (keys[row] for row in rows.tolist())
    ]
    order = sorted(range(len(rows)), key=digests.__getitem__)
    drawn: np.ndarray = rows[order[:n_drawn]]
    return drawn


def advise_alignment(alignment: float, config: SelectionConfig) -> str | None:
    """What to do where train holds rows of the other side; None where it does not (docs/method.md, section 5)."""
    if alignment >= 0.9995:
        return None
    reserve = max(0.0, 0.5 - config.test_fraction)
    train = 0.5 - config.validation_fraction
    return (
        f"alignment {alignment:.3f}: {1 - alignment:.1%} of train lies on the test-like side, which weakens the "
        f"split; for alignment 1 give --reserve-fraction {reserve:g} (train {train:g}, test {config.test_fraction:g})"
    )
