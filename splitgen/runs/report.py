"""The stages after a verification: read the tasks in words, and write report.html."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from splitgen.data.dataset import ImageDataset
from splitgen.errors import FingerprintError, RunFolderError
from splitgen.explain.evidence import gather_evidence
from splitgen.explain.explanation import Explanation, describe_explanations, explain_task
from splitgen.report.folder import RunFolder, read_run_folder
from splitgen.report.page import write_report
from splitgen.report.sections import list_tasks
from splitgen.runs.run import Run
from splitgen.splits.split import Split, check_belongs, check_fingerprint, hash_rows
from splitgen.tasks.tasks_file import SavedTasks, check_tasks_belong


def explain_tasks(dataset: ImageDataset, folder: RunFolder, seed: int) -> list[Explanation]:
    """The reading of each task that a run folder holds, the split's own first. An imported split is read by the rows
    that it names: reserve is on neither of its sides."""
    split, tasks = folder.split, list_tasks(folder)
    evidence = gather_evidence(dataset, seed)
    of_split = evidence
    if split is not None and split.provenance.is_imported and (split.parts == "reserve").any():
        of_split = gather_evidence(dataset, seed, np.flatnonzero(split.parts != "reserve"))
    return [
        explain_task(of_split if place == 0 else evidence, name, margins)
        for place, (name, margins) in enumerate(tasks.items())
    ]


def run_explanation(run: Run, split: Split | None, tasks: SavedTasks) -> list[Explanation]:
    """Explain the tasks of a run in words, print those of the first, and keep all in the run's record."""
    start = time.monotonic()
    folder = RunFolder(Path(), split, tasks, {})
    explanations = explain_tasks(run.dataset, folder, run.config.seed)
    run.timed("explain", start)
    run.record["explanations"] = describe_explanations(explanations)
    for sentence in explanations[0].sentences:
        run.screen.say(sentence)
    return explanations


def write_run_report(run: Run, path: Path) -> Path:
    """The report of a run that may have no folder. Raises `RunFolderError` where it has found nothing yet."""
    if run.tasks is None:
        raise RunFolderError(str(path), "the run has found no tasks yet", "report it when it has ended")
    folder = RunFolder(path, run.split, run.tasks, run.record)
    write_report(path, folder, run.dataset, explain_tasks(run.dataset, folder, run.config.seed))
    return path


def run_report(run: Run, explanations: Sequence[Explanation]) -> None:
    """report.html of a run whose folder is written; read back, so that `splitgen report` gives the same page."""
    if run.out is not None:
        write_report(run.out / "report.html", read_run_folder(run.out), run.dataset, explanations)
        run.screen.say(f"report: {run.out / 'report.html'}")


def report_folder(dataset: ImageDataset, path: Path, others: Sequence[Path], seed: int, out: Path) -> None:
    """Make the report of a run folder, or of an index file, again.

    others: folders of `verify` and `compare` on the same data. Raises the error of a file that does not fit.
    """
    folder = read_run_folder(path)
    beside = [read_run_folder(other) for other in others]
    for each in [folder, *beside]:
        check_fits(each, dataset)
    for each in beside:
        check_same_split(each, folder)
    explanations = explain_tasks(dataset, folder, seed)
    write_report(out, folder, dataset, explanations, beside)


def check_fits(folder: RunFolder, dataset: ImageDataset) -> None:
    """Raise `FingerprintError` or `TasksFileError` where a folder is of other data."""
    if folder.split is not None:
        check_belongs(folder.split, str(folder.path), dataset.fingerprint, dataset.labels, dataset.ids)
    if folder.tasks is not None:
        check_tasks_belong(folder.tasks, str(folder.path), dataset)
    recorded = folder.record.get("dataset", {}).get("fingerprint", dataset.fingerprint)
    check_fingerprint(str(folder.path), recorded, dataset.fingerprint)


def check_same_split(beside: RunFolder, folder: RunFolder) -> None:
    """Raise `FingerprintError` where models were judged on another split than the folder's."""
    told = beside.record.get("rows_hash")
    if "transfer" in beside.record and folder.split is not None and told not in (None, hash_rows(folder.split)):
        raise FingerprintError(str(beside.path), "it judges models on another split", "give one of this run's split")
