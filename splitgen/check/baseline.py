"""Regression against an earlier result, beyond noise."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from splitgen.check.judgement import Judgement
from splitgen.check.thresholds import Outcome
from splitgen.errors import CheckError

Z = 1.96  # of a two-sided 95 % interval


@dataclass(frozen=True)
class Earlier:
    """Test accuracy of an earlier result: values, one a seed, over n_test rows."""

    values: tuple[float, ...]
    n_test: int


def read_baseline(path: Path) -> dict[tuple[str, str], Earlier]:
    """Earlier results by split (its file's name) and model; ("", model) for the run.json of `make` or `verify`.

    Raises `CheckError` for a file that is neither that nor what `check --json` wrote.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if "results" in record:
            return {
                (case["split"], case["model"]): Earlier(tuple(case["figures"]["test_accuracy"]), case["n_test"])
                for case in record["results"]
                if case.get("figures")
            }
        judged = record["verification"]
        earlier = Earlier(tuple(judged["figures"]["test_accuracy"]["values"]), judged["n_test"])
        return {("", judged["model"]): earlier}
    except OSError as error:
        raise CheckError(f"baseline '{path}' cannot be read ({error.strerror})", "give an existing file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "give what 'check --json' wrote, or the run.json of make or verify"
        raise CheckError(f"baseline '{path}' holds no earlier result", remedy) from error


def check_regression(baseline: Mapping[tuple[str, str], Earlier], split: str, judgement: Judgement) -> Outcome:
    """Is the test accuracy lower than it was, by more than noise explains?"""
    earlier = baseline.get((split, judgement.model)) or baseline.get(("", judgement.model))
    if earlier is None:
        return Outcome(
            "baseline",
            "test_accuracy",
            math.nan,
            None,
            False,
            f"the baseline has no result of {judgement.model} on {split}",
        )
    now = judgement.figures["test_accuracy"]
    noise = Z * math.hypot(standard_error(now, judgement.n_test), standard_error(earlier.values, earlier.n_test))
    bound = float(np.mean(earlier.values)) - noise
    value = float(np.mean(now))
    return Outcome("baseline", "test_accuracy", bound, value, value >= bound)


def standard_error(values: Sequence[float], n_test: int) -> float:
    """Of a mean accuracy: the spread over the seeds, and that of a sample of n_test rows."""
    mean = float(np.mean(values))
    by_rows = mean * (1 - mean) / n_test
    by_seed = float(np.var(values, ddof=1)) / len(values) if len(values) > 1 else 0.0
    return math.sqrt(by_rows + by_seed)
