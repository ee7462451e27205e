"""CelebA's partition file `list_eval_partition.csv`, as WILDS and group_DRO read it: by position, every row."""

from __future__ import annotations

import pandas as pd

from splitgen.exports.export import Export, code_parts, write_table


def write_partition(export: Export) -> None:
    """Columns image_id and partition: 0 train, 1 validation, 2 test, -1 reserve, in the order of the source."""
    frame = pd.DataFrame({"image_id": list(export.split.ids), "partition": code_parts(export.split)})
    write_table(frame, export.out)
