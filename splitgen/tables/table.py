"""A table of a user, and how its file is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from splitgen.tables.stored import read_stored
from splitgen.tables.text import read_text, unpack
from splitgen.tables.values import read_values

UNNAMED = ""  # name of a column that has none: pandas writes its index so


@dataclass(frozen=True)
class Table:
    """The columns of a file by their names, trimmed.

    frame: of a text file, texts as they are there, None where a cell is empty; of Parquet, what it stores.
    separator: of a text file; None of Parquet.
    """

    frame: pd.DataFrame
    separator: str | None = None

    @property
    def names(self) -> list[str]:
        """Of the columns that have one."""
        return [name for name in self.frame.columns if name != UNNAMED]

    def tell_names(self) -> str:
        return ", ".join(self.names) or "none"

    def typed(self, name: str) -> pd.Series:
        """A column with its texts trimmed; of a text file, numbers or truths where the whole column is
        (`splitgen.tables.values`)."""
        decimal = None if self.separator is None else ("," if self.separator == ";" else ".")
        return read_values(self.frame[name], decimal)


def read_table(path: Path) -> Table:
    """The table of a Parquet file, or of a text file with separators (CSV), packed by gzip, bzip2 or xz or not.

    What it is, its first bytes tell; the separator is found (comma, semicolon, tab, bar). Raises `ValueError`, which
    says why in one line.
    """
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            head = file.peek(8)[:8]
            if head.startswith(b"PAR1"):
                return Table(read_stored(path))
            if suffix in (".parquet", ".pq"):
                raise ValueError("it is not a Parquet file, or it is cut short")
            return Table(*read_text(unpack(file, head, path.stat().st_size), is_tabbed=suffix == ".tsv"))
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or error})") from error
