"""Text files with separators (CSV and its kin): every cell is a text, and an empty one alone is missing."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO

import pandas as pd

from splitgen.archives import LARGE, PACKING, check_packing
from splitgen.parquet import check_names

SEPARATORS = ",;\t|"
SEPARATOR_LINE = re.compile(r'"?sep=([^"\w\s]|\t)"?\s*')  # with which spreadsheets tell it
SAMPLE = 50  # lines by which the separator is found
PACKED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
OTHERS = {
    b"PK\x03\x04": "it is a zip archive; unpack it, or save the workbook's sheet as CSV",
    b"\xff\xfe": "it is UTF-16; save it as UTF-8",
    b"\xfe\xff": "it is UTF-16; save it as UTF-8",
    b"\xd0\xcf\x11\xe0": "it is an old Excel workbook; save its sheet as CSV",
}


def unpack(file: BinaryIO, head: bytes, size: int) -> BinaryIO:
    """The text in a file. Raises `ValueError` for one that is no text, and for what unpacks to far more than it is."""
    problem = next((problem for magic, problem in OTHERS.items() if head.startswith(magic)), None)
    if problem is not None:
        raise ValueError(problem)
    opener = next((opener for magic, opener in PACKED.items() if head.startswith(magic)), None)
    if opener is None:
        return file
    try:
        text: bytes = opener(file).read(max(LARGE, PACKING * size) + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError("it is packed, and cut short or damaged; pack it again") from error
    check_packing("the table", size, len(text))
    return io.BytesIO(text)


def read_text(file: BinaryIO, is_tabbed: bool) -> tuple[pd.DataFrame, str]:
    """The columns of a text, None where a cell is empty, and its separator. Raises `ValueError`."""
    text = io.TextIOWrapper(file, "utf-8-sig", newline="")
    try:
        lines = check_lines(text)
        start = list(islice(lines, SAMPLE))
        told = SEPARATOR_LINE.fullmatch(start[0]) if start else None
        separator = told[1] if told else "\t" if is_tabbed and start and "\t" in start[0] else find_separator(start)
        rows = read_rows(chain(start[1:] if told else start, lines), separator, 2 if told else 1)
        header = next(rows, None)
        if header is None:
            raise ValueError("it is empty")
        return fill_columns(header[1], rows), separator
    finally:
        text.detach()  # the file is not ours to close


def check_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines as they come. Raises `ValueError` where they are no text."""
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if "\0" in line:
                raise ValueError(f"line {number} has a NUL byte, so it is no UTF-8 text; save it as UTF-8")
            yield line
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 text (after line {number}: {error.reason}); save it as UTF-8") from error


def find_separator(lines: Sequence[str]) -> str:
    """The separator that the header has, and by which the most rows have as many fields as the header."""

    def rank(separator: str) -> tuple[bool, int, int]:
        try:
            rows = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]
        except csv.Error:  # told where the rows are read
            return False, 0, 0
        width = len(rows[0]) if rows else 0
        return width > 1, sum(len(row) == width for row in rows), width

    return max(SEPARATORS, key=rank)


def read_rows(lines: Iterable[str], separator: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the number of the line that each ends in; `first` is that of the first line.
    Raises `ValueError` for quotes that do not end."""
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    try:
        for row in reader:
            if "".join(row).strip():
                yield reader.line_num + first - 1, row
    except csv.Error as error:
        problem = f"line {reader.line_num + first - 1}: {error}"
        raise ValueError(f"{problem}; put quotes around a field, and double those within it") from error


def fill_columns(header: list[str], rows: Iterable[tuple[int, list[str]]]) -> pd.DataFrame:
    """The columns of rows below a header. Raises `ValueError` as `fit_rows`, for a name that stands twice, and for
    values without a name."""
    names = [name.strip() for name in header]
    cells = list(zip(*fit_rows(rows, len(names)), strict=True)) or [()] * len(names)
    columns = [[cell if cell and not cell.isspace() else None for cell in column] for column in cells]
    kept = [position for position, name in enumerate(names) if name or any(columns[position])]
    nameless = next((position for position in kept if position and not names[position]), None)
    if nameless is not None:
        raise ValueError(f"column {nameless + 1} has no name; name it in the first line")
    check_names([names[position] for position in kept])
    return pd.DataFrame({names[position]: pd.Series(columns[position], dtype=object) for position in kept})


def fit_rows(rows: Iterable[tuple[int, list[str]]], width: int) -> Iterator[list[str]]:
    """The rows with so many cells each: a short one has empty cells at its end. Raises `ValueError` for a longer one
    with values there."""
    for number, row in rows:
        if len(row) == width:
            yield row
        elif any(cell.strip() for cell in row[width:]):
            problem = f"line {number} has {len(row)} fields, the header {width}"
            raise ValueError(f"{problem}; put quotes around a field with a separator in it")
        else:
            yield (row + [""] * width)[:width]
