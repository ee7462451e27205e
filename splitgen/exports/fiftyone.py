"""FiftyOne: a tag for each sample, the name of its part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from splitgen.exports.export import Export, find_parts
from splitgen.splits.split import Split


def tag_samples(split: Split, dataset: Any, images: Path) -> None:
    """Tag the samples of a FiftyOne dataset with train, validation or test, by their file path.

    images: folder that the split's ids are relative to. Raises `ExportError` where they are no files there.
    """
    paths = Export("fiftyone", split, out=images, images=images).image_paths()
    root = images.resolve()
    for part in find_parts(split):
        chosen = [str(root / paths[index]) for index in split.indices(part)]
        dataset.select_by("filepath", chosen).tag_samples(part)
