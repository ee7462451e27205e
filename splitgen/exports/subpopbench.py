"""SubpopBench's metadata CSV."""

from __future__ import annotations

import pandas as pd

from splitgen.exports.export import Export, code_parts
from splitgen.parquet import replacing


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
    with replacing(export.out) as temporary:
        frame[frame["split"] >= 0].to_csv(temporary, index=False)
