"""`splitgen compare`: discovered tasks beside every baseline, at the same sizes and by the same judge.

All rows share the data, the sizes and class counts, the search over class sides, the recipe, the
verification and its seeds. For a fair search every row may also put all classes on one side, which is
what baselines that look within classes expect, unless the sides are drawn at random.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from splitgen.data.class_names import write_target
from splitgen.data.dataset import describe_dataset
from splitgen.data.statistics import MIN_SIDE
from splitgen.data.target import LABEL
from splitgen.errors import SettingError
from splitgen.models.bench import Bench
from splitgen.parquet import write_parquet
from splitgen.runs.budget import Clock, share_out
from splitgen.runs.finding import SearchOutcome, find_best, find_more_cuts, make_search_space, run_final, run_search
from splitgen.runs.run import Run, close_run, describe_settings
from splitgen.runs.split import Found, build_split, tell_found
from splitgen.runs.tasks import run_tasks, run_way
from splitgen.runs.verify import check_judged, judge_split
from splitgen.screen.tables import print_comparison
from splitgen.splits.provenance import DISCOVERED
from splitgen.splits.selection import count_parts
from splitgen.splits.split import Split, read_split
from splitgen.tasks.ways.registry import GIVEN, IMAGE_STATISTICS, WAYS
from splitgen.verification.verification import Verification


@dataclass(frozen=True)
class ComparisonRow:
    """One splitter of a comparison.

    cpu_seconds: of all threads, from the images to the chosen split; the verification is left out.
    figures: mean, interval and values of each figure of the verification.
    """

    splitter: str
    cpu_seconds: float
    imbalance: float
    is_adversarial: bool
    figures: Mapping[str, Any]


def compare(run: Run, given: Mapping[str, Split] | None = None) -> None:
    """Make and verify the split of every baseline and of discovery; print, and write comparison.parquet.

    given: splits by name, as `read_given` reads them, that the same judge sees too, as they are.
    """
    with run.at_work():
        rows = compare_all(run, given or {})
        described = [asdict(row) for row in rows]
        run.record["comparison"] = described
        print_comparison(run.screen, described)
        if run.out is not None:
            frame = tabulate(rows)
            metadata = {"dataset": describe_dataset(run.dataset), "config": describe_settings(run.asked)}
            write_parquet(frame, pa.Schema.from_pandas(frame), metadata, run.out / "comparison.parquet")
        close_run(run)


def compare_all(run: Run, splits: Mapping[str, Split]) -> list[ComparisonRow]:
    """The rows of splits that are given, by name, of every baseline, and of discovery; the strongest first."""
    for name, split in splits.items():
        note_sizes(run, name, split)
    cuts = find_more_cuts(run)
    rows = [judge_row(run, name, split, 0.0) for name, split in splits.items()]
    rows += [compare_way(run, name, cuts) for name in list_ways(run)]
    rows.append(compare_discovered(run, cuts))
    return sorted(rows, key=lambda row: row.figures["test_accuracy"]["mean"])


def list_ways(run: Run) -> list[str]:
    """The ways beside discovery; tasks that are given, where there are any, and image statistics of images alone."""
    left_out = {DISCOVERED}
    if run.labels is None:
        left_out.add(GIVEN)
    if min(run.dataset.images.shape[1:]) < MIN_SIDE:
        left_out.add(IMAGE_STATISTICS)
    return [way for way in WAYS if way not in left_out]


def compare_way(run: Run, name: str, cuts: list[np.ndarray]) -> ComparisonRow:
    """The row of a way to find tasks without meta-steps."""
    run.screen.note(f"-- {name}")
    start = run.keeper.decide(f"cpu before {name}", run.keeper.spent)
    space = make_search_space(run, run_way(run, name).margins)
    outcome = SearchOutcome(run_final(run, space, run_search(run, space, cuts)))
    split = keep_split(run, name, build_split(run, space, outcome, Found(name)))
    return judge_row(run, name, split, spend(run, name, start))


def compare_discovered(run: Run, cuts: list[np.ndarray]) -> ComparisonRow:
    """The row of the discovered tasks, refined and sharpened."""
    run.screen.note(f"-- {DISCOVERED}")
    start = run.keeper.decide(f"cpu before {DISCOVERED}", run.keeper.spent)
    stages = ("discover", "agreement", "refine", "sharpen")  # search and last judging are as for the others
    seconds_before = run.keeper.decide("seconds before discovery", lambda: time.monotonic() - run.clock.start)
    run.clock = Clock(run.clock.seconds, share_out(run.config, stages), run.clock.start + seconds_before)
    tasks = run_tasks(run)
    space = make_search_space(run, tasks.margins)
    outcome = find_best(run, space, tasks, cuts)
    split = keep_split(run, DISCOVERED, build_split(run, space, outcome, tell_found(tasks)))
    return judge_row(run, DISCOVERED, split, spend(run, DISCOVERED, start))


def spend(run: Run, name: str, start: float) -> float:
    """CPU seconds of a row until now, since so many of the run; as they were when its split was first made."""
    seconds: float = run.keeper.decide(f"cpu of {name}", lambda: run.keeper.spent() - start)
    return seconds


def read_given(bench: Bench, path: Path) -> Split:
    """An index file of the bench's data and target. Raises `SplitFileError` for one of other data, `SettingError` for
    one of another target."""
    split = read_split(path)
    check_judged(bench, split, path)
    if not np.array_equal(split.targets, bench.target.values):
        found = write_target(split.metadata.get("target", LABEL), bench.dataset.class_names)
        raise SettingError(f"split '{path}' is of the target '{found}'; give --target {shlex.quote(found)}")
    return split


def note_sizes(run: Run, name: str, split: Split) -> None:
    """A note where a split's sizes are not the run's."""
    sizes = {part: int(n.sum()) for part, n in count_parts(run.dataset.class_counts, run.config.selection).items()}
    counts = split.counts()
    missed = (split.metadata.get("groups") or {}).get("miss", {})  # with groups, sizes are only near those asked for
    if any(counts[part] - missed.get(part, 0) != n for part, n in sizes.items()):
        found = ", ".join(f"{part} {n}" for part, n in counts.items() if n)
        run.screen.note(f"'{name}' has other sizes than the rest ({found}): its row does not compare with them")


def keep_split(run: Run, name: str, split: Split) -> Split:
    """Write the split of a splitter into the run folder."""
    run.store.save(f"split/{re.sub('[^a-z]+', '-', name)}", split)
    return split


def judge_row(run: Run, name: str, split: Split, cpu_seconds: float) -> ComparisonRow:
    """Verify the split of one row."""
    result: Verification = judge_split(run, split)
    figures = {figure: asdict(value) for figure, value in result.figures.items()}
    return ComparisonRow(name, round(cpu_seconds, 1), result.imbalance, result.is_adversarial, figures)


def tabulate(rows: list[ComparisonRow]) -> pd.DataFrame:
    """One row a splitter, and mean, low and high of each figure as columns."""
    return pd.DataFrame(
        {
            "splitter": row.splitter,
            "cpu_seconds": row.cpu_seconds,
            "imbalance": row.imbalance,
            "is_adversarial": row.is_adversarial,
            **{
                f"{name}_{part}" if part != "mean" else name: figure[part]
                for name, figure in row.figures.items()
                for part in ("mean", "low", "high")
            },
        }
        for row in rows
    )
