"""Shards of webdataset: tar archives with an image and its label beside each other."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from splitgen.data.dataset import ImageDataset
from splitgen.data.listings.columns import USUAL_LABELS, find_label_column, plain_name
from splitgen.data.listings.labels import LabelColumn, number_column, text_column, to_texts
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.listings.parts import FilePart, find_parts, refuse_part
from splitgen.data.listings.rows import OWN_TEST, RowPart, RowParts, list_rows
from splitgen.data.listings.shards import Member, Sample, ShardPictures, read_member, read_samples
from splitgen.errors import SourceError
from splitgen.json_text import parse_json
from splitgen.settings.stages import DataConfig

IMAGES = (
    *("jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp", "ppm", "pgm", "pbm", "pnm", "tif", "tiff", "avif"),
    *("img", "image", "picture", "photo"),
)
CLASS, JSON = "cls", "json"
MAX_LABEL = 2**20  # bytes: what is longer is no label


@dataclass(frozen=True)
class Row:
    """A sample with an image or a label. label: the text of its class file, or the values of its JSON."""

    shard: int
    key: str
    image: Member | None
    label: str | dict[str, Any] | None


@dataclass(frozen=True)
class Seen:
    """Extensions of members and keys of JSON that stand in shards, in order."""

    extensions: dict[str, None]
    keys: dict[str, None]

    def check_rows(self, source: str, rows: Sequence[Row], needs_labels: bool) -> None:
        """Raise `SourceError` where no row has an image, or none a label, if they are needed."""
        extensions, keys = (", ".join(list(names)[:10]) or "none" for names in (self.extensions, self.keys))
        if not any(row.image for row in rows):
            raise SourceError(
                source, "no key has an image", f"give --image-column, one of the extensions: {extensions}"
            )
        if needs_labels and not any(row.label for row in rows):
            remedy = f"give --label-column, one of the extensions ({extensions}) or of the keys of the JSON ({keys})"
            raise SourceError(source, "no key has a label", remedy)


def load_webdataset(argument: str, config: DataConfig) -> ImageDataset:
    """Tar shards, given as a path, a folder, a glob or `{000..009}`: members of one key are an image (jpg, png, ...)
    and its label (`cls`, or a key of `json`). Ids are the keys, behind the shard's name where one stands in several.

    image_column and label_column of the settings are an extension, or a key of the JSON. Raises `SourceError`.
    """
    return decode_listing(list_webdataset(argument, config), config)


def list_webdataset(argument: str, config: DataConfig) -> Listing:
    """What shards list, after one pass over their headers. Raises `SourceError`."""
    source = f"webdataset:{Path(argument).name}"
    folder = Path(argument)
    packed = sorted(folder.glob("*.tar.*")) + sorted(folder.glob("*.tgz")) if folder.is_dir() else []
    if packed and not list(folder.glob("*.tar")):
        raise SourceError(source, f"'{packed[0].name}' is packed", "unpack it to a plain .tar first")
    found = find_parts(f"webdataset:{argument}", argument, ".tar", config.part)
    if not found.part.name:
        refuse_part(source, config.part)
    part, own_test = list_part(source, found.part, config), None
    if found.own_test is not None:
        own_source = f"{source}, {OWN_TEST}"
        own_test = list_part(own_source, found.own_test, config, needs_labels=False, as_text=part.labels.is_text)
    parts = RowParts(part, own_test, found.notes)
    return list_rows(source, parts, config.skip_unreadable)


def list_part(
    source: str, part: FilePart, config: DataConfig, *, needs_labels: bool = True, as_text: bool = False
) -> RowPart:
    """All samples of a part's shards that have an image or a label. as_text: labels are names, even whole numbers."""
    rows, others, seen = [], 0, Seen({}, {})
    for sample, file in read_samples(source, part.files):
        row = read_row(source, sample, file, config, seen)
        if row.image is None and row.label is None:
            others += 1
        else:
            rows.append(row)
    seen.check_rows(source, rows, needs_labels)
    pictures = locate_images(part.files, rows)
    labels = read_labels(source, rows, pictures, config, as_text=as_text)
    faults = {place: "has no image" for place, row in enumerate(rows) if row.image is None}
    ids, notes = make_ids(source, part.files, rows)
    if others:
        notes.append(f"{'one key' if others == 1 else f'{others} keys'} with neither image nor label left out")
    return RowPart(pictures, labels, ids, faults, pictures.name, tuple(notes))


