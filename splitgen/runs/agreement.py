"""Agreement scores of any labellings, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from splitgen.data.target import LABEL
from splitgen.errors import MetadataError
from splitgen.models.bench import Bench
from splitgen.runs.run import Run, close_run
from splitgen.runs.tasks import draw_random_labels, name_tasks, score_tasks
from splitgen.tasks.labellings import read_labellings
from splitgen.tasks.tasks_file import check_tasks_belong, read_tasks


def score_labellings(run: Run, labellings: Mapping[str, np.ndarray], files: Mapping[str, Path | None]) -> None:
    """Score classes [N] by name, and write run.json. files: where they come from, for the record."""
    run.record.update({name: str(path.resolve()) for name, path in files.items() if path is not None})
    with run.at_work():
        score_tasks(run, labellings, "agreement")
        close_run(run)


def collect_labellings(bench: Bench, labels: Path | None, tasks: Path | None) -> dict[str, np.ndarray]:
    """Classes [N] by name: the tasks of a file, the columns of a table, what people call the datapoints (the target,
    and the label where that is another), and a random task of as many values as the file's.

    Raises `MetadataError` and `TasksFileError` for what is wrong with the files.
    """
    found, n_values = dict[str, np.ndarray](), 2
    if tasks is not None:
        saved = read_tasks(tasks)
        check_tasks_belong(saved, str(tasks), bench.dataset)
        found, n_values = name_tasks(saved.margins), saved.n_values
    own = {"target": bench.target.values}
    if bench.target.spec != LABEL:
        own["label"] = bench.dataset.labels
    own["random"] = draw_random_labels(bench.n_points, bench.seed, n_values)
    given = {} if labels is None else read_labellings(labels, bench.dataset.ids)
    if taken := given.keys() & {*found, *own}:
        problem = f"column '{min(taken)}' has the name of a labelling that is scored beside it"
        raise MetadataError(str(labels), problem, "rename it")
    return {**found, **given, **own}
