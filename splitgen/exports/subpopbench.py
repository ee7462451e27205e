"""SubpopBench's metadata CSV."""

from __future__ import annotations

import pandas as pd

from splitgen.exports.export import Export, code_parts, write_table


def write_metadata(export: Export) -> None:
    """Columns id, filename, split (0 train, 1 validation, 2 test), y and a; rows of the reserve are left out."""
    split = export.split
    frame = pd.DataFrame(
        {
            "id": range(split.n_points),
            "filename": list(split.ids),
            "split": code_parts(export.split),
            "y": split.targets,
            "a": export.attribute_values,
        }
    )
    write_table(frame[frame["split"] >= 0], export.out)
