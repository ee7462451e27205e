"""What an exporter is given, and what all of them need."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from splitgen.data.listings.links import find_outside, tell_outside
from splitgen.errors import ExportError
from splitgen.ids import guard_id
from splitgen.parquet import current_umask, naming, replacing
from splitgen.splits.split import Split

CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # all but tab and the ends of lines, which CSV quotes
CODES = {"train": 0, "validation": 1, "test": 2, "reserve": -1}  # of WILDS and its relatives; -1 is left out


@dataclass(frozen=True)
class Export:
    """A split on its way out.

    consumer: name of the exporter. out: file or folder to write.
    images: folder with the images, where the split's ids are paths in it.
    attributes: int64 [N] of an attribute that some formats record for each row; without one, the side of the
        discovered task.
    follow_links: copy the bytes of images that links in `images` point to outside of it, too.
    layout, partition: of CelebA's partition file, which numbers parts have and whose rows it has.
    """

    consumer: str
    split: Split
    out: Path
    images: Path | None = None
    attributes: np.ndarray | None = None
    follow_links: bool = False
    layout: str = "official"
    partition: Path | None = None

    @property
    def attribute_values(self) -> np.ndarray:
        """The attribute of each row, int64 [N]."""
        if self.attributes is not None:
            return self.attributes
        if np.isnan(self.split.margins).any():
            raise ExportError(
                self.consumer,
                "it records an attribute for each row, and an imported split has no task margins",
                "give --metadata TABLE --attribute-column NAME",
            )
        return (self.split.margins > 0).astype(np.int64)

    def image_paths(self) -> list[PurePosixPath]:
        """Path of each row's image below `images`, [N], as the file system has it: Unicode may be composed in one and
        not in the other. Raises `ExportError` where ids are no files there."""
        if self.images is None:
            raise ExportError(self.consumer, "it needs the images' files", "give --images FOLDER, the root of the ids")
        paths = [find_spelling(self.images, key) for key in self.split.ids]
        for path in paths:
            if path.is_absolute() or ".." in path.parts or not os.path.isfile(self.images / path):
                raise ExportError(
                    self.consumer,
                    f"id '{path}' is no file in '{self.images}'",
                    "give --images FOLDER, the root that the ids are relative to",
                )
        if len(set(paths)) < len(paths):
            doubled = next(path for place, path in enumerate(paths) if path in paths[:place])
            raise ExportError(self.consumer, f"'{doubled}' is the file of two ids", "make the split again")
        return paths

    def image_files(self) -> list[Path]:
        """The file of each row's image, [N], for consumers that get its bytes.

        Raises `ExportError` as `image_paths`, and for links that leave `images`, unless `follow_links` is set.
        """
        paths = self.image_paths()
        assert self.images is not None
        files = [self.images / path for path in paths]
        outside = [] if self.follow_links else find_outside(self.images, files)
        if outside:
            problem = tell_outside(outside, self.images)
            raise ExportError(self.consumer, problem, "give --follow-links to copy what they point to")
        return files


def find_spelling(root: Path, key: str) -> PurePosixPath:
    """The path of an id below a root: as it is, or as composed or decomposed Unicode where that alone is a file.

    `os.path` tells of an id that no file can have, as one of 5,000 characters, that it is none.
    """
    if key.isascii() or os.path.isfile(root / key):
        return PurePosixPath(key)
    forms = [unicodedata.normalize(form, key) for form in ("NFC", "NFD")]
    return PurePosixPath(next((form for form in forms if os.path.isfile(root / form)), key))


def code_parts(split: Split) -> np.ndarray:
    """0 train, 1 validation, 2 test, -1 reserve; int64 [N]."""
    return np.array([CODES[part] for part in split.parts], dtype=np.int64)


def write_table(frame: pd.DataFrame, out: Path) -> None:
    """Write a CSV file. Texts, which come from the names of files, are guarded from being run as formulas.

    Raises `ExportError` for one with a control character, which a terminal would obey and CSV has no escape for.
    """
    texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
    bad = next((text for name in texts for text in frame[name] if CONTROLS.search(text)), None)
    if bad is not None:
        remedy = "rename the file, or export to jsonl, which escapes it"
        raise ExportError("CSV", f"{bad!r} has a control character", remedy)
    guarded = frame.assign(**{name: [guard_id(text) for text in frame[name]] for name in texts})
    # a lone carriage return ends a row, and up to Python 3.12 is not quoted by itself
    tears = any("\r" in text for name in texts for text in frame[name])
    with replacing(out) as temporary:
        guarded.to_csv(temporary, index=False, quoting=csv.QUOTE_NONNUMERIC if tears else csv.QUOTE_MINIMAL)


def find_parts(split: Split) -> list[str]:
    """Parts that have rows, but for the reserve, which nobody uses."""
    return [part for part, n_rows in split.counts().items() if n_rows and part != "reserve"]


@contextlib.contextmanager
def replacing_folder(export: Export) -> Iterator[Path]:
    """A temporary folder that becomes `export.out` once the block has ended well.

    Raises `ExportError` where out is there already, unless it is an empty folder, and `OSError` that names out.
    """
    out = export.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(export.consumer, f"'{out}' is there already", "give another --out")
    with naming(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
        try:
            yield temporary
            temporary.chmod(0o777 & ~current_umask())
            if out.is_dir():
                out.rmdir()
            temporary.replace(out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
