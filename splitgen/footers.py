"""The footer of a Parquet file: what its columns hold, and how much of it, is known before they are read.

What pyarrow does not expect in a footer ends the process, where it is asked for a column chunk (26.0: sizes or a type
that are not those of the column). The same footer is refused by an error where rows are to be read; so every chunk is
asked for its first row before anything else, and nothing but the footer is read. What is left is said by several
numbers, and believed where they agree.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from splitgen.archives import LARGE, check_memory, check_packing

DAMAGED = (pa.ArrowException, RuntimeError)  # what pyarrow raises for a damaged file, beside `OSError`
BATCH = 2**16  # rows whose texts are measured at a time
WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4}  # bytes of a value, of other types 8 or their own length
PREFIXES = "DELTA_BYTE_ARRAY"  # texts as what differs from the one before, which pyarrow cannot read once for many rows


class FooterFile(io.FileIO):
    """A file that gives nothing any more once it `is_over`, and remembers that it `was_asked` then."""

    is_over = was_asked = False

    def read(self, size: int | None = -1) -> bytes:
        if self.is_over:
            self.was_asked = True
            return b""
        return super().read(-1 if size is None else size) or b""


def read_footer(path: Path) -> pq.FileMetaData:
    """The footer, every column chunk of which can be asked for, with its statistics.

    Raises `OSError` or one of `DAMAGED` for a file that is none of Parquet, or whose footer contradicts itself.
    """
    with FooterFile(path) as source:
        file = pq.ParquetFile(source)
        source.is_over = True
        check_chunks(file, source)
        return file.metadata


def check_chunks(file: pq.ParquetFile, source: FooterFile) -> None:
    """Raise what pyarrow does for a column chunk that it cannot read. source: of the file, which is over; a chunk whose
    pages are asked for there is well."""
    footer = file.metadata
    check_counts(footer)
    for group, column in itertools.product(range(footer.num_row_groups), range(footer.num_columns)):
        source.was_asked = False
        try:
            next(file.reader.iter_batches(1, row_groups=[group], column_indices=[column], use_threads=False), None)
        except (OSError, *DAMAGED):
            if not source.was_asked:
                raise
        check_chunk(footer.row_group(group), column, footer.schema.column(column))


def check_counts(footer: pq.FileMetaData) -> None:
    """Raise `OSError` where the rows of the groups are not those of the file: pyarrow takes memory for as many as a
    group says that it has."""
    counts = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    if min(counts, default=0) < 0 or sum(counts) != footer.num_rows:
        raise OSError(f"it has {footer.num_rows} rows, and {sum(counts)} in its parts")


def check_chunk(group: pq.RowGroupMetaData, column: int, leaf: pq.ColumnSchema) -> None:
    """Raise `OSError` for a chunk of another type than its column's, or of other rows than its group's."""
    chunk = group.column(column)
    if chunk.physical_type != leaf.physical_type:
        raise OSError(f"column '{leaf.path}' has {chunk.physical_type}, and {leaf.physical_type} in its schema")
    is_list = leaf.max_repetition_level > 0  # of any number of values in a row, and of one where it is empty
    if chunk.num_values < group.num_rows or (chunk.num_values > group.num_rows and not is_list):
        raise OSError(f"column '{leaf.path}' has {chunk.num_values} values in {group.num_rows} rows")


def check_footprint(path: Path, columns: Sequence[str] | None = None) -> None:
    """Raise `ValueError` for columns, by default all, that do not fit into memory, or are far larger there than in the
    file: runs of one value take next to nothing in it, and one text can stand in thousands of rows."""
    footer, size = read_footer(path), path.stat().st_size
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    check_packing("the table", size, sum(group.total_byte_size for group in groups))
    check_memory("a table", (footer.num_rows, footer.num_columns), 8)
    leaves = [footer.schema.column(number) for number in range(footer.num_columns)]
    total = 0
    for field in footer.schema.to_arrow_schema():
        if columns is not None and field.name not in columns:
            continue
        mine = [leaf for leaf in leaves if f"{leaf.path}.".startswith(f"{field.name}.")]
        chunks = [group.column(leaves.index(leaf)) for group in groups for leaf in mine]
        width = max((max(leaf.length, WIDTHS.get(leaf.physical_type, 8)) for leaf in mine), default=0)
        total += width * sum(chunk.num_values for chunk in chunks)
        check_packing("the table", size, total)
        if not pa.types.is_primitive(field.type):
            for n_bytes in unpack_column(path, field, footer.num_rows, chunks):
                total += n_bytes
                check_packing("the table", size, total)


def unpack_column(path: Path, field: pa.Field, n_rows: int, chunks: Sequence[pq.ColumnChunkMetaData]) -> Iterator[int]:
    """The bytes that a column of texts has in memory, some rows at a time; none where they cannot be many. A text that
    stands in many rows is read once. chunks: all of the column."""
    most = max((chunk.total_uncompressed_size for chunk in chunks), default=0)  # no value is longer than its chunk
    if n_rows * most <= LARGE:
        return
    is_text = pa.types.is_string(field.type) or pa.types.is_binary(field.type)
    if is_text and not any(PREFIXES in chunk.encodings for chunk in chunks):
        for batch in pq.ParquetFile(path, read_dictionary=[field.name]).iter_batches(BATCH, columns=[field.name]):
            held = batch.column(0)
            yield pc.sum(pc.take(pc.binary_length(held.dictionary), held.indices)).as_py() or 0
    else:
        for batch in pq.ParquetFile(path).iter_batches(max(1, min(BATCH, LARGE // most)), columns=[field.name]):
            yield batch.nbytes
