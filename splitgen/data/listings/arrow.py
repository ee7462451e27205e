"""Tables of Arrow's types: which columns they have, and what is in them without the images themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from splitgen.data.listings.columns import USUAL_IDS, USUAL_PARTS, find_image_column, find_label_column, find_usual
from splitgen.data.listings.labels import LabelColumn
from splitgen.json_text import parse_json
from splitgen.settings.stages import DataConfig

BYTES, PATH = "bytes", "path"  # the fields of an image as the hub has it


@dataclass(frozen=True)
class ImageColumn:
    """A column of images. has_bytes, has_path: what it holds of an image; nested: in a struct."""

    name: str
    has_bytes: bool
    has_path: bool
    nested: bool

    @property
    def bytes_column(self) -> str:
        """As Parquet names it."""
        return f"{self.name}.{BYTES}" if self.nested else self.name


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table that are read. class_names: of label numbers, where the table has them."""

    image: ImageColumn
    label: str
    class_names: tuple[str, ...] | None
    key: str | None
    part: str | None

    @property
    def plain(self) -> list[str]:
        """All but the images."""
        return [name for name in (self.label, self.key, self.part) if name is not None]

    @property
    def light(self) -> list[str]:
        """What is read of all rows at once, as Parquet names it: everything but the images themselves."""
        path = f"{self.image.name}.{PATH}" if self.image.nested else self.image.name
        return [*self.plain, path] if self.image.has_path else self.plain


def find_columns(source: str, schema: pa.Schema, config: DataConfig) -> TableColumns:
    """The columns of images, labels, ids and parts. Raises `SourceError` where they cannot be told."""
    features = read_features(schema)
    images = {field.name: image for field in schema if (image := see_image(field)) is not None}
    certain = [name for name, image in images.items() if image.has_bytes]
    label_types = [field.name for field in schema if is_label(field.type)]
    name = find_image_column(source, config.image_column, list(images), certain)
    named = [label for label in label_types if features.get(label, {}).get("_type") == "ClassLabel"]
    label = find_label_column(source, config.label_column, [n for n in label_types if n != name], named)
    keys = [field for field in find_usual(label_types, USUAL_IDS) if field not in (name, label)]
    parts = [field for field in find_usual(label_types, USUAL_PARTS) if field not in (name, label)]
    text_parts = [field for field in parts if is_text(schema.field(field).type)]
    return TableColumns(
        images[name],
        label,
        read_class_names(features.get(label, {})),
        min(keys, key=USUAL_IDS.index, default=None) if keys else None,
        text_parts[0] if len(text_parts) == 1 else None,
    )


def has_labels(schema: pa.Schema, columns: TableColumns) -> bool:
    """Whether a table, of an own test set, has labels in the same column as the train part."""
    return columns.label in schema.names and not pa.types.is_null(schema.field(columns.label).type)


def as_found(config: DataConfig, columns: TableColumns) -> DataConfig:
    """The settings by which another table gives the same columns."""
    return replace(config, image_column=columns.image.name, label_column=columns.label)


def see_image(field: pa.Field) -> ImageColumn | None:
    """What a column holds of images, if it can hold any."""
    kind = field.type
    if pa.types.is_struct(kind):
        inside = {child.name: child.type for child in kind}
        has_bytes, has_path = is_bytes(inside.get(BYTES)), is_text(inside.get(PATH))
        return ImageColumn(field.name, has_bytes, has_path, nested=True) if has_bytes or has_path else None
    if is_bytes(kind):
        return ImageColumn(field.name, has_bytes=True, has_path=False, nested=False)
    return ImageColumn(field.name, has_bytes=False, has_path=True, nested=False) if is_text(kind) else None


def is_bytes(kind: pa.DataType | None) -> bool:
    if kind is None:
        return False
    known = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(check(kind) for check in known)


def is_text(kind: pa.DataType | None) -> bool:
    if kind is None:
        return False
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return any(check(kind) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def is_label(kind: pa.DataType) -> bool:
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return is_text(kind) or any(check(kind) for check in numbers)


def read_features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Hugging Face's note on the columns, by name; empty where there is none that can be read."""
    try:
        note = parse_json((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = note["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def read_class_names(feature: dict[str, Any]) -> tuple[str, ...] | None:
    names = feature.get("names")
    return tuple(map(str, names)) if isinstance(names, list) and names else None


def read_labels(values: pa.ChunkedArray, class_names: tuple[str, ...] | None) -> LabelColumn:
    """A column of numbers, text or booleans as labels; empty text is none."""
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.string())
    if is_text(values.type):
        texts = values.to_pylist()
        column = np.empty(len(texts), dtype=object)
        column[:] = [text if text and text.strip() else None for text in texts]
        return LabelColumn(column, np.array([text is not None for text in column], dtype=bool))
    present = pc.is_valid(values).to_numpy().astype(bool)
    return LabelColumn(pc.fill_null(values, 0).to_numpy(), present, class_names)


def unpack_columns(table: pa.Table) -> pa.Table:
    """Columns as plain text and numbers, without notes, so that those of several files fit together."""
    plain = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.table(dict(zip(table.column_names, plain, strict=True)))


def read_paths(table: pa.Table, image: ImageColumn) -> list[str | None]:
    """The paths of images, N; None for a row without one."""
    if not image.has_path:
        return [None] * table.num_rows
    column = table.column(image.name)
    found: list[str | None] = (pc.struct_field(column, PATH) if image.nested else column).to_pylist()
    return found


def choose_ids(
    tries: Sequence[tuple[str, Sequence[Any] | None]], needed: np.ndarray
) -> tuple[tuple[str, ...], list[str]]:
    """Ids of N rows, and a note where none of what was to be ids can be.

    tries: what they may be, in words, and the values [N]; the first that are all there and unique are taken, else the
    numbers of the rows. needed: bool [N], rows whose ids count.
    """
    wanted, notes = np.flatnonzero(needed).tolist(), []
    for what, values in tries:
        texts = [str(row) if value is None else str(value) for row, value in enumerate(values or ())]
        given = [values[row] for row in wanted if values[row] not in (None, "")] if values else []
        if given and len(given) == len(wanted) and len({texts[row] for row in wanted}) == len(wanted):
            return tuple(texts), []
        if given:
            notes.append(f"the {what} {'repeat' if len(given) == len(wanted) else 'are not all there'}")
    return tuple(map(str, range(len(needed)))), [f"ids are row numbers: {' and '.join(notes)}"] if notes else []
