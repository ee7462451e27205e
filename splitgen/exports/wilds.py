"""WILDS 2: a `metadata.csv` with a split column, and a dataset's split array in place."""

from __future__ import annotations

from typing import Any

import pandas as pd

from splitgen.errors import ExportError
from splitgen.exports.export import CODES, Export, code_parts, write_table
from splitgen.splits.split import Split


def write_metadata(export: Export) -> None:
    """Columns index, id, y, attribute and split: 0 train, 1 validation, 2 test, -1 (left out) reserve."""
    split = export.split
    frame = pd.DataFrame(
        {
            "index": range(split.n_points),
            "id": list(split.ids),
            "y": split.targets,
            "attribute": export.attribute_values,
            "split": code_parts(export.split),
        }
    )
    write_table(frame, export.out)


def set_split_array(dataset: Any, split: Split) -> Any:
    """Put the split in the place of a WILDS dataset's own; `dataset.get_subset("train" | "val" | "test")` follows it.

    dataset: a `WILDSDataset` whose rows are the split's source, in its order; it is changed and returned.
    Raises `ExportError` for a dataset of another length or other labels.
    """
    labels = dataset.y_array.flatten().cpu().numpy()
    if len(labels) != split.n_points or not ((labels == split.labels).all() or (labels == split.targets).all()):
        problem = f"the dataset has {len(labels)} rows, the split {split.n_points}, or their labels differ"
        raise ExportError("wilds", problem, "give the dataset that the split was made of")
    dataset._split_dict = {"train": CODES["train"], "val": CODES["validation"], "test": CODES["test"]}
    dataset._split_names = {"train": "Train", "val": "Validation", "test": "Test"}
    dataset._split_array = code_parts(split)
    return dataset
