"""The result of a gate for machines: JSON, JUnit XML, and the step summary of GitHub Actions."""

from __future__ import annotations

import dataclasses
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from splitgen._version import __version__
from splitgen.check.judgement import Judgement
from splitgen.check.thresholds import Outcome, Thresholds
from splitgen.screen.console import escape_controls

SCHEMA_VERSION = 1
# XML 1.0 has no place for these, not even escaped.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MARKDOWN_SIGNS = re.compile(r"[^\w\s.,/+%()=-]|_|w(?=ww\.)")


@dataclass(frozen=True)
class Case:
    """One split judged by one model.

    split: its path as given. digest: SHA-256 of the file, rows_hash: of its rows; None where it cannot be read.
    judgement: None where it could not be judged; problem says why.
    """

    split: str
    model: str
    digest: str | None
    rows_hash: str | None
    seconds: float
    outcomes: tuple[Outcome, ...] = ()
    judgement: Judgement | None = None
    problem: str | None = None

    @property
    def problems(self) -> list[str]:
        """What kept any of its checks from running."""
        own = [] if self.problem is None else [self.problem]
        return own + [str(outcome) for outcome in self.outcomes if outcome.value is None]

    @property
    def failures(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.value is not None and not outcome.passed]


def describe_gate(cases: Sequence[Case], thresholds: Thresholds, seeds: int | None, exit_code: int) -> dict[str, Any]:
    """The result as one JSON object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "splitgen": __version__,
        "exit_code": exit_code,
        "thresholds": dict(thresholds.given()),
        "seeds": seeds,
        "results": [
            {
                "split": case.split,
                "split_hash": case.digest,
                "rows_hash": case.rows_hash,
                "model": case.model,
                "problem": case.problem,
                "n_test": None if case.judgement is None else case.judgement.n_test,
                "worst_class": None if case.judgement is None else case.judgement.worst_class,
                "figures": None
                if case.judgement is None
                else {name: list(values) for name, values in case.judgement.figures.items()},
                "checks": [
                    {**dataclasses.asdict(outcome), "bound": nan_to_none(outcome.bound)} for outcome in case.outcomes
                ],
                "seconds": round(case.seconds, 3),
            }
            for case in cases
        ],
    }


def nan_to_none(value: float) -> float | None:
    return None if math.isnan(value) else value


def write_junit(cases: Sequence[Case]) -> str:
    """JUnit XML: a suite for each split and model with its figures as properties, a test case for each check.

    A check that failed has a `failure`, one that could not run an `error`; details stand in their text, as some
    readers ignore the attribute.
    """
    suites = [build_suite(case) for case in cases]
    total = {name: str(sum(int(suite.get(name, 0)) for suite in suites)) for name in ("tests", "failures", "errors")}
    root = ET.Element("testsuites", {"name": "splitgen check", **total})
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def build_suite(case: Case) -> ET.Element:
    """The suite of one split and model."""
    suite = ET.Element("testsuite", {"name": clean(f"{case.split} {case.model}")})
    properties = ET.SubElement(suite, "properties")
    known = {"split": case.split, "split_hash": case.digest or "", "model": case.model}
    means = {} if case.judgement is None else case.judgement.means
    for name, value in {**known, **{name: repr(mean) for name, mean in means.items()}}.items():
        ET.SubElement(properties, "property", {"name": name, "value": clean(value)})
    cases = [
        (outcome.check, "" if outcome.passed else str(outcome), "error" if outcome.value is None else "failure")
        for outcome in case.outcomes
    ]
    if case.problem is not None:
        cases.append(("judge", case.problem, "error"))
    for name, text, kind in cases:
        classname = clean(f"splitgen.{case.split}.{case.model}")
        element = ET.SubElement(suite, "testcase", {"classname": classname, "name": name, "time": "0"})
        if text:
            ET.SubElement(element, kind, {"message": clean(text), "type": kind}).text = clean(text)
    counts = {
        "tests": len(cases),
        "failures": sum(bool(text) and kind == "failure" for _, text, kind in cases),
        "errors": sum(bool(text) and kind == "error" for _, text, kind in cases),
    }
    for name, count in counts.items():
        suite.set(name, str(count))
    suite.set("time", f"{case.seconds:.3f}")
    return suite


def clean(text: str) -> str:
    """Text without characters that XML has no place for."""
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def write_summary(cases: Sequence[Case], verdict: str) -> str:
    """A table in GitHub's Markdown."""
    lines = [f"### splitgen check: {verdict}", "", "| split | model | check | result |", "|---|---|---|---|"]
    for case in cases:
        head = f"| {show_code(case.split)} | {show_code(case.model)} |"
        lines += [f"{head} {show_code(str(outcome))} | {outcome.status} |" for outcome in case.outcomes]
        if case.problem is not None:
            lines.append(f"{head} {show_code(case.problem)} | error |")
    return "\n".join(lines) + "\n\n"


def show_code(text: str) -> str:
    """Text as it is, in a Markdown table: within <code> GitHub makes no links, images, mentions or issue numbers, and
    what Markdown or HTML would read as a sign stands as a character reference."""
    return f"<code>{MARKDOWN_SIGNS.sub(lambda sign: f'&#{ord(sign[0])};', escape_controls(text))}</code>"
