"""Manifests: tables of text with a path and a label a line."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitgen.data.listings.columns import USUAL_PARTS, find_image_column, find_label_column, find_usual
from splitgen.data.listings.labels import text_column, to_texts
from splitgen.data.listings.listing import Listing
from splitgen.data.listings.parts import refuse_part
from splitgen.data.listings.paths import find_files
from splitgen.data.listings.rows import RowPart, RowParts, divide_rows, list_rows
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Manifest:
    """columns: N values each, by name; None for an empty one. lines: [N], where each row starts in the file."""

    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]

    def read_texts(self, source: str, column: str) -> list[str | None]:
        """A column as text. Raises `SourceError`."""
        return to_texts(source, column, self.columns[column], self.tell_row)

    def tell_row(self, row: int) -> str:
        return f"line {self.lines[row]}"


def list_manifest(source: str, path: Path, manifest: Manifest, config: DataConfig) -> Listing:
    """The listing of a manifest; paths are relative to its folder. Raises `SourceError`."""
    names = list(manifest.columns)
    parts = find_usual(names, USUAL_PARTS)
    free = [name for name in names if name not in parts]
    label_column = find_label_column(source, config.label_column, names if config.label_column else free, ())
    free = [name for name in names if name != label_column]
    image_column = find_image_column(source, config.image_column, free, ())
    found = find_files(
        source, path.parent, manifest.read_texts(source, image_column), manifest.tell_row, config.follow_links
    )
    labels = text_column(manifest.read_texts(source, label_column))
    rows = RowPart(found.pictures, labels, found.ids, found.faults, manifest.tell_row)
    return list_rows(source, choose_parts(source, rows, manifest, label_column, config), config.skip_unreadable)


def choose_parts(source: str, rows: RowPart, manifest: Manifest, label_column: str, config: DataConfig) -> RowParts:
    """The rows of the part to open, and of the own test set, where a column tells them."""
    columns = [name for name in find_usual(list(manifest.columns), USUAL_PARTS) if name != label_column]
    if len(columns) > 1:
        raise SourceError(source, f"columns {' and '.join(columns)} both tell parts", "rename one of them")
    if columns:
        return divide_rows(source, rows, columns[0], manifest.read_texts(source, columns[0]), config.part)
    refuse_part(source, config.part)
    return RowParts(rows, None)


def read_text(source: str, path: Path) -> str:
    """A file's text: UTF-8, or what its mark says. Raises `SourceError` for a file that is not there or no text."""
    if not path.is_file():
        kind = source.partition(":")[0]
        raise SourceError(f"{kind}:{path}", "the file does not exist", "give a file with a path and a label a line")
    try:
        content = path.read_bytes()
        return content.decode("utf-16" if content.startswith(WIDE_MARKS) else "utf-8-sig")
    except OSError as error:
        raise SourceError(source, f"it cannot be read ({error.strerror})", "give a file that can be read") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SourceError(source, f"line {line} is not UTF-8 text", "save it as UTF-8") from error
