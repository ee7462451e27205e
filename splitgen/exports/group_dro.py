"""group_DRO's `metadata.csv`, in the columns of its Waterbirds."""

from __future__ import annotations

import pandas as pd

from splitgen.exports.export import Export, code_parts, write_table


def write_metadata(export: Export) -> None:
    """Columns img_id, img_filename, y, split (0, 1, 2), place (the attribute), place_filename (empty).

    Rows of the reserve are left out: group_DRO reads every row that is there.
    """
    split = export.split
    frame = pd.DataFrame(
        {
            "img_id": range(split.n_points),
            "img_filename": list(split.ids),
            "y": split.targets,
            "split": code_parts(export.split),
            "place": export.attribute_values,
            "place_filename": "",
        }
    )
    write_table(frame[frame["split"] >= 0], export.out)
