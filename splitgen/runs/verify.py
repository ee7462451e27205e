"""The last stage of a run: the verification of a split, by one model or by several."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from splitgen.models.registry import find_model
from splitgen.models.training import count_epochs, steps_per_epoch
from splitgen.parallel import count_workers
from splitgen.runs.run import Run
from splitgen.screen.tables import print_transfer, print_verification
from splitgen.splits.split import Split, hash_rows
from splitgen.verification.confusion import map_targets, store_confusion
from splitgen.verification.verification import Verification, count_verification_fits, verify_split


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


def judge_split(run: Run, split: Split) -> Verification:
    """Verify a split, with the time foretold and progress shown."""
    start, config, counts = time.monotonic(), run.config, split.counts()
    n_used = counts["train"] + counts["validation"] + counts["test"]
    n_fits = count_verification_fits(n_used, counts["test"], config.verification)
    epochs = count_epochs(counts["train"], config.training)
    steps = epochs * steps_per_epoch(counts["train"], config.training.batch_size)
    run.screen.note(f"verify: {n_fits} trainings of {epochs} epochs ({steps} steps) each")
    first: list[float] = []

    with run.screen.progress("verify", n_fits) as progress:

        def on_fit() -> None:
            if not first:
                first.append(time.monotonic() - start)
                rounds = math.ceil(n_fits / count_workers(n_fits))
                run.screen.note(f"verify: about {first[0] * rounds:.0f} s")
            progress.advance()

        return verify_split(run.bench, split, config.verification, on_fit)


def describe_verification(result: Verification) -> dict[str, Any]:
    """A verification as the JSON of a file has it; without the confusions, which grow with the classes squared."""
    nothing = np.zeros((0, 0), dtype=np.int64)  # instead of a copy of them
    described = dataclasses.asdict(dataclasses.replace(result, test_confusion=nothing, random_confusion=nothing))
    del described["test_confusion"], described["random_confusion"]
    return {**described, "is_adversarial": result.is_adversarial, "verdict": result.verdict}


def run_transfer(run: Run, split: Split, models: Sequence[str]) -> None:
    """Verify a split by several models, each trained from scratch, in one table."""
    start, judged = time.monotonic(), []
    runs = [dataclasses.replace(run, bench=run.bench.with_model(find_model(name))) for name in models]
    for each in runs:
        each.bench.check_model(int(split.targets.max()) + 1)
    for each in runs:
        run.screen.note(f"-- {each.bench.model.name}")
        judged.append(describe_verification(judge_split(each, split)))
    run.timed("verify", start)
    run.record["transfer"] = judged
    run.record["rows_hash"] = hash_rows(split)
    print_transfer(run.screen, judged)
