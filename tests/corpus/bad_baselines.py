"""Earlier results that a check compares with: it cannot judge by them, which is exit code 3."""

from __future__ import annotations

from typing import Any

from bad_case import DROP, Case, change_json, nest, nothing, write, write_lines

CHECK = "check run --predictions right.csv --baseline {}"
EARLIER: dict[str, Any] = {
    "model": "right.csv",
    "rows_hash": "sha256:0",
    "n_test": 120,
    "figures": {"test_accuracy": [0.5]},
}


def baseline(name: str, words: str, value: Any) -> Case:
    return Case(name, write_lines("bad.json", value), CHECK.format("bad.json"), words, 3)


def result(name: str, words: str, **changes: Any) -> Case:
    return baseline(name, words, {"results": [{**EARLIER, **changes}]})


def record(place: str, value: Any, words: str) -> Case:
    """An earlier run.json."""
    name = f"run.json, {place} is {'nothing' if value is DROP else repr(value)}"
    return Case(name, change_json(place, value), CHECK.format("run/run.json"), words, 3)


CASES = [
    Case("no file", nothing, CHECK.format("gone.json"), "cannot be read", 3),
    Case("a folder", nothing, CHECK.format("pictures"), "cannot be read", 3),
    Case("no text", write("bad.json", b"\xff\xfe"), CHECK.format("bad.json"), "holds no earlier result", 3),
    Case("nothing", write("bad.json", ""), CHECK.format("bad.json"), "holds no earlier result", 3),
    baseline("no JSON", "holds no earlier result", "results: 1"),
    baseline("a number", "holds no earlier result", 3),
    baseline("a text", "holds no earlier result", '"results"'),
    baseline("a list", "holds no earlier result", [EARLIER]),
    baseline("deep lists", "nested too deeply", nest(100_000)),
    baseline("an object without results", "holds no earlier result", {}),
    baseline("results that are none", "holds no earlier result", {"results": 3}),
    baseline("results that are empty", "nothing in it was judged", {"results": []}),
    baseline("results that are numbers", "holds no earlier result", {"results": [3]}),
    baseline("results without figures", "nothing in it was judged", {"results": [{**EARLIER, "figures": None}]}),
    baseline("a number of thousands of digits", "holds no earlier result", '{"results": [' + "9" * 10_000 + "]}"),
    result("figures that are a list", "holds no earlier result", figures=[0.5]),
    result("text for numbers", "no list of fractions", figures={"test_accuracy": ["0.5"]}),
    result("a text for all", "no list of fractions", figures={"test_accuracy": "0.5"}),
    result("a truth for a number", "no list of fractions", figures={"test_accuracy": [True]}),
    result("no numbers", "no list of fractions", figures={"test_accuracy": []}),
    result("no accuracy", "holds no earlier result", figures={}),
    result("an accuracy beyond 1", "no list of fractions", figures={"test_accuracy": [1.5]}),
    result("NaN", "holds no earlier result", figures={"test_accuracy": [float("nan")]}),
    result("infinity", "holds no earlier result", figures={"test_accuracy": [float("inf")]}),
    result("no test rows", "no count of rows", n_test=0),
    result("more test rows than a float holds", "no count of rows: 99999999", n_test=10**400 - 1),
    result("test rows below 0", "no count of rows", n_test=-5),
    result("test rows in words", "no count of rows", n_test="120"),
    result("a fraction of test rows", "no count of rows", n_test=1.5),
    result("a truth of test rows", "no count of rows", n_test=True),
    result("a hash that is none", "rows_hash is no text", rows_hash=None),
    result("a model that is a number", "model is no text", model=3),
    result("another split", "made on another split", rows_hash="sha256:0"),
    result("another model", "the baseline has no result of right.csv", model="mlp"),
    record("verification", DROP, "holds no earlier result"),
    record("verification", "good", "holds no earlier result"),
    record("verification.figures", DROP, "holds no earlier result"),
    record("verification.figures.test_accuracy.values", "0.5", "no list of fractions"),
    record("verification.n_test", 0, "no count of rows"),
    record("rows_hash", DROP, "no 'rows_hash'"),
    record("transfer", [], "nothing in it was judged"),
    record("transfer", [3], "holds no earlier result"),
]
