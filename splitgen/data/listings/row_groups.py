"""Images in Parquet files, read a window of a row group at a time."""

from __future__ import annotations

import bisect
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from splitgen.data.listings.arrow import BYTES, ImageColumn
from splitgen.data.listings.pictures import stamp_files
from splitgen.data.pixels.decode import DecodeError
from splitgen.footers import DAMAGED

WINDOW = 32 * 2**20  # bytes of images that are held at a time, about
LOCAL = threading.local()  # a thread's own open file; of a forked process, too


@dataclass(frozen=True)
class RowGroup:
    """Rows of a Parquet file that lie together. start: the first one's number in all files; size: bytes of images."""

    file: int
    number: int
    start: int
    n_rows: int
    size: int

    @property
    def window(self) -> int:
        """Rows that are held at a time."""
        return max(1, min(self.n_rows, self.n_rows * WINDOW // max(1, self.size)))


@dataclass(frozen=True)
class ParquetPictures:
    """The images of Parquet files, in order. Reading is fast forwards, and within a small row group."""

    files: tuple[Path, ...]
    groups: tuple[RowGroup, ...]
    image: ImageColumn

    def __len__(self) -> int:
        return self.groups[-1].start + self.groups[-1].n_rows if self.groups else 0

    def read(self, row: int) -> bytes:
        """The bytes of an image. Raises `DecodeError` where there are none, and for a file that cannot be read."""
        try:
            group = self.find_group(row)
            item = find_window(self.files[group.file], self.image, group).read(row)
        except (OSError, *DAMAGED, StopIteration) as error:
            LOCAL.key = None  # what is left of the window is of no use
            raise DecodeError(f"cannot be read ({str(error).partition('. ')[0][:200]})") from error
        if item is None:
            raise DecodeError("has no image")
        return item

    def find_group(self, row: int) -> RowGroup:
        return self.groups[bisect.bisect_right(self.groups, row, key=lambda group: group.start) - 1]

    def name(self, row: int) -> str:
        """As "row 7", counted from 0, of its file where there are several."""
        if len(self.files) == 1:
            return f"row {row}"
        file = self.find_group(row).file
        first = next(group.start for group in self.groups if group.file == file)
        return f"row {row - first} of {self.files[file].name}"

    def stamp(self) -> str:
        stamp = stamp_files(self.files)
        return stamp and hashlib.sha256(f"{stamp} {self.image.name}".encode()).hexdigest()


class Window:
    """The images of a row group, some at a time."""

    def __init__(self, path: Path, image: ImageColumn, group: RowGroup) -> None:
        self.path, self.image, self.group = path, image, group
        self.file = pq.ParquetFile(path, memory_map=True)  # else a row group's bytes are read at once
        self.rewind()

    def rewind(self) -> None:
        self.start, self.rows = self.group.start, pa.array([], pa.binary())
        self.batches: Iterator[pa.RecordBatch] = self.file.iter_batches(
            self.group.window, row_groups=[self.group.number], columns=[self.image.bytes_column], use_threads=False
        )

    def read(self, row: int) -> bytes | None:
        if row < self.start:
            self.rewind()
        while row >= self.start + len(self.rows):
            self.start += len(self.rows)
            self.rows = take_bytes(next(self.batches).column(0), self.image)
        found: bytes | None = self.rows[row - self.start].as_py()
        return found


def take_bytes(column: pa.Array, image: ImageColumn) -> pa.Array:
    return pc.struct_field(column, BYTES) if image.nested else column


def find_window(path: Path, image: ImageColumn, group: RowGroup) -> Window:
    """The row group's window that this thread has open, or a new one in its place."""
    found = os.stat(path)
    key = (os.getpid(), path, found.st_mtime_ns, found.st_size, image, group)
    if getattr(LOCAL, "key", None) != key:
        LOCAL.window, LOCAL.key = Window(path, image, group), key
    window: Window = LOCAL.window
    return window


def list_groups(footers: Sequence[pq.FileMetaData], image: ImageColumn) -> tuple[RowGroup, ...]:
    """All row groups of files, in order."""
    groups, start = [], 0
    for file, footer in enumerate(footers):
        for number in range(footer.num_row_groups):
            group = footer.row_group(number)
            column = find_chunk(group, image)
            size = group.total_byte_size if column is None else column.total_uncompressed_size
            if group.num_rows:
                groups.append(RowGroup(file, number, start, group.num_rows, size))
            start += group.num_rows
    return tuple(groups)


def find_chunk(group: pq.RowGroupMetaData, image: ImageColumn) -> pq.ColumnChunkMetaData | None:
    """The column chunk of the images' bytes."""
    chunks = (group.column(number) for number in range(group.num_columns))
    return next((chunk for chunk in chunks if chunk.path_in_schema == image.bytes_column), None)


def find_missing(path: Path, footer: pq.FileMetaData, image: ImageColumn) -> np.ndarray:
    """Rows of a file that have no bytes of an image, int64 [n]. The images are read only where the file's statistics
    do not say that all are there."""
    missing, start = [np.empty(0, np.int64)], 0
    file = pq.ParquetFile(path, memory_map=True)
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        chunk = find_chunk(group, image)
        statistics = None if chunk is None else chunk.statistics
        if statistics is None or not statistics.has_null_count or statistics.null_count:
            for batch in file.iter_batches(256, row_groups=[number], columns=[image.bytes_column], use_threads=False):
                found = np.asarray(take_bytes(batch.column(0), image).is_null())
                missing.append(start + np.flatnonzero(found))
                start += len(found)
        else:
            start += group.num_rows
    return np.concatenate(missing)
