"""The last stage of a run: the verification of a split, by one model or by several."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splitgen.models.bench import Bench
from splitgen.models.registry import ModelFactory
from splitgen.runs.fitting import fit_verification
from splitgen.runs.forecast import Sizes, foretell_verification
from splitgen.runs.run import Run, count_own_test
from splitgen.screen.outlook import tell_seconds
from splitgen.screen.tables import print_transfer, print_verification
from splitgen.splits.grouping import check_groups_known
from splitgen.splits.split import Split, check_belongs, hash_rows
from splitgen.verification.confusion import map_targets, store_confusion
from splitgen.verification.sampling import keeps_mix
from splitgen.verification.verification import Verification, count_trials, take_rows, verify_split


def check_judged(bench: Bench, split: Split, path: Path, others: Sequence[ModelFactory] = ()) -> None:
    """Raise the error of what does not fit, where a split is not of the bench's data, or where its model or one of
    these others cannot be trained on it. path: where the split was read."""
    check_belongs(split, str(path), bench.dataset.fingerprint, bench.dataset.labels, bench.dataset.ids)
    check_groups_known(split.metadata, bench.dataset.groups)
    for model in (bench.model, *others):
        bench.with_model(model).check_model(int(split.targets.max()) + 1)


def run_verification(run: Run, split: Split) -> tuple[Split, Verification]:
    """Judge the split, print the figures, and put them into its metadata."""
    start = time.monotonic()
    result = judge_split(run, split)
    run.timed("verify", start)
    described = describe_verification(result)
    run.record["verification"] = described
    run.record["rows_hash"] = hash_rows(split)
    targets = map_targets(split)
    run.record["confusion"] = {
        "test": store_confusion(result.test_confusion, targets),
        "random": store_confusion(result.random_confusion, targets),
    }
    split = split.with_metadata(verification=described)
    print_verification(run.screen, described, run.dataset.class_names)
    run.store.save("split", split)
    return split, result


def settle_verification(run: Run, sizes: Sizes) -> float | None:
    """Fit the verification of a split of these sizes into the time that it was given, and say how long it will take:
    in seconds, or None where nobody is told."""
    config, recipe = run.config.verification, run.config.training
    if run.verify_seconds is None and run.screen.is_quiet:
        return None
    smaller = fit_verification(run.verify_seconds, run.pace, sizes, config, recipe)
    seconds = foretell_verification(run.pace, sizes, smaller, recipe)
    run.record.setdefault("foretold_seconds", {})["verify"] = round(seconds, 3)
    of_rows = "" if smaller.max_rows is None else f" on {min(smaller.max_rows, sizes.used):,} of {sizes.used:,} rows"
    run.screen.note(f"verification: {smaller.seeds} seeds{of_rows}, about {tell_seconds(seconds)}")
    if run.verify_seconds is not None and seconds > run.verify_seconds:
        run.screen.note(
            f"that is more than the {run.verify_seconds:.0f} s that it was given: it can be made no smaller"
        )
    run.settle(verification=smaller)
    return seconds


def judge_split(run: Run, split: Split) -> Verification:
    """Verify a split, with progress shown."""
    config = run.config
    n_fits = count_trials(run.bench, split, config.verification)
    with run.screen.progress("verify", n_fits) as progress:
        result = verify_split(run.bench, split, config.verification, progress.advance)
    asked = run.asked.verification.seeds
    if asked == config.verification.seeds:
        return result
    fewer = f"over {config.verification.seeds} seeds instead of {asked}, for the time that it was given"
    return dataclasses.replace(result, limits=(*result.limits, fewer))


def measure_sizes(run: Run, split: Split) -> Sizes:
    """Of a split that is made."""
    counts, in_mix = split.counts(), keeps_mix(run.bench.labels, take_rows(run.bench, split))
    return Sizes(counts["train"], counts["validation"], counts["test"], count_own_test(run.dataset), in_mix)


def describe_verification(result: Verification) -> dict[str, Any]:
    """A verification as the JSON of a file has it; without the confusions, which grow with the classes squared."""
    nothing = np.zeros((0, 0), dtype=np.int64)  # instead of a copy of them
    described = dataclasses.asdict(dataclasses.replace(result, test_confusion=nothing, random_confusion=nothing))
    del described["test_confusion"], described["random_confusion"]
    if not result.limits:
        del described["limits"]
    return {**described, "is_adversarial": result.is_adversarial, "verdict": result.verdict}


def run_transfer(run: Run, split: Split, others: Sequence[ModelFactory]) -> None:
    """Verify a split by the run's model and by others, each trained by itself, in one table."""
    start, judged = time.monotonic(), []
    runs = [run, *(dataclasses.replace(run, bench=run.bench.with_model(model)) for model in others)]
    for each in runs:
        run.screen.note(f"-- {each.bench.model.title}")
        settle_verification(each, measure_sizes(each, split))
        judged.append(describe_verification(judge_split(each, split)))
    run.timed("verify", start)
    run.record["transfer"] = judged
    run.record["rows_hash"] = hash_rows(split)
    print_transfer(run.screen, judged)
