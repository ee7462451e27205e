"""CSV manifests."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from splitgen.data.dataset import ImageDataset
from splitgen.data.listings.columns import USUAL_IMAGES, find_usual
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.listings.manifest import Manifest, list_manifest, read_text
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

SEPARATORS = (",", ";", "\t", "|")


def load_csv(argument: str, config: DataConfig) -> ImageDataset:
    """A CSV file with paths of images, relative to its folder, and labels; by a column `split` it has parts.

    Everything is text: 007, 07 and 7 are three classes, NA is a value. Raises `SourceError`.
    """
    return decode_listing(list_csv(argument, config), config)


def list_csv(argument: str, config: DataConfig) -> Listing:
    """What a CSV file lists. Raises `SourceError`."""
    path = Path(argument)
    source = f"csv:{path.name}"
    text = read_text(source, path)
    return list_manifest(source, path, parse_table(source, path, text), config)


def parse_table(source: str, path: Path, text: str) -> Manifest:
    """The columns of a CSV file by the names in its header; those without a name are left out. Raises `SourceError`."""
    first_line = 1
    told = re.match(r"sep=(.)\r?\n", text, re.IGNORECASE)  # as spreadsheets write it
    if told is not None:
        text, first_line = text[told.end() :], 2
    separator = "\t" if path.suffix.lower() == ".tsv" else told[1] if told is not None else find_separator(source, text)
    records = read_records(source, text, separator, first_line)
    _, header = next(records, (1, []))
    check_header(source, path, header)
    columns: dict[str, list[str | None]] = {name: [] for name in header if name}
    lines = []
    for line, fields in records:
        if len(fields) < len(header) or any(fields[len(header) :]):
            problem = f"line {line} has {len(fields)} fields, the header {len(header)}"
            raise SourceError(source, problem, "quote fields that contain the separator")
        lines.append(line)
        for name, field in zip(header, fields, strict=False):
            if name:
                columns[name].append(field or None)
    return Manifest(columns, lines)


def find_separator(source: str, text: str) -> str:
    """The separator that gives the header the most columns."""
    counts = {}
    for separator in SEPARATORS:
        with contextlib.suppress(SourceError):  # of another separator
            counts[separator] = len(next(read_records(source, text, separator), (1, []))[1])
    return max(counts, key=lambda separator: counts[separator]) if counts else SEPARATORS[0]


def read_records(source: str, text: str, separator: str, first_line: int = 1) -> Iterator[tuple[int, list[str]]]:
    """Records with the line that each starts in; without empty ones, and without blanks around fields."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    line = first_line
    try:
        for record in reader:
            fields = [field.strip() for field in record]
            if any(fields):
                yield line, fields
            line = first_line + reader.line_num
    except csv.Error as error:
        raise SourceError(source, f"line {line} is no CSV ({error})", "close every quote that is opened") from error


def check_header(source: str, path: Path, header: list[str]) -> None:
    """Raise `SourceError` unless the first line names at least two columns."""
    if not header:
        raise SourceError(source, "it is empty", "give a header and a line for each image")
    if len(header) < 2:
        problem = f"its header '{header[0][:80]}' is one column"
        raise SourceError(source, problem, "separate path and label by comma, semicolon, tab or |")
    doubled = [name for name in header if name and header.count(name) > 1]
    if doubled:
        raise SourceError(source, f"its header has '{doubled[0]}' twice", "rename one of the columns")
    if not find_usual(header, USUAL_IMAGES) and any(os.path.isfile(path.parent / field) for field in header):
        raise SourceError(source, "it has no header: its first line names an image", "put path,label above it")
