"""Whole groups of datapoints (a patient's, a scene's) into parts of wanted sizes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.sparse import coo_array, csr_array

from splitgen.errors import SettingError


def count_members(groups: np.ndarray, labels: np.ndarray, n_classes: int) -> csr_array:
    """Rows of each class in each group, int64 [G, C], sparse: a group has few classes. groups, labels: [n], from 0."""
    ones = np.ones(len(groups), dtype=np.int64)
    return csr_array(coo_array((ones, (groups, labels)), shape=(int(groups.max()) + 1, n_classes)))


def take_groups(order: np.ndarray, members: csr_array, wanted: np.ndarray) -> np.ndarray:
    """Those of the groups, looked at in order, that each bring the class counts nearer to the wanted.

    order: group numbers [g]. members: [G, C]. wanted: [C]. Nearness is the sum over classes of the
    absolute difference, so that groups of one row fill every class exactly.
    """
    missing, taken = wanted.astype(np.int64), []
    distance = np.abs(missing).sum()
    for group in order:
        own = slice(members.indptr[group], members.indptr[group + 1])
        classes, counts = members.indices[own], members.data[own]
        left = missing[classes] - counts
        change = np.abs(left).sum() - np.abs(missing[classes]).sum()
        if change < 0:
            taken.append(group)
            missing[classes] = left
            distance += change
            if distance == 0:
                break
    return np.array(taken, dtype=np.int64)


def share_groups(
    ranks: np.ndarray,
    random_order: np.ndarray,
    groups: np.ndarray,
    labels: np.ndarray,
    counts: Mapping[str, np.ndarray],
) -> np.ndarray:
    """The part of every datapoint, [N], with no group in two parts and class counts near `counts`.

    ranks: [N] in 0..1, of the datapoint's score within its class; a group has the mean of its rows'.
    The lowest groups are test, the next reserve; validation is drawn from the others in `random_order`
    (group numbers [G]); train is the rest.
    Raises `SettingError` where train or test would have fewer than two groups or lack a class.
    """
    n_classes = len(counts["test"])
    members = count_members(groups, labels, n_classes)
    mean_rank = np.bincount(groups, weights=ranks) / members.sum(axis=1)
    left = np.argsort(mean_rank, kind="stable")
    part_of = np.full(members.shape[0], "train", dtype="<U10")
    for part in ("test", "reserve", "validation"):
        order = left if part != "validation" else random_order[np.isin(random_order, left)]
        taken = take_groups(order, members, counts[part])
        part_of[taken] = part
        left = left[~np.isin(left, taken)]
    check_groups(part_of, members)
    parts: np.ndarray = part_of[groups]
    return parts


def check_groups(part_of: np.ndarray, members: csr_array) -> None:
    """Raise `SettingError` where train or test cannot be used. part_of: [G]; members: [G, C]."""
    present = members.sum(axis=0) > 0
    for part in ("train", "test"):
        inside = part_of == part
        if inside.sum() < 2:
            raise SettingError(f"{part} would have {int(inside.sum())} groups, it needs 2; give a finer group column")
        lacking = present & (members[inside].sum(axis=0) == 0)
        if lacking.any():
            c = int(np.flatnonzero(lacking)[0])
            raise SettingError(f"no group with class {c} fits into {part}; give a finer group column")
