"""WILDS 2: a `metadata.csv` with a split column, and a dataset's split array in place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from splitgen.data.row_names import list_namings
from splitgen.errors import ExportError, SplitFileError
from splitgen.exports.export import CODES, Export, code_parts, write_table
from splitgen.splits.split import Split, check_labels, check_length, check_names


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
    Raises `ExportError` for a dataset of another length, or with other files (where it lists them) or labels.
    """
    try:
        check_length(split, "split", len(dataset))
        check_names(split, "split", list_namings(dataset))
        labels = dataset.y_array.reshape(split.n_points, -1).cpu().numpy()
        check_labels(split, "split", np.arange(split.n_points), labels[:, 0] if labels.shape[1] == 1 else labels)
    except SplitFileError as error:
        raise ExportError("wilds", error.problem, error.remedy) from error
    dataset._split_dict = {"train": CODES["train"], "val": CODES["validation"], "test": CODES["test"]}
    dataset._split_names = {"train": "Train", "val": "Validation", "test": "Test"}
    dataset._split_array = code_parts(split)
    return dataset