def read_row(source: str, sample: Sample, file: BinaryIO, config: DataConfig, seen: Seen) -> Row:
    """Where a sample's image lies, and its label as it stands."""
    seen.extensions.update(dict.fromkeys(sample.members))
    wanted = IMAGES if config.image_column is None else config.image_column.lower().split(";")
    images = [extension for extension in sample.members if extension in wanted]
    if len(images) > 1:
        problem = f"key '{sample.key}' has {len(images)} images"
        raise SourceError(source, problem, f"give --image-column: {', '.join(images)}")
    asked = config.label_column
    extension = next((name for name in (asked or CLASS, JSON) if name in sample.members), None)
    label = None if extension is None else read_label(source, sample, extension, file)
    if isinstance(label, dict):
        seen.keys.update(dict.fromkeys(label))
        usual = [key for key in label if (plain_name(key) in USUAL_LABELS if asked is None else key == asked)]
        label = {key: label[key] for key in usual}
    return Row(sample.shard, sample.key, sample.members[images[0]] if images else None, label or None)


def read_label(source: str, sample: Sample, extension: str, file: BinaryIO) -> str | dict[str, Any] | None:
    """A label's text, or the object of a JSON; None for empty ones. Raises `SourceError` for what is neither."""
    member, name = sample.members[extension], f"{sample.key}.{extension}"
    if member.size > MAX_LABEL:
        raise SourceError(source, f"'{name}' has {member.size:,} bytes", "give --label-column, an extension of labels")
    try:
        text = read_member(file, member).decode("utf-8-sig").strip()
        if extension != JSON:
            return text or None
        found = parse_json(text)
    except ValueError as error:
        raise SourceError(source, f"'{name}' is no {'JSON' if extension == JSON else 'text'}", "repair it") from error
    if not isinstance(found, dict):
        raise SourceError(source, f"'{name}' is no JSON object", "give an object with the label under a key")
    return found


def locate_images(files: Sequence[Path], rows: Sequence[Row]) -> ShardPictures:
    places = [(row.shard, row.image.offset, row.image.size) if row.image else (row.shard, 0, 0) for row in rows]
    shards, offsets, sizes = np.array(places, dtype=np.int64).reshape(-1, 3).T.copy()
    return ShardPictures(tuple(files), shards, offsets, sizes, tuple(row.key for row in rows))


def read_labels(
    source: str, rows: Sequence[Row], pictures: ShardPictures, config: DataConfig, *, as_text: bool
) -> LabelColumn:
    """Labels of all rows: whole numbers where all class files are, unless text is wanted. Raises `SourceError`."""
    objects = [row.label for row in rows if isinstance(row.label, dict)]
    if not objects:
        texts = [row.label if isinstance(row.label, str) else None for row in rows]
        if not as_text and all(text is None or re.fullmatch(r"[+-]?[0-9]{1,20}", text) for text in texts):
            return number_column(source, [None if text is None else int(text) for text in texts])
        return text_column(texts)
    keys = list(dict.fromkeys(key for found in objects for key in found))
    key = find_label_column(source, config.label_column, keys, ())
    values = [row.label.get(key) if isinstance(row.label, dict) else row.label for row in rows]
    return text_column(to_texts(source, key, values, pictures.name))


def make_ids(source: str, files: Sequence[Path], rows: Sequence[Row]) -> tuple[tuple[str, ...], list[str]]:
    """Ids of all rows, and a note where they are not the keys alone; `SourceError` for a key twice in a shard."""
    first: dict[tuple[int, str], int] = {}
    for place, row in enumerate(rows):
        if first.setdefault((row.shard, row.key), place) != place:
            problem = f"'{files[row.shard].name}' has the key '{row.key}' twice, and not in a row"
            raise SourceError(source, problem, "write members of one key beside each other")
    if len({row.key for row in rows}) == len(rows):
        return tuple(row.key for row in rows), []
    home = os.path.commonpath([path.parent for path in files])
    shards = [path.relative_to(home).with_suffix("").as_posix() for path in files]
    ids = tuple(f"{shards[row.shard]}/{row.key}" for row in rows)
    return ids, ["keys stand in several shards: ids are SHARD/KEY"]
