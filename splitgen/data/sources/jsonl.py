"""JSON Lines manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from splitgen.data.dataset import ImageDataset
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.listings.manifest import Manifest, list_manifest, read_text
from splitgen.errors import SourceError
from splitgen.json_text import JsonError, parse_json
from splitgen.settings.stages import DataConfig

ONE_A_LINE = """give one object a line, such as {"path": "cat/1.png", "label": "cat"}"""


def load_jsonl(argument: str, config: DataConfig) -> ImageDataset:
    """A JSON Lines file with paths of images, relative to its folder, and labels; by a key `split` it has parts.

    Labels are text or whole numbers, not both. Raises `SourceError`.
    """
    return decode_listing(list_jsonl(argument, config), config)


def list_jsonl(argument: str, config: DataConfig) -> Listing:
    """What a JSON Lines file lists. Raises `SourceError`."""
    path = Path(argument)
    source = f"jsonl:{path.name}"
    return list_manifest(source, path, parse_lines(source, read_text(source, path)), config)


def parse_lines(source: str, text: str) -> Manifest:
    """The values of all objects by key. Raises `SourceError`."""
    objects = {
        number: parse_line(source, number, line)
        for number, line in enumerate(text.split("\n"), start=1)  # U+2028 within a string ends no line
        if line.strip()
    }
    if not objects:
        raise SourceError(source, "it is empty", ONE_A_LINE)
    keys = dict.fromkeys(key for entry in objects.values() for key in entry)
    return Manifest({key: [entry.get(key) for entry in objects.values()] for key in keys}, list(objects))


def parse_line(source: str, number: int, line: str) -> dict[str, Any]:
    try:
        found = parse_json(line, pairs_hook=refuse_doubles)
    except JsonError as error:
        raise SourceError(source, f"line {number} is no JSON object ({error.reason})", ONE_A_LINE) from error
    if not isinstance(found, dict):
        raise SourceError(source, f"line {number} is no JSON object", ONE_A_LINE)
    return found


def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found
