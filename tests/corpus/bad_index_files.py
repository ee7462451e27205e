"""Index files: rows, columns and metadata that no split has."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from bad_case import (
    DROP,
    Case,
    change_bytes,
    change_note,
    change_rows,
    claim_rows,
    contradict,
    cut,
    delete,
    fill,
    nest,
    nothing,
    put,
    write,
    write_note,
    write_table,
)


def fill_bits(column: str, bits: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A column of the float that these 64 bits are."""
    return lambda frame: frame.assign(**{column: np.full(len(frame), bits, np.uint64).view(np.float64)})


def break_texts(folder: Path) -> None:
    """Ids that are no UTF-8, though Parquet says that they are text."""
    table = pq.read_table(folder / "run/split.parquet")
    texts = pa.array([b"\xff%d" % row for row in range(table.num_rows)]).view(pa.string())
    pq.write_table(table.set_column(1, "id", texts), folder / "run/split.parquet")


ROWS = [
    ("an index of NaN that signals", fill_bits("index", 0x7FF0000000000001), "column 'index' has nan in row 0"),
    ("labels of text", fill("label", "1"), "column 'label' has '1' in row 0"),
    ("labels that are lists", fill("label", [1]), "column 'label' has"),
    ("labels that are objects", fill("label", {"a": 1}), "column 'label' has"),
    ("labels that are bytes", fill("label", b"1"), "column 'label' has"),
    ("labels that are NaN", fill("label", np.nan), "a label, target or id is empty"),
    ("labels that are fractions", put("label", 3, 0.5), "column 'label' has 0.5 in row 3"),
    ("labels that are truths", fill("label", True), "column 'label' has True in row 0"),
    ("labels that are dates", fill("label", datetime.date(2020, 1, 1)), "column 'label' has"),
    ("a label below 0", put("label", 3, -1), "column 'label' has -1 in row 3"),
    ("a label beyond the rows", put("label", 3, 10**6), "column 'label' has 1000000 in row 3"),
    ("a label without a name", lambda frame: frame.assign(label=7, target=7), "label 7"),
    ("targets that are fractions", put("target", 3, 0.5), "column 'target' has 0.5 in row 3"),
    ("targets that are text", fill("target", "x"), "column 'target' has 'x' in row 0"),
    ("a target that contradicts its label", put("target", 3, 2), "a label has one target"),
    ("targets that are not the labels", lambda frame: frame.assign(target=(frame["label"] + 1) % 3), "target"),
    ("ids that are lists", fill("id", ["a"]), "is no text"),
    ("ids that are objects", fill("id", {"a": 1}), "is no text"),
    ("ids that are bytes", fill("id", b"a"), "is no text"),
    ("ids that are numbers", lambda frame: frame.assign(id=range(len(frame))), "id 0 is no text"),
    ("an empty id", put("id", 3, None), "a label, target or id is empty"),
    ("one id for all", fill("id", "same"), "id 'same' stands twice"),
    ("an id twice", put("id", 3, "0"), "id '0' stands twice"),
    ("an unknown part", put("split", 3, "tset"), "unknown part 'tset'"),
    ("parts that are numbers", fill("split", 1), "unknown part 1"),
    ("parts that are lists", fill("split", ["train"]), "unknown part"),
    ("no part", put("split", 3, None), "unknown part"),
    ("all train", fill("split", "train"), "no row is in test"),
    ("all test", fill("split", "test"), "no row is in train"),
    ("all reserve", fill("split", "reserve"), "no row is in train"),
    ("no rows", lambda frame: frame.iloc[:0], "it has no rows"),
    ("rows in another order", lambda frame: frame.iloc[::-1], "index is not 0..239 in order"),
    ("a row less", lambda frame: frame.drop(7), "index is not 0..238 in order"),
    ("a row twice", put("index", 3, 2), "row 2 stands twice"),
    (
        "an index of half floats",
        lambda f: f.assign(index=[*range(239), 238], x=0).astype({"index": "f2"}),
        "row 238 stands twice",
    ),
    ("an index of fractions", lambda frame: frame.assign(index=frame["index"] + 0.5), "column 'index' has 0.5"),
    ("an index of truths", fill("index", True), "column 'index' has True"),
    ("an index of lists", fill("index", [1]), "column 'index' has"),
    ("an index of dates", fill("index", datetime.datetime(2020, 1, 1)), "column 'index' has"),
    ("an index of text", lambda frame: frame.assign(index=frame["index"].astype(str)), "column 'index' has '0'"),
    (
        "an index beyond 64 bits",
        lambda frame: frame.assign(index=frame["index"].astype("u8") + 2**63),
        "column 'index'",
    ),
    ("scores of words", fill("score", "high"), "column 'score' has values that are no numbers"),
    ("scores of lists", fill("score", [0.5]), "column 'score' has values that are no numbers"),
    ("scores that are infinite", put("score", 3, np.inf), "column 'score'"),
    ("margins of bytes", fill("margin", b"x"), "column 'margin' has values that are no numbers"),
    (
        "margins of dates",
        fill("margin", datetime.datetime(2020, 1, 1)),
        "column 'margin' has values that are no numbers",
    ),
    ("margins of truths", fill("margin", True), "column 'margin' has values that are no numbers"),
    ("margins of complex parts", fill("margin", {"re": 1.0}), "column 'margin' has values that are no numbers"),
    ("NaN margins of a discovered task", fill("margin", np.nan), "column 'margin'"),
    *(
        (f"no column {name}", lambda frame, name=name: frame.drop(columns=name), f"column '{name}' is missing")
        for name in ("index", "id", "label", "target", "split", "score", "margin")
    ),
]
NOTES = [
    ("schema_version", 2, "schema version 2"),
    ("schema_version", "1", "schema version 1"),
    ("schema_version", True, "'schema_version'"),
    ("schema_version", DROP, "no splitgen metadata"),
    ("dataset", DROP, "'dataset'"),
    ("dataset", [], "'dataset'"),
    ("dataset", "digits", "'dataset'"),
    ("dataset.source", 3, "'dataset.source'"),
    ("dataset.source", DROP, "'dataset.source'"),
    ("dataset.fingerprint", None, "'dataset.fingerprint'"),
    ("dataset.fingerprint", {"sha256": 1}, "'dataset.fingerprint'"),
    ("dataset.class_names", 3, "'dataset.class_names'"),
    ("dataset.class_names", "abc", "'dataset.class_names'"),
    ("dataset.class_names", [0, 1, 2], "'dataset.class_names.0'"),
    ("dataset.class_names", ["a"], "class_names"),
    ("target", 3, "'target'"),
    ("target", None, "'target'"),
    ("target", ["label"], "'target'"),
    ("target", "0,x", "target"),
    ("target", "0", "target"),
    ("target", "9", "target"),
    ("task", "first", "'task'"),
    ("task", [0], "'task'"),
    ("task_name", 7, "'task_name'"),
    ("way", ["discovered"], "'way'"),
    ("refined", "yes", "'refined'"),
    ("sharpened", "often", "'sharpened'"),
    ("class_sides", 1, "'class_sides'"),
    ("class_sides", "+-+", "'class_sides'"),
    ("class_sides", ["+", "-", "+"], "'class_sides.0'"),
    ("class_sides", [[1], [1], [-1]], "'class_sides.0'"),
    ("class_sides", [1, -1], "class_sides"),
    ("class_sides", [1, -1, 1, -1], "class_sides"),
    ("train_thresholds", 0.5, "'train_thresholds'"),
    ("train_thresholds", ["high"] * 3, "'train_thresholds.0'"),
    ("test_thresholds", [0.5], "test_thresholds"),
    ("test_thresholds", {"0": 1}, "'test_thresholds'"),
    ("alignment", "good", "'alignment'"),
    ("alignment", None, "alignment"),
    ("alignment", [1.0], "'alignment'"),
    ("seed", "zero", "'seed'"),
    ("meta_steps", "many", "'meta_steps'"),
    ("refinement_steps", [], "'refinement_steps'"),
    ("agreement", 0.9, "'agreement'"),
    ("agreement", {"task 0": 0.9}, "'agreement'"),
    ("agreement", [0.9], "'agreement.0'"),
    ("agreement.0.agreement_score", "high", "'agreement.0.agreement_score'"),
    ("agreement.0.agreement_score", DROP, "'agreement.0.agreement_score'"),
    ("agreement.0.task", 0, "'agreement.0.task'"),
    ("groups", [], "'groups'"),
    ("groups", "patient", "'groups'"),
    ("groups", {"column": 3}, "'groups.column'"),
    ("groups", {"column": None, "miss": [1]}, "'groups.miss'"),
    ("groups", {"column": None, "miss": {"train": "few"}}, "'groups.miss.train'"),
    ("config", [], "'config'"),
    ("config", None, "'config'"),
    ("verification", [], "'verification'"),
    ("verification", {}, "'verification."),
    ("verification.figures", [], "'verification.figures'"),
    ("verification.figures", {}, "'verification.figures."),
    ("verification.figures.test_accuracy", 0.5, "'verification.figures.test_accuracy'"),
    ("verification.figures.test_accuracy", DROP, "'verification.figures.test_accuracy'"),
    ("verification.figures.test_accuracy.mean", "0.5", "'verification.figures.test_accuracy.mean'"),
    ("verification.figures.test_accuracy.values", 0.5, "'verification.figures.test_accuracy.values'"),
    ("verification.figures.test_accuracy.values", ["a"], "'verification.figures.test_accuracy.values.0'"),
    ("verification.figures.fair_drop.low", None, "'verification.figures.fair_drop.low'"),
    ("verification.worst_class", "nine", "'verification.worst_class'"),
    ("verification.worst_class", 99, "worst_class"),
    ("verification.imbalance", "none", "'verification.imbalance'"),
    ("verification.is_adversarial", "yes", "'verification.is_adversarial'"),
    ("verification.verdict", 3, "'verification.verdict'"),
    ("verification.model", None, "'verification.model'"),
    ("verification.n_test", "120", "'verification.n_test'"),
]


