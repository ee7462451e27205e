"""Rows of a table that holds images, or the paths of their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from splitgen.data.listings.arrow import choose_ids
from splitgen.data.listings.labels import LabelColumn
from splitgen.data.listings.paths import find_files
from splitgen.data.listings.pictures import FilePictures
from splitgen.data.listings.rows import RowPart
from splitgen.data.pixels.decode import Encoded
from splitgen.data.pixels.encoded import Pictures


@dataclass(frozen=True)
class TableRows:
    """N rows of a table, without the images themselves.

    paths: of the images, as written. keys: of a column of ids, where there is one. in_files: rows whose images are not
    in the table, int64 [n], in ascending order. places: their paths below `home`. keys_first: as ids, before paths.
    """

    labels: LabelColumn
    paths: Sequence[str | None]
    keys: Sequence[Any] | None
    in_files: np.ndarray
    places: Sequence[str | None]
    home: Path
    keys_first: bool = False


@dataclass(frozen=True)
class MixedPictures:
    """Images of a table, some of which lie in files. rows: int64 [n], which; in ascending order."""

    table: Pictures
    files: FilePictures
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.table)

    def read(self, row: int) -> Encoded:
        place = int(np.searchsorted(self.rows, row))
        is_file = place < len(self.rows) and self.rows[place] == row
        return self.files.read(place) if is_file else self.table.read(row)

    def name(self, row: int) -> str:
        return self.table.name(row)

    def stamp(self) -> str:
        stamps = self.table.stamp(), self.files.stamp()
        return " ".join(stamps) if all(stamps) else ""


def list_table_rows(source: str, rows: TableRows, table: Pictures, follow_links: bool) -> RowPart:
    """The rows as a part of a source. Raises `SourceError` for files of images that are outside of the home folder."""
    pictures, paths, faults = table, list(rows.paths), {}
    if len(rows.in_files):
        in_files = rows.in_files.tolist()
        found = find_files(source, rows.home, rows.places, lambda place: table.name(in_files[place]), follow_links)
        faults = {in_files[place]: fault for place, fault in found.faults.items()}
        for row, key in zip(in_files, found.ids, strict=True):
            paths[row] = key
        all_in_files = len(in_files) == len(paths)
        pictures = found.pictures if all_in_files else MixedPictures(table, found.pictures, rows.in_files)
    needed = rows.labels.present.copy()
    needed[list(faults)] = False
    tries = [("paths", paths), ("column of ids", rows.keys)]
    ids, notes = choose_ids(tries[::-1] if rows.keys_first else tries, needed)
    return RowPart(pictures, rows.labels, ids, faults, table.name, tuple(notes))
