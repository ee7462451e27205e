"""The gate: every split judged by every model, and an exit code."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from splitgen.check.baseline import Earlier, check_regression, read_baseline
from splitgen.check.judgement import Judgement, hash_file, judge_predictions, read_predictions
from splitgen.check.reports import Case, describe_gate, write_junit, write_summary
from splitgen.check.settings import GateSettings
from splitgen.check.thresholds import Thresholds, check_figures
from splitgen.errors import SplitgenError
from splitgen.parquet import write_json, write_text
from splitgen.screen.console import Screen, tell_trace
from splitgen.settings.layers import build_config, merge_settings
from splitgen.shortages import find_shortage
from splitgen.splits.split import Split, find_index_file, hash_rows, read_split

PASSED, FAILED, NOT_JUDGED = 0, 1, 3  # 2 is a usage error, as everywhere
OWN_MODEL = "(the split's own model)"

Judge = Callable[[Split, Path, str | None], Judgement]


def choose_judge(
    gate: GateSettings, screen: Screen, pick_device: Callable[[], str], given: Mapping[str, Any]
) -> tuple[Sequence[str | None], Judge]:
    """The models, and what judges them: saved predictions, or trainings on a device, with nested settings `given`.

    A model that is None is the one that a split was made with. torch is imported for trainings alone.
    Raises `SettingError` for settings out of range.
    """
    if gate.predictions is not None:
        return [gate.predictions.name], predictions_judge(gate.predictions, gate.control_predictions)
    from splitgen.check.training import Trainer

    of_gate = {"verification": {"seeds": gate.seeds}, "data": {"dataset": gate.dataset}}
    settings = merge_settings(merge_settings({}, given), of_gate)
    build_config(settings)  # what is wrong with them is wrong usage, and not a split that cannot be judged
    return gate.models or [None], Trainer(screen, pick_device(), settings).judge


def hold_gate(
    gate: GateSettings, models: Sequence[str | None], judge: Judge, screen: Screen
) -> tuple[int, dict[str, Any]]:
    """Judge, write all that was asked for, and print; the exit code and the JSON record.

    What cannot be written is told, and makes the exit code 3: whoever reads the file must not take an old one for this
    result.
    """
    baseline = None if gate.baseline is None else read_baseline(gate.baseline)
    cases = run_gate(gate.splits, models, judge, gate.thresholds, baseline)
    record = describe_gate(cases, gate.thresholds, gate.seeds, choose_exit_code(cases, gate.warn_only))
    unwritten = write_results(gate, cases, record)
    print_gate(screen, cases, unwritten)
    return record["exit_code"], record


def write_results(gate: GateSettings, cases: Sequence[Case], record: dict[str, Any]) -> list[str]:
    """Write the JUnit file, the JSON record and GitHub's step summary, where they are wanted; why, where one cannot be
    written. Each that tells the verdict tells of those before it, and the exit code in the record is that of all."""
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    unwritten: list[str] = []

    def try_to_write(path: Path | None, write: Callable[[Path], None]) -> bool:
        try:
            if path is not None:
                write(path)
        except OSError as error:
            unwritten.append(f"'{path}' could not be written ({error.strerror or error})")
            record["exit_code"] = NOT_JUDGED
            return False
        return True

    def add_summary(path: Path) -> None:
        append_text(write_summary(cases, tell_verdict(cases, unwritten)), path)

    try_to_write(gate.junit, lambda path: write_text(write_junit(cases), path))
    is_recorded = try_to_write(gate.out, lambda path: write_json(record, path))
    if summary and not try_to_write(Path(summary), add_summary) and is_recorded:
        try_to_write(gate.out, lambda path: write_json(record, path))
    return unwritten


def append_text(text: str, path: Path) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def run_gate(
    splits: Sequence[Path],
    models: Sequence[str | None],
    judge: Judge,
    thresholds: Thresholds,
    baseline: Sequence[Earlier] | None = None,
) -> list[Case]:
    """Every split by every model. What keeps one from being judged does not keep the others.

    judge: figures of a model, by name, on a split, given with its path. Whatever it raises, a call of `exit` by the
        model's own code included, becomes the case's problem.
    """
    return [run_case(path, model, judge, thresholds, baseline) for path in splits for model in models]


def run_case(
    path: Path,
    model: str | None,
    judge: Judge,
    thresholds: Thresholds,
    baseline: Sequence[Earlier] | None,
) -> Case:
    """One split by one model."""
    start, digest, rows_hash, name = time.monotonic(), None, None, model or OWN_MODEL
    try:
        split = read_split(path)
        digest, rows_hash = hash_file(find_index_file(path)), hash_rows(split)
        judgement = judge(split, path, model)
        outcomes = check_figures(judgement.means, thresholds, judgement.why_missing, judgement.unlearned)
        if baseline is not None:
            outcomes.append(check_regression(baseline, rows_hash, judgement))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's own model may raise anything, and must not end the gate or pass it
        return Case(str(path), name, digest, rows_hash, time.monotonic() - start, problem=tell_problem(error))
    seconds = time.monotonic() - start
    return Case(str(path), judgement.model, digest, rows_hash, seconds, tuple(outcomes), judgement)


def tell_problem(error: BaseException) -> str:
    """Why a case could not be judged, in one line; the trace of what nobody foresaw goes to stderr."""
    if (shortage := find_shortage(error)) is not None:
        return shortage
    if isinstance(error, SplitgenError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the model's code ended the program by exit({error.code!r}); take the call out of it"
    tell_trace(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def predictions_judge(predictions: Path, control: Path | None) -> Judge:
    """Judges by predictions that were made elsewhere."""

    def judge(split: Split, path: Path, model: str | None) -> Judgement:
        of_control = None if control is None else read_predictions(control, split)
        return judge_predictions(split, read_predictions(predictions, split), model or "", of_control)

    return judge


def choose_exit_code(cases: Sequence[Case], warn_only: bool) -> int:
    """3 where anything could not be judged, else 1 where a threshold failed (0 for warn_only), else 0."""
    if any(case.problems for case in cases):
        return NOT_JUDGED
    return FAILED if any(case.failures for case in cases) and not warn_only else PASSED


def tell_verdict(cases: Sequence[Case], unwritten: Sequence[str] = ()) -> str:
    """The result in a few words. unwritten: what could not be written."""
    n_checks = sum(len(case.outcomes) for case in cases)
    n_problems, n_failures = (sum(len(getattr(case, kind)) for case in cases) for kind in ("problems", "failures"))
    if n_problems:
        return f"NOT JUDGED: {n_problems} could not run, {n_failures} failed of {n_checks} checks"
    if unwritten:
        return f"NOT REPORTED: {len(unwritten)} results could not be written, {n_failures} failed of {n_checks} checks"
    return f"FAILED: {n_failures} of {n_checks} checks" if n_failures else f"passed: {n_checks} checks"


def print_gate(screen: Screen, cases: Sequence[Case], unwritten: Sequence[str] = ()) -> None:
    """A line for each check, and the verdict."""
    for case in cases:
        worst = "" if case.judgement is None else f"; worst class in test: {case.judgement.worst_class}"
        screen.say(f"{case.split}, {case.model}{worst}")
        for outcome in case.outcomes:
            screen.say(f"  {outcome.status:<7} {outcome}")
        if case.problem is not None:
            screen.say(f"  error   {case.problem}")
    for problem in unwritten:
        screen.say(f"error   {problem}")
    screen.say(f"check {tell_verdict(cases, unwritten)}")
