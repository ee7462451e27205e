"""Plain CSV and JSON Lines: every column of the index file, every row."""

from __future__ import annotations

from splitgen.exports.export import Export, write_table
from splitgen.parquet import replacing


def write_csv(export: Export) -> None:
    write_table(export.split.to_frame(), export.out)


def write_json_lines(export: Export) -> None:
    with replacing(export.out) as temporary:
        export.split.to_frame().to_json(temporary, orient="records", lines=True)
