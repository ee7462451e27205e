"""Parquet files, as the Hugging Face hub serves them and as people write them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from splitgen.archives import ArchiveError, check_memory, check_packing
from splitgen.data.dataset import ImageDataset
from splitgen.data.listings.arrow import (
    TableColumns,
    as_found,
    find_columns,
    has_labels,
    read_labels,
    read_paths,
    unpack_columns,
)
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.listings.parts import FilePart, find_parts, refuse_part
from splitgen.data.listings.row_groups import ParquetPictures, find_missing, list_groups
from splitgen.data.listings.rows import NO_LABELS, OWN_TEST, RowPart, RowParts, divide_rows, list_rows
from splitgen.data.listings.table_rows import TableRows, list_table_rows
from splitgen.errors import SourceError
from splitgen.footers import DAMAGED, read_footer
from splitgen.parquet import find_doubled
from splitgen.settings.stages import DataConfig

LFS_POINTER = b"version https://git-lfs"
WRITE_AGAIN = "write it again, or fetch it again"


@dataclass(frozen=True)
class Tables:
    """Parquet files with the same columns. rows: everything of them but the images themselves."""

    files: tuple[Path, ...]
    footers: tuple[pq.FileMetaData, ...]
    columns: TableColumns
    rows: pa.Table

    def place_paths(self, paths: Sequence[str | None], rows: np.ndarray) -> list[str | None]:
        """The paths of some rows, relative to the folder that all files lie in."""
        home, ends = self.find_home(), np.cumsum([footer.num_rows for footer in self.footers])
        folders = [path.parent.relative_to(home).as_posix().removeprefix(".") for path in self.files]
        places = zip(rows.tolist(), np.searchsorted(ends, rows, side="right").tolist(), strict=True)
        return [path and os.path.join(folders[file], path) for row, file in places for path in (paths[row],)]

    def find_home(self) -> Path:
        return Path(os.path.commonpath([path.parent for path in self.files]))


def load_parquet(argument: str, config: DataConfig) -> ImageDataset:
    """A Parquet file, a folder or a glob of them: a column of images (bytes, `{bytes, path}` or paths relative to the
    file's folder) and one of labels (numbers, with the hub's class names where they are there, or text).

    Files whose names tell parts (train-*, test-*) give the part to open and the own test set. Ids are the paths of the
    images where all are there and unique, else a column `__key__` or `id`, else row numbers. Raises `SourceError`.
    """
    return decode_listing(list_parquet(argument, config), config)


def list_parquet(argument: str, config: DataConfig) -> Listing:
    """What Parquet files list. Raises `SourceError`."""
    source = f"parquet:{Path(argument).name}"
    found = find_parts(f"parquet:{argument}", argument, ".parquet", config.part)
    tables = read_tables(source, found.part, config)
    rows = list_tables(source, tables, config)
    if found.part.name:
        parts = add_own_test(source, RowParts(rows, None, found.notes), found.own_test, tables.columns, config)
    elif tables.columns.part is not None:
        values = tables.rows.column(tables.columns.part).to_pylist()
        parts = divide_rows(source, rows, tables.columns.part, values, config.part)
        parts = replace(parts, notes=(*found.notes, *parts.notes))
    else:
        refuse_part(source, config.part)
        parts = RowParts(rows, None, found.notes)
    return list_rows(source, parts, config.skip_unreadable)


def add_own_test(
    source: str, parts: RowParts, own_test: FilePart | None, columns: TableColumns, config: DataConfig
) -> RowParts:
    """With the rows of the files that are the own test set, by the columns of the opened part."""
    if own_test is None:
        return parts
    source = f"{source}, {OWN_TEST}"
    if not all(has_labels(open_parquet(source, path).schema_arrow, columns) for path in own_test.files):
        return replace(parts, notes=(*parts.notes, NO_LABELS))
    config = as_found(config, columns)
    return replace(parts, own_test=list_tables(source, read_tables(source, own_test, config), config))


def read_tables(source: str, part: FilePart, config: DataConfig) -> Tables:
    """The files of a part, without their images. Raises `SourceError` for files that do not fit together."""
    footers, columns, tables = [], [], []
    for path in part.files:
        try:
            file = open_parquet(source, path)
            columns.append(find_columns(source, file.schema_arrow, config))
            footers.append(file.metadata)
            tables.append(unpack_columns(file.read(columns=columns[-1].light, use_threads=False)))
        except (OSError, *DAMAGED) as error:
            raise refuse_file(source, path, error) from error
        if columns[-1] != columns[0]:
            problem = f"'{path.name}' has other columns or class names than '{part.files[0].name}'"
            raise SourceError(source, problem, "give files of one dataset")
    try:
        rows = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise SourceError(source, "its files have columns of different types", "give files of one dataset") from error
    return Tables(part.files, tuple(footers), columns[0], rows)


def refuse_file(source: str, path: Path, error: Exception) -> SourceError:
    """The error of a file whose columns cannot be read."""
    reason = str(error).partition("\n")[0][:200]
    return SourceError(source, f"'{path.name}' cannot be read ({reason})", WRITE_AGAIN)


def open_parquet(source: str, path: Path) -> pq.ParquetFile:
    """A Parquet file that does not unpack to far more than it is. Raises `SourceError`."""
    try:
        with path.open("rb") as start:
            if start.read(len(LFS_POINTER)) == LFS_POINTER:
                problem = f"'{path.name}' is a pointer of Git LFS, not the file itself"
                raise SourceError(source, problem, "fetch it with git lfs pull")
        file = pq.ParquetFile(path, metadata=read_footer(path))
    except OSError as error:
        problem = f"'{path.name}' cannot be read ({error.strerror or 'it is damaged'})"
        raise SourceError(source, problem, WRITE_AGAIN) from error
    except DAMAGED as error:
        problem = f"'{path.name}' is not a Parquet file, or it is cut short"
        raise SourceError(source, problem, WRITE_AGAIN) from error
    footer = file.metadata
    try:
        n_bytes = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
        check_packing(f"'{path.name}'", path.stat().st_size, n_bytes)
        check_memory(f"'{path.name}'", (footer.num_rows,), 64)
    except ArchiveError as error:
        raise SourceError(source, error.problem, error.remedy) from error
    if (doubled := find_doubled(file.schema_arrow.names)) is not None:
        raise SourceError(source, f"'{path.name}' has two columns named '{doubled}'", "rename one")
    return file


def list_tables(source: str, tables: Tables, config: DataConfig) -> RowPart:
    """All rows of the tables. Raises `SourceError` for files of images that are outside of the folder."""
    columns, in_files = tables.columns, find_in_files(source, tables)
    paths = read_paths(tables.rows, columns.image)
    rows = TableRows(
        labels=read_labels(tables.rows.column(columns.label), columns.class_names),
        paths=paths,
        keys=None if columns.key is None else tables.rows.column(columns.key).to_pylist(),
        in_files=in_files,
        places=tables.place_paths(paths, in_files),
        home=tables.find_home(),
    )
    table = ParquetPictures(tables.files, list_groups(tables.footers, columns.image), columns.image)
    return list_table_rows(source, rows, table, config.follow_links)


def find_in_files(source: str, tables: Tables) -> np.ndarray:
    """Rows whose images are not in the table itself, but may be in files that it names, int64 [n]. Raises
    `SourceError` for a file that cannot be read."""
    if not tables.columns.image.has_bytes:
        return np.arange(tables.rows.num_rows)
    found, start = [np.empty(0, np.int64)], 0
    for path, footer in zip(tables.files, tables.footers, strict=True):
        try:
            found.append(start + find_missing(path, footer, tables.columns.image))
        except (OSError, *DAMAGED) as error:
            raise refuse_file(source, path, error) from error
        start += footer.num_rows
    return np.concatenate(found)
