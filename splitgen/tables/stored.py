"""Parquet files of others: their columns of numbers, words and dates, whatever wrote them."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow as pa

from splitgen.parquet import check_names, load_table, to_frame

INDEX_LEVEL = re.compile(r"__index_level_[0-9]+__")  # the name that pandas gives an index without one


def read_stored(path: Path) -> pd.DataFrame:
    """The columns of a Parquet file that hold numbers, words or dates, by their trimmed names; an index that pandas
    stored is a column, named "" where it had no name. Raises `ValueError`."""
    frame = to_frame(plain_columns(load_table(path, with_nested=False)))
    nameless = [name for name in frame.columns if INDEX_LEVEL.fullmatch(name)]
    frame = frame.drop(columns=nameless[1:]).rename(columns=dict.fromkeys(nameless[:1], ""))
    frame.columns = pd.Index([name.strip() for name in frame.columns], dtype=object)
    check_names(list(frame.columns))
    return frame


def plain_columns(table: pa.Table) -> pa.Table:
    """The table with codes as what they stand for, and bytes as text; bytes that are none are left out."""
    for position in reversed(range(table.num_columns)):
        field = table.schema.field(position)
        try:
            column = table.column(position).cast(plain_type(field.type))
        except pa.ArrowInvalid:  # bytes that are no text
            table = table.remove_column(position)
        else:
            table = table.set_column(position, field.name, column)
    return table


def plain_type(of: pa.DataType) -> pa.DataType:
    """The type that a column is read as."""
    if pa.types.is_dictionary(of):
        return plain_type(of.value_type)
    if pa.types.is_binary(of) or pa.types.is_large_binary(of) or pa.types.is_fixed_size_binary(of):
        return pa.string()
    if pa.types.is_date(of):
        return pa.timestamp("s")
    return pa.float64() if pa.types.is_decimal(of) else of
