"""FiftyOne: a tag for each sample, the name of its part."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from splitgen.errors import ExportError
from splitgen.exports.export import Export, find_parts
from splitgen.ids import find_positions
from splitgen.splits.rows import PARTS
from splitgen.splits.split import Split

CONSUMER = "fiftyone"
USED = [part for part in PARTS if part != "reserve"]


def tag_samples(split: Split, dataset: Any, images: Path) -> None:
    """Tag the samples of a FiftyOne dataset with train, validation or test, by their file path; such tags of an earlier
    split are taken off.

    images: folder that the split's ids are relative to. Raises `ExportError` where they are no files there, or the
    dataset lacks one.
    """
    paths = Export(CONSUMER, split, out=images, images=images).image_paths()
    samples = list(dataset.values("filepath"))
    roots = [Path(os.path.abspath(images)), images.resolve()]  # the user's samples may be named by a link
    named, real = (find_positions([str(root / path) for path in paths], samples) for root in roots)
    positions = np.where(named >= 0, named, real)
    lacking = np.flatnonzero((positions < 0) & (split.parts != "reserve"))
    if len(lacking):
        problem = f"the dataset has no sample '{roots[0] / paths[lacking[0]]}'"
        raise ExportError(CONSUMER, problem, "give the dataset of the split's images, and their folder")
    dataset.select_by("filepath", [samples[position] for position in positions if position >= 0]).untag_samples(USED)
    for part in find_parts(split):
        chosen = [samples[positions[row]] for row in split.indices(part)]
        dataset.select_by("filepath", chosen).tag_samples(part)
