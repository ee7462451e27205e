"""The gate: every split judged by every model, and an exit code."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from splitgen.check.baseline import Earlier, check_regression, read_baseline
from splitgen.check.judgement import Judgement, hash_file, judge_predictions, read_predictions
from splitgen.check.reports import Case, describe_gate, write_junit, write_summary
from splitgen.check.settings import GateSettings
from splitgen.check.thresholds import Thresholds, check_figures
from splitgen.console import Screen
from splitgen.errors import SplitgenError
from splitgen.parquet import replacing, write_json
from splitgen.settings import merge_settings
from splitgen.splits.split import Split, find_index_file, read_split

PASSED, FAILED, NOT_JUDGED = 0, 1, 3  # 2 is a usage error, as everywhere

Judge = Callable[[Split, Path, str], Judgement]


def choose_judge(
    gate: GateSettings, screen: Screen, pick_device: Callable[[], str], given: Mapping[str, Any]
) -> tuple[Sequence[str], Judge]:
    """The models, and what judges them: saved predictions, or trainings on a device, with nested settings `given`.

    torch is imported for trainings alone.
    """
    if gate.predictions is not None:
        return [gate.predictions.name], predictions_judge(gate.predictions, gate.control_predictions)
    from splitgen.check.training import Trainer

    seeds, dataset = {"verification": {"seeds": gate.seeds}}, {"data": {"dataset": gate.dataset}}
    trainer = Trainer(screen, pick_device(), merge_settings(merge_settings(given, seeds), dataset))
    return gate.models or [""], trainer.judge


def hold_gate(gate: GateSettings, models: Sequence[str], judge: Judge, screen: Screen) -> tuple[int, dict[str, Any]]:
    """Judge, print, and write all that was asked for; the exit code and the JSON record."""
    baseline = None if gate.baseline is None else read_baseline(gate.baseline)
    cases = run_gate(gate.splits, models, judge, gate.thresholds, baseline)
    exit_code = choose_exit_code(cases, gate.warn_only)
    record = describe_gate(cases, gate.thresholds, gate.seeds, exit_code)
    print_gate(screen, cases)
    if gate.out is not None:
        write_json(record, gate.out)
    if gate.junit is not None:
        with replacing(gate.junit) as temporary:
            temporary.write_text(write_junit(cases), encoding="utf-8")
    append_step_summary(cases)
    return exit_code, record


def run_gate(
    splits: Sequence[Path],
    models: Sequence[str],
    judge: Judge,
    thresholds: Thresholds,
    baseline: Mapping[tuple[str, str], Earlier] | None = None,
) -> list[Case]:
    """Every split by every model. What keeps one from being judged does not keep the others.

    judge: figures of a model, by name, on a split, given with its path; its `SplitgenError` becomes the case's problem.
    """
    return [run_case(path, model, judge, thresholds, baseline) for path in splits for model in models]


def run_case(
    path: Path,
    model: str,
    judge: Judge,
    thresholds: Thresholds,
    baseline: Mapping[tuple[str, str], Earlier] | None,
) -> Case:
    """One split by one model."""
    start, digest = time.monotonic(), None
    try:
        split = read_split(path)
        digest = hash_file(find_index_file(path))
        judgement = judge(split, path, model)
    except SplitgenError as error:
        return Case(str(path), model, digest, time.monotonic() - start, problem=str(error))
    except Exception as error:  # a user's own model may raise anything, and must not end as "a threshold failed"
        traceback.print_exc()
        problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Case(str(path), model, digest, time.monotonic() - start, problem=problem)
    outcomes = check_figures(judgement.means, thresholds, judgement.why_missing)
    if baseline is not None:
        outcomes.append(check_regression(baseline, str(path), judgement))
    return Case(str(path), judgement.model, digest, time.monotonic() - start, tuple(outcomes), judgement)


def predictions_judge(predictions: Path, control: Path | None) -> Judge:
    """Judges by predictions that were made elsewhere."""

    def judge(split: Split, path: Path, model: str) -> Judgement:
        of_control = None if control is None else read_predictions(control, split)
        return judge_predictions(split, read_predictions(predictions, split), model, of_control)

    return judge


def choose_exit_code(cases: Sequence[Case], warn_only: bool) -> int:
    """3 where anything could not be judged, else 1 where a threshold failed (0 for warn_only), else 0."""
    if any(case.problems for case in cases):
        return NOT_JUDGED
    return FAILED if any(case.failures for case in cases) and not warn_only else PASSED


def tell_verdict(cases: Sequence[Case]) -> str:
    """The result in a few words."""
    n_checks = sum(len(case.outcomes) for case in cases)
    n_problems, n_failures = (sum(len(getattr(case, kind)) for case in cases) for kind in ("problems", "failures"))
    if n_problems:
        return f"NOT JUDGED: {n_problems} could not run, {n_failures} failed of {n_checks} checks"
    return f"FAILED: {n_failures} of {n_checks} checks" if n_failures else f"passed: {n_checks} checks"


def print_gate(screen: Screen, cases: Sequence[Case]) -> None:
    """A line for each check, and the verdict."""
    for case in cases:
        worst = "" if case.judgement is None else f"; worst class in test: {case.judgement.worst_class}"
        screen.say(f"{case.split}, {case.model}{worst}")
        for outcome in case.outcomes:
            screen.say(f"  {outcome.status:<7} {outcome}")
        if case.problem is not None:
            screen.say(f"  error   {case.problem}")
    screen.say(f"check {tell_verdict(cases)}")


def append_step_summary(cases: Sequence[Case]) -> None:
    """Add the table to GitHub's step summary, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(write_summary(cases, tell_verdict(cases)))
