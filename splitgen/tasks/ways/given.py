"""Tasks that the user has: a table with a column for each, joined by id."""

from __future__ import annotations

import numpy as np

from splitgen.errors import SettingError
from splitgen.models.bench import Bench
from splitgen.tasks.columns import read_columns, read_margins
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.ways.request import WayRequest


def given_tasks(bench: Bench, request: WayRequest) -> FoundTasks:
    """A task for each column of the table but `id` and `index`.

    Two different values are two sides, +1 for the larger (of words: the later); numbers with more are margins from
    their median, so that each class is parted where the numbers part it. Raises `SettingError` without a table,
    `MetadataError` for a column that is neither, or that is empty for a datapoint.
    """
    if request.labels is None:
        raise SettingError("tasks that are given need a table; give --labels FILE with columns id and a task")
    columns = read_columns(request.labels, bench.dataset.ids, "task")
    margins = [read_margins(str(request.labels), name, column) for name, column in columns.items()]
    return FoundTasks("given", np.stack(margins, axis=1).astype(np.float32))
