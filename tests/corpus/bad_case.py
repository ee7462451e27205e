"""A case of the corpus, and what recipes are made of.

A recipe spoils one thing in a folder that holds a dataset (digits.npz), its run (run/), predictions of that run's rows
(right.csv), settings (quick.toml) and pictures (pictures/CLASS/N.png), all of them good.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Recipe = Callable[[Path], object]
DROP = object()  # in place of a value: the entry is taken away


@dataclass(frozen=True)
class Case:
    """A bad thing. name: of the case. recipe: makes it. command: the line that meets it, without `splitgen`.

    words: that must stand in the one line of the error. code: the exit code.
    """

    name: str
    recipe: Recipe
    command: str
    words: str
    code: int = 2


def nothing(folder: Path) -> None:
    """The command line itself is the bad thing."""


def write(name: str, content: str | bytes) -> Recipe:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def write_lines(name: str, *lines: Any) -> Recipe:
    """Text lines as they are, anything else as JSON."""
    return write(name, "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))


def write_arrays(name: str, **arrays: Any) -> Recipe:
    return lambda folder: np.savez(folder / name, **arrays)


def write_table(name: str, **columns: Any) -> Recipe:
    """A Parquet file."""
    return lambda folder: pq.write_table(pa.table(columns), folder / name)


def change_bytes(name: str, change: Callable[[bytes], bytes]) -> Recipe:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def cut(name: str, n_bytes: int = 100) -> Recipe:
    """The last bytes of a file are missing."""
    return change_bytes(name, lambda data: data[:-n_bytes])


def delete(*names: str) -> Recipe:
    return lambda folder: [(folder / name).unlink() for name in names]


def both(*recipes: Recipe) -> Recipe:
    return lambda folder: [recipe(folder) for recipe in recipes]


def spoil(good: Recipe, spoilt: Recipe) -> Recipe:
    """One recipe after the other."""
    return lambda folder: (good(folder), spoilt(folder))


def change_footer(name: str, is_wanted: Callable[[bytes], bool]) -> Recipe:
    """The first bit of the footer of a Parquet file that makes it what is wanted is another."""

    def change(data: bytes) -> bytes:
        start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        for place, bit in itertools.product(range(start, len(data) - 8), (1, 64)):
            changed = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
            with contextlib.suppress(pa.ArrowException, OSError, UnicodeDecodeError):
                if is_wanted(changed):
                    return changed
        raise AssertionError("no bit does it")

    return change_bytes(name, change)


def contradict(name: str) -> Recipe:
    """The sizes that the footer has of a column are not those of it."""

    def is_wanted(data: bytes) -> bool:
        try:
            next(pq.ParquetFile(io.BytesIO(data)).iter_batches(1))
        except OSError as error:
            return "histogram" in str(error)
        return False

    return change_footer(name, is_wanted)


def claim_rows(name: str) -> Recipe:
    """A part of the file has more rows in the footer than all of it."""

    def is_wanted(data: bytes) -> bool:
        footer = pq.read_metadata(io.BytesIO(data))
        return footer.num_row_groups == 1 and footer.row_group(0).num_rows > footer.num_rows

    return change_footer(name, is_wanted)


def change_rows(change: Callable[[pd.DataFrame], pd.DataFrame], name: str = "run/split.parquet") -> Recipe:
    """Other rows or columns under the same metadata."""

    def recipe(folder: Path) -> None:
        table = pq.read_table(folder / name)
        changed = pa.Table.from_pandas(change(table.to_pandas()), preserve_index=False)
        pq.write_table(changed.replace_schema_metadata(table.schema.metadata), folder / name)

    return recipe


def put(column: str, row: int, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """One other value."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = list(frame[column])
        values[row] = value
        return frame.assign(**{column: values})

    return change


def fill(column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A column of one value, whatever its type."""
    return lambda frame: frame.assign(**{column: pd.Series([value] * len(frame), index=frame.index)})


def change_note(place: str, value: Any, name: str = "run/split.parquet") -> Recipe:
    """Another value at a dotted place in the JSON of a Parquet file."""

    def recipe(folder: Path) -> None:
        table = pq.read_table(folder / name)
        note = json.loads(table.schema.metadata[b"splitgen"])
        text = json.dumps(set_at(note, place.split("."), value))
        pq.write_table(table.replace_schema_metadata({b"splitgen": text.encode()}), folder / name)

    return recipe


def write_note(text: bytes, name: str = "run/split.parquet") -> Recipe:
    """Other bytes in place of the JSON of a Parquet file."""

    def recipe(folder: Path) -> None:
        pq.write_table(pq.read_table(folder / name).replace_schema_metadata({b"splitgen": text}), folder / name)

    return recipe


def change_json(place: str, value: Any, name: str = "run/run.json") -> Recipe:
    """Another value at a dotted place in a JSON file."""

    def recipe(folder: Path) -> None:
        found = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(set_at(found, place.split("."), value)))

    return recipe


def set_at(found: Any, place: Sequence[str], value: Any) -> Any:
    """The JSON value with another one at a place; numbers count in lists."""
    first, rest = (int(place[0]) if isinstance(found, list) else place[0]), place[1:]
    if rest:
        found[first] = set_at(found[first], rest, value)
    elif value is DROP:
        del found[first]
    else:
        found[first] = value
    return found


def nest(depth: int) -> str:
    """JSON, and TOML, in lists in lists."""
    return "[" * depth + "]" * depth
