"""Regression against an earlier result, beyond noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shorten
from typing import Any

import numpy as np

from splitgen.check.judgement import Judgement
from splitgen.check.thresholds import Outcome
from splitgen.errors import CheckError
from splitgen.json_text import parse_json

MOST_ROWS = 2**63  # no dataset has more
Z = 1.96  # of a two-sided 95 % interval


@dataclass(frozen=True)
class Earlier:
    """Test accuracy of an earlier result: values, one a seed, over n_test rows.

    model: its name. rows_hash: of the split's rows (`hash_rows`).
    """

    model: str
    rows_hash: str
    values: tuple[float, ...]
    n_test: int


def read_baseline(path: Path) -> list[Earlier]:
    """Earlier results: of what `check` wrote as JSON, or of the run.json of `make`, `split` or `verify`.

    Raises `CheckError` for a file that is neither, or does not say which split it judged.
    """
    remedy = "give what 'check --out' wrote, or the run.json of make, split or verify, of this version"
    try:
        record = parse_json(path.read_bytes(), is_ours=True)
        earlier = [read_case(case) for case in list_cases(record)]
    except OSError as error:
        raise CheckError(f"baseline '{path}' cannot be read ({error.strerror})", "give an existing file") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckError(f"baseline '{path}' holds no earlier result ({tell_fault(error)})", remedy) from error
    if not earlier:
        raise CheckError(f"baseline '{path}' holds no earlier result (nothing in it was judged)", remedy)
    return earlier


def tell_fault(error: Exception) -> str:
    """What an error says of a file, in one line."""
    text = f"no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(text.split())


def list_cases(record: Any) -> list[Any]:
    """The results of a record in the form of those that `check` writes; results without figures are left out."""
    if "results" in record:
        return [case for case in record["results"] if case["figures"] is not None]
    judged = record["transfer"] if "transfer" in record else [record["verification"]]
    return [
        {
            "model": each["model"],
            "rows_hash": record["rows_hash"],
            "n_test": each["n_test"],
            "figures": {"test_accuracy": each["figures"]["test_accuracy"]["values"]},
        }
        for each in judged
    ]


def read_case(case: Any) -> Earlier:
    """One result. Raises `ValueError`, `KeyError` or `TypeError` where it is none."""
    values, n_test = case["figures"]["test_accuracy"], case["n_test"]
    for name in ("model", "rows_hash"):
        if not isinstance(case[name], str):
            raise ValueError(f"its {name} is no text: {shorten(case[name])}")
    if not isinstance(values, list) or not values or not all(is_accuracy(value) for value in values):
        raise ValueError(f"its test_accuracy is no list of fractions: {shorten(values)}")
    if not isinstance(n_test, int) or isinstance(n_test, bool) or not 1 <= n_test < MOST_ROWS:
        raise ValueError(f"its n_test is no count of rows: {shorten(n_test)}")
    return Earlier(case["model"], case["rows_hash"], tuple(map(float, values)), n_test)


def is_accuracy(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def check_regression(baseline: Sequence[Earlier], rows_hash: str, judgement: Judgement) -> Outcome:
    """Is the test accuracy on the same rows lower than it was, by more than noise explains?"""
    of_model = [earlier for earlier in baseline if earlier.model == judgement.model]
    earlier = next((each for each in of_model if each.rows_hash == rows_hash), None)
    problem = judgement.unlearned
    if earlier is None:
        names = ", ".join(sorted({each.model for each in baseline}))
        problem = (
            "the baseline was made on another split (its rows differ); make the baseline again on this one"
            if of_model
            else f"the baseline has no result of {judgement.model}, but of {names}"
        )
    if earlier is None or problem is not None:
        return Outcome("baseline", "test_accuracy", math.nan, None, False, problem)
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
