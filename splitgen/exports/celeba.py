"""CelebA's partition file `list_eval_partition`, as WILDS and group_DRO read it: by position, every row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from splitgen.errors import ExportError, SplitFileError
from splitgen.exports.export import CODES, Export, write_table
from splitgen.tables.table import read_table

OFFICIAL, PAPER = "official", "paper"
# The number of each part. The paper's file has no validation: its 1 is the adversarial test, its 2 the official one.
LAYOUTS = {OFFICIAL: CODES, PAPER: {"train": 0, "validation": 0, "test": 1, "reserve": -1}}
OFFICIAL_TEST = 2
COLUMNS = ["image_id", "partition"]


def write_partition(export: Export) -> None:
    """Columns image_id and partition, in the order of the source: -1 is reserve.

    With `export.partition`, an official file, all of its rows in its order: those that the split does not use are -1,
    and in the paper's layout 2 where they are of the official test. Raises `ExportError`, also where the paper's layout
    would give such a row another part.
    """
    codes = LAYOUTS[export.layout]
    found = {key: codes[part] for key, part in zip(export.split.ids, export.split.parts, strict=True)}
    if export.partition is not None:
        official = read_official(export.consumer, export.partition)
        lacking = found.keys() - official.keys()
        if lacking:
            problem = f"'{export.partition}' has no row for the split's '{min(lacking)}'"
            raise ExportError(export.consumer, problem, "give the partition file of the split's dataset")
        of_test = {key for key, code in official.items() if code == OFFICIAL_TEST} if export.layout == PAPER else set()
        used = [key for key in found if key in of_test and found[key] != codes["reserve"]]
        if used:
            problem = f"the split uses '{used[0]}' and {len(used) - 1} more rows of the official test"
            raise ExportError(export.consumer, problem, "make the split without them, or give --layout official")
        found = {key: OFFICIAL_TEST if key in of_test else found.get(key, -1) for key in official}
    write_table(pd.DataFrame(list(found.items()), columns=COLUMNS), export.out)


def read_official(consumer: str, path: Path) -> dict[str, int]:
    """The number of each id, in the file's order. Raises `ExportError`."""
    try:
        frame = read_partition(path)
    except (OSError, ValueError) as error:
        raise ExportError(consumer, f"'{path}' is no partition file ({error})", "give CelebA's own") from error
    return dict(zip(frame["image_id"], frame["partition"].astype(int), strict=True))


def read_partition(path: Path) -> pd.DataFrame:
    """A partition file as columns of texts, image_id and partition: CSV with a header, or the official text, names and
    numbers with a space between and no header. Raises `ValueError` and `OSError`."""
    with path.open(encoding="utf-8") as file:
        words = file.readline().split()
    if len(words) == 2 and words[1].isascii() and words[1].isdigit():
        frame = pd.read_csv(path, sep=r"\s+", header=None, names=COLUMNS, dtype=str)
    else:
        frame = read_table(path).frame
    lacking = [name for name in COLUMNS if name not in frame.columns]
    if lacking:
        raise ValueError(f"it has no column {lacking[0]}")
    frame = frame[COLUMNS].astype(str)
    known = frame["partition"].isin([str(code) for code in sorted(set(CODES.values()))])
    if not known.all():
        row = int(np.flatnonzero(~known)[0])
        raise ValueError(f"row {row} has the partition '{frame['partition'].iloc[row]}', and not 0, 1, 2 or -1")
    if (doubled := frame["image_id"].duplicated()).any():
        raise ValueError(f"'{frame['image_id'][doubled].iloc[0]}' stands twice")
    return frame


def place_partition(path: Path, layout: str, known: set[str]) -> dict[str, list[str]]:
    """Ids by part. known: the ids of the dataset; rows that nobody uses, -1 and in the paper's layout those of the
    official test, may be missing there, and are reserve otherwise. Raises `SplitFileError`."""
    try:
        frame = read_partition(path)
    except ValueError as error:
        raise SplitFileError(str(path), f"it is no partition file: {error}", "give CelebA's, or one like it") from error
    if layout == PAPER:
        names = {"0": "train", "1": "test", "2": "reserve", "-1": "reserve"}
    else:
        names = {str(code): part for part, code in CODES.items()}
    frame = frame[(frame["partition"].map(names) != "reserve") | frame["image_id"].isin(known)]
    return {
        part: frame.loc[frame["partition"].map(names) == part, "image_id"].tolist()
        for part in sorted(set(names.values()))
    }
