"""Rows of a table or an archive: which of them can be used, and the listing of those."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from splitgen.data.listings.labels import LabelColumn, code_labels, code_own_test
from splitgen.data.listings.listing import Listing
from splitgen.data.listings.names import check_names
from splitgen.data.listings.parts import ALIASES, choose_own_test, choose_part, name_part
from splitgen.data.pixels.decode import Encoded
from splitgen.data.pixels.encoded import Pictures
from splitgen.errors import SourceError

OWN_TEST = "its own test set"
NO_LABELS = f"{OWN_TEST} has no labels and is not used"


@dataclass(frozen=True)
class RowPart:
    """N rows of a source as they stand: nothing is left out yet, and labels are not yet class numbers.

    faults: what is wrong with a row's image, by row. tell_row: a row in messages. notes: what is odd about them.
    """

    pictures: Pictures
    labels: LabelColumn
    ids: tuple[str, ...]
    faults: Mapping[int, str]
    tell_row: Callable[[int], str]
    notes: tuple[str, ...] = ()

    def take(self, rows: np.ndarray) -> RowPart:
        """Some of the rows, by their numbers in ascending order; `tell_row` still tells them as the source has them."""
        places = {int(row): place for place, row in enumerate(rows)}
        faults = {places[row]: fault for row, fault in self.faults.items() if row in places}
        ids = tuple(self.ids[row] for row in rows)
        pictures = ChosenPictures(self.pictures, rows)
        return RowPart(pictures, self.labels.take(rows), ids, faults, lambda row: self.tell_row(int(rows[row])))


@dataclass(frozen=True)
class RowParts:
    """The rows to open, those of the own test set where there are any, and what to tell of both."""

    part: RowPart
    own_test: RowPart | None
    notes: tuple[str, ...] = ()


def divide_rows(source: str, part: RowPart, column: str, values: Sequence[str | None], wanted: str | None) -> RowParts:
    """Rows by a column that says which part each is of.

    values: [N] of the column. wanted: the part that is asked for. A column without usual names of parts (train, val,
    test, ...) is about something else, unless a part is asked for: then all rows are taken. Raises `SourceError` for a
    part that is not there, and for rows of none.
    """
    names = np.array([None if value is None else name_part(value) for value in values], dtype=object)
    there = {name for name in names.tolist() if name is not None}
    if wanted is None and not (there and there <= set(ALIASES.values())):
        return RowParts(part, None, (f"column '{column}' has no usual names of parts: all rows are taken",))
    empty = np.flatnonzero([name is None for name in names])
    if len(empty):
        problem = f"{part.tell_row(int(empty[0]))} has nothing in the column '{column}' ({len(empty)} such rows)"
        raise SourceError(source, problem, "give every row its part")
    chosen = choose_part(source, wanted, there)
    own = choose_own_test(chosen, there)
    notes = [f"part '{chosen}' of the column '{column}' is opened"]
    if own is not None:
        notes.append(f"part '{own}' is the own test set ({int((names == own).sum()):,} rows)")
    left = sorted(there - {chosen, own})
    if left:
        notes.append(f"parts that are there and not used: {', '.join(left)}")
    own_test = None if own is None else part.take(np.flatnonzero(names == own))
    return RowParts(part.take(np.flatnonzero(names == chosen)), own_test, (*notes, *part.notes))


@dataclass(frozen=True)
class ChosenPictures:
    """Some of the images of a source. rows: int64 [N], which."""

    pictures: Pictures
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, row: int) -> Encoded:
        return self.pictures.read(int(self.rows[row]))

    def name(self, row: int) -> str:
        return self.pictures.name(int(self.rows[row]))

    def stamp(self) -> str:
        stamp = self.pictures.stamp()
        return stamp and hashlib.sha256(stamp.encode() + self.rows.tobytes()).hexdigest()


def list_rows(source: str, parts: RowParts, skip_faults: bool) -> Listing:
    """The listing of rows, and of those of an own test set.

    skip_faults: leave out rows without an image or a label, and count them in a note; else they are a `SourceError`.
    """
    part = parts.part
    if not len(part.pictures):
        raise SourceError(source, "it has no rows", "give a dataset with at least two classes")
    kept, told = choose_rows(source, part, skip_faults)
    check_labelled(source, part, kept)
    if not len(kept):
        raise SourceError(source, "no row has both an image and a label", "give a dataset with at least two classes")
    labels, names = code_labels(source, part.labels.take(kept))
    check_names(source, names, "classes")
    own = None
    told = [*parts.notes, *part.notes, *told, *tell_numbers(names)]
    if parts.own_test is not None:
        own, own_notes = list_own_test(source, parts.own_test, names, skip_faults, by_name=part.labels.is_text)
        told += own_notes
    pictures, ids = take_rows(part, kept)
    check_names(source, ids, "ids")
    return Listing(source, pictures, labels, ids, names, tuple(told), own)


def take_rows(part: RowPart, kept: np.ndarray) -> tuple[Pictures, tuple[str, ...]]:
    """Images and ids of the rows that are kept."""
    if len(kept) == len(part.ids):
        return part.pictures, part.ids
    return ChosenPictures(part.pictures, kept), tuple(part.ids[row] for row in kept)


def list_own_test(
    source: str, part: RowPart, names: tuple[str, ...], skip_faults: bool, *, by_name: bool
) -> tuple[Listing | None, list[str]]:
    """The listing of an own test set, without rows that say that they have no label, and what to tell of it.

    names: of the train part's classes; by_name: its labels are text.
    """
    if not part.labels.present.any():
        return None, [NO_LABELS]
    source = f"{source}, {OWN_TEST}"
    kept, notes = choose_rows(source, part, skip_faults)
    lacking = part.labels.lacks_class()[kept]
    if lacking.any():
        count = f"{int(lacking.sum())} rows" if lacking.sum() > 1 else "one row"
        notes.append(f"{count} with the label -1, which means none, left out")
    kept = kept[~lacking]
    notes = [f"{OWN_TEST}: {note}" for note in (*part.notes, *notes)]
    if not len(kept):
        return None, [*notes, NO_LABELS]
    labels = code_own_test(source, part.labels.take(kept), names, by_name=by_name)
    pictures, ids = take_rows(part, kept)
    return Listing(source, pictures, labels, ids, names), notes


def choose_rows(source: str, part: RowPart, skip_faults: bool) -> tuple[np.ndarray, list[str]]:
    """Rows that have an image and a label, int64 [n], and a note of the others, which are an error unless skipped."""
    usable = part.labels.present.copy()
    usable[list(part.faults)] = False
    bad = np.flatnonzero(~usable)
    if not len(bad):
        return np.flatnonzero(usable), []
    first = int(bad[0])
    what = part.faults.get(first, "has no label")
    if not skip_faults:
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        problem = f"{part.tell_row(first)} {what}{more}"
        raise SourceError(source, problem, "repair the rows, or give --skip-unreadable to leave them out")
    count = f"{len(bad)} rows" if len(bad) > 1 else "one row"
    return np.flatnonzero(usable), [f"{count} left out (first: {part.tell_row(first)} {what})"]


def check_labelled(source: str, part: RowPart, kept: np.ndarray) -> None:
    """Raise `SourceError` where labels of rows to train on say that there is none."""
    lacking = kept[part.labels.lacks_class()[kept]]
    if len(lacking):
        problem = f"{part.tell_row(int(lacking[0]))} has the label -1, which means none ({len(lacking)} such rows)"
        raise SourceError(source, problem, "take a part that has labels")


def tell_numbers(names: Sequence[str]) -> list[str]:
    """A note where classes are named by numbers that are not theirs."""
    if not all(name.isdecimal() for name in names) or list(names) == [str(number) for number in range(len(names))]:
        return []
    shown = ", ".join(f"'{name}' is class {number}" for number, name in enumerate(names[:3]))
    return [f"classes are named by numbers: {shown}{', ...' if len(names) > 3 else ''}"]
