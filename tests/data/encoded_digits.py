"""The same scans of digits as encoded files, for tests of sources: 300 PNG of four classes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from splitgen import DataConfig
from splitgen.errors import SourceError

NAMES = ("nought", "one", "three", "two")  # in sorted order, which is not the digits' own
DIGITS = (0, 1, 3, 2)


def encode_digits(n_images: int = 300) -> list[tuple[str, bytes, int]]:
    """Path `CLASS/NUMBER.png`, bytes and class of each image, sorted by path."""
    digits = load_digits()
    rows = [row for row in range(len(digits.target)) if digits.target[row] in DIGITS][:n_images]
    found = []
    for row in rows:
        c = DIGITS.index(digits.target[row])
        file = io.BytesIO()
        Image.fromarray((digits.images[row] * 15).astype(np.uint8)).save(file, format="PNG")
        found.append((f"{NAMES[c]}/{row:04d}.png", file.getvalue(), c))
    return sorted(found)


def write_files(root: Path, images: list[tuple[str, bytes, int]]) -> Path:
    """The images as files below a folder."""
    for path, content, _ in images:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


IMAGES = encode_digits(60)
CONTENTS = [content for _, content, _ in IMAGES]
PATHS = [path for path, _, _ in IMAGES]
LABELS = [c for _, _, c in IMAGES]
STRUCTS = [{"bytes": content, "path": path} for path, content, _ in IMAGES]
ROW_NUMBERS = tuple(map(str, range(60)))


def features(names=NAMES, label="label", **others):
    """The hub's note on columns, as metadata of a schema."""
    classes = {label: {"names": list(names), "_type": "ClassLabel"}, **others}
    return {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, **classes}}})}


def write_table(path, columns=None, metadata=None, **more):
    """A Parquet file of the 60 images; None takes a column out."""
    columns = {**{"image": STRUCTS, "label": LABELS, **(columns or {})}, **more}
    table = pa.table({name: values for name, values in columns.items() if values is not None})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def contents(listing):
    """The bytes of all images of a listing."""
    return [listing.pictures.read(row) for row in range(len(listing.pictures))]


def texts(labels, names=NAMES):
    """The names of labels."""
    return [names[c] for c in labels]


def refuse(list_source, argument, **settings):
    """The line that a source refuses an argument with."""
    with pytest.raises(SourceError) as error:
        list_source(str(argument), DataConfig(**settings))
    assert "\n" not in str(error.value)
    return str(error.value)