def tell(value: object) -> str:
    return "nothing" if value is DROP else repr(value)


CASES = [
    Case("texts that are no UTF-8", break_texts, "show run", "its columns cannot be read"),
    Case("no file", nothing, "show gone.parquet", "split file 'gone.parquet': cannot be read"),
    Case("a folder without a split", delete("run/split.parquet"), "show run", "cannot be read"),
    Case("text", write("run/split.parquet", "hello"), "show run", "not a Parquet file"),
    Case("an empty file", write("run/split.parquet", ""), "show run", "not a Parquet file"),
    Case("cut short", cut("run/split.parquet"), "show run", "not a Parquet file"),
    Case(
        "a damaged middle", change_bytes("run/split.parquet", lambda d: d[:40] + b"\xff" * 60 + d[100:]), "show run", ""
    ),
    Case("a footer that contradicts itself", contradict("run/split.parquet"), "show run", "cannot be read (Definition"),
    Case("more rows in a part than in all", claim_rows("run/split.parquet"), "show run", "in its parts"),
    Case("another Parquet file", write_table("run/split.parquet", a=[1]), "show run", "no splitgen metadata"),
    Case(
        "a tasks file",
        lambda f: (f / "run/tasks.parquet").rename(f / "run/split.parquet"),
        "show run",
        "no splitgen metadata",
    ),
    Case("metadata that are no JSON", write_note(b"{"), "show run", "is no JSON"),
    Case("metadata that are a list", write_note(b"[1]"), "show run", "is no JSON object"),
    Case("metadata that are no text", write_note(b"\xff"), "show run", "is no JSON"),
    Case("deep metadata", write_note(nest(100_000).encode()), "show run", "nested"),
    Case(
        "deep settings in metadata",
        change_note("config", {"x": json.loads(nest(900))}),
        "show run --json",
        "nested",
    ),
    Case("NaN in metadata", change_note("alignment", float("nan")), "show run --json", "NaN"),
    Case("infinity in metadata", change_note("train_thresholds.0", float("inf")), "show run --json", "Infinity"),
    *(Case(f"show: {name}", change_rows(change), "show run", words) for name, change, words in ROWS),
    *(
        Case(f"show: {place} is {tell(value)}", change_note(place, value), "show run", words)
        for place, value, words in NOTES
    ),
]
# the same files before every other command that reads them, one case each
COMMANDS = (
    ("check run --predictions right.csv --fail-under 0.5", 3),
    ("verify run", 2),
    ("export run --to csv --out out.csv", 2),
    ("report run", 2),
    ("compare npz:digits.npz --split run --config quick.toml", 2),
)
CASES += [
    Case(f"{line.split()[0]}: {name}", recipe, line, words, code)
    for line, code in COMMANDS
    for name, recipe, words in (
        ("labels that are lists", change_rows(fill("label", [1])), "column 'label' has"),
        ("all train", change_rows(fill("split", "train")), "no row is in test"),
        ("no fingerprint", change_note("dataset.fingerprint", None), "'dataset.fingerprint'"),
        ("a verification of words", change_note("verification", "good"), "'verification'"),
    )
]
CASES += [
    Case(
        "verify: other data",
        change_note("dataset.fingerprint", "sha256:0"),
        "verify run --out out",
        "fingerprint sha256:0",
    ),
    Case(
        "verify: a group column that the split does not know",
        change_note("groups", {"column": "patient"}),
        "verify run --out out",
        "--group-column patient",
    ),
    Case(
        "compare: another target",
        nothing,
        "compare npz:digits.npz --split run --target 0 --config quick.toml --out out",
        "is of the target 'label'",
    ),
]
