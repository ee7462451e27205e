"""Whole groups of datapoints (a patient's, a scene's) into parts of wanted sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from splitgen.data.metadata import Groups
from splitgen.errors import SettingError

FINER = "give a finer group column, or --duplicates ignore where byte-identical images are the groups"


def count_members(groups: np.ndarray, labels: np.ndarray, n_classes: int) -> csr_array:
    """Rows of each class in each group, int64 [G, C], sparse: a group has few classes. groups, labels: [n], from 0."""
    ones = np.ones(len(groups), dtype=np.int64)
    return csr_array(coo_array((ones, (groups, labels)), shape=(int(groups.max()) + 1, n_classes)))


def take_groups(order: np.ndarray, members: csr_array, wanted: np.ndarray) -> np.ndarray:
    """Those of the groups, looked at in order, that each bring the class counts nearer to the wanted.

    order: group numbers [g]. members: [G, C]. wanted: [C]. Nearness is the sum over classes of the
    absolute difference, so that groups of one row fill every class exactly.
    """
    missing, taken = wanted.tolist(), []  # lists: of a million groups most have one row, and NumPy is slow on those
    starts, classes, counts = (each.tolist() for each in (members.indptr, members.indices, members.data))
    distance = sum(map(abs, missing))
    for group in order.tolist():
        if distance == 0:
            break
        own = range(starts[group], starts[group + 1])
        change = sum(abs(missing[classes[at]] - counts[at]) - abs(missing[classes[at]]) for at in own)
        if change < 0:
            taken.append(group)
            distance += change
            for at in own:
                missing[classes[at]] -= counts[at]
    return np.array(taken, dtype=np.int64)


def share_groups(
    ranks: np.ndarray,
    random_order: np.ndarray,
    groups: np.ndarray,
    labels: np.ndarray,
    counts: Mapping[str, np.ndarray],
    class_names: Sequence[str] | None = None,
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
    check_groups(part_of, members, class_names)
    parts: np.ndarray = part_of[groups]
    return parts


def check_groups(part_of: np.ndarray, members: csr_array, class_names: Sequence[str] | None = None) -> None:
    """Raise `SettingError` where train or test cannot be used. part_of: [G]; members: [G, C]; class_names: C."""
    present = members.sum(axis=0) > 0
    for part in ("train", "test"):
        inside = part_of == part
        if inside.sum() < 2:
            raise SettingError(f"{part} would have {int(inside.sum())} groups, it needs 2; {FINER}")
        lacking = present & (members[inside].sum(axis=0) == 0)
        if lacking.any():
            c = int(np.flatnonzero(lacking)[0])
            name = str(c) if class_names is None else f"'{class_names[c]}'"
            raise SettingError(f"no group with class {name} fits into {part}; {FINER}")


def check_groups_suffice(groups: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
    """Raise `SettingError` where no scores could give train and test two groups each, and every class. groups, labels:
    [N]."""
    members = count_members(groups, labels, len(class_names))
    if members.shape[0] < 4:
        raise SettingError(f"there are {members.shape[0]} groups, train and test need 2 each; {FINER}")
    alone = np.flatnonzero((members > 0).sum(axis=0) == 1)
    if len(alone):
        raise SettingError(
            f"class '{class_names[alone[0]]}' is in one group alone, train and test need one each; {FINER}"
        )


def check_groups_known(metadata: Mapping[str, Any], groups: Groups | None) -> None:
    """A split that kept groups whole is judged by controls that do so too.

    metadata: of the split. groups: of the dataset as it was opened. Raises `SettingError`.
    """
    told = metadata.get("groups") or {}
    column = told.get("column")
    if column is not None and (groups is None or groups.column is None):
        raise SettingError(
            f"the split keeps the groups of '{column}' whole; give --metadata FILE --group-column {column}, so that "
            "its controls do the same"
        )
    if column is not None and groups is not None and groups.column != column:
        raise SettingError(
            f"the split keeps the groups of '{column}' whole, not those of '{groups.column}'; "
            f"give --group-column {column}"
        )
    if told.get("duplicates") and not (groups is not None and groups.duplicates):
        raise SettingError(
            "the split keeps byte-identical images in one part; leave out --duplicates ignore, so that its controls do "
            "the same"
        )


def describe_kept(groups: Groups) -> str:
    """What is kept whole, in words."""
    n_sets = int((np.bincount(groups.codes) > 1).sum())
    if groups.column is None:
        return f"{n_sets} {'set' if n_sets == 1 else 'sets'} of byte-identical images"
    return f"{groups.n_groups} groups of '{groups.column}'" + (
        " and byte-identical images" if groups.duplicates else ""
    )
