"""Run folders: tasks files, run.json and weights that no run wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from bad_case import (
    DROP,
    Case,
    Recipe,
    change_json,
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
from safetensors.torch import save_file

TASKS, WEIGHTS = "run/tasks.parquet", "run/checkpoint/encoder.safetensors"
SPLIT_AGAIN = "split run --out again"


def leave_unfinished(marker: str) -> Recipe:
    """A folder `half` of a run that was killed. marker: what stands in its states/run.json."""

    def leave(folder: Path) -> None:
        (folder / "half/states").mkdir(parents=True)
        (folder / "half/states/run.json").write_text(marker)

    return leave


def save_weights(change):
    def recipe(folder: Path) -> None:
        save_file(change(), folder / WEIGHTS)

    return recipe


TASK_ROWS = [
    ("no index", lambda frame: frame.drop(columns="index"), "no rows of index and tasks"),
    ("no tasks", lambda frame: frame[["index"]], "no rows of index and tasks"),
    ("no rows", lambda frame: frame.iloc[:0], "no rows of index and tasks"),
    ("an index of dates", fill("index", np.datetime64("2020-01-01")), "its index has"),
    ("an index of lists", fill("index", [1]), "its index has"),
    ("an index of fractions", lambda frame: frame.assign(index=frame["index"] + 0.5), "its index has 0.5 in row 0"),
    ("rows in another order", lambda frame: frame.iloc[::-1], "row 0 has the index 239"),
    ("a row twice", put("index", 3, 2), "row 3 has the index 2"),
    ("fewer rows than the dataset", lambda frame: frame.iloc[:100], "it has 100 rows, the dataset 240"),
    ("margins of words", fill("task_0", "high"), "column 'task_0' has values that are no numbers"),
    ("margins of lists", fill("task_0", [0.5]), "column 'task_0' has values that are no numbers"),
    ("margins of bytes", fill("task_0", b"x"), "column 'task_0' has values that are no numbers"),
    ("margins of truths", fill("task_0", True), "column 'task_0' has values that are no numbers"),
    ("NaN margins", put("task_0", 3, np.nan), "column 'task_0' has values that are no numbers"),
    (
        "margins of NaN that signals",
        lambda f: f.assign(task_0=np.full(240, 0x7F800001, np.uint32).view("f4")),
        "no numbers",
    ),
    ("infinite margins", put("task_0", 3, -np.inf), "column 'task_0' has values that are no numbers"),
    (
        "margins beyond float32",
        lambda f: f.assign(task_0=f["task_0"].astype("f8") * 1e300),
        "column 'task_0' has values",
    ),
]
TASK_NOTES = [
    ("tasks_schema_version", 3, "no tasks of schema version 1"),
    ("tasks_schema_version", True, "'tasks_schema_version' should be a valid integer, but is True"),
    ("meta_steps", "many", "'meta_steps'"),
    ("agreement", 3, "'agreement'"),
    ("agreement", [3], "'agreement.0'"),
    ("agreement.0.task", 3, "'agreement.0.task'"),
    ("dataset", 3, "'dataset'"),
    ("dataset", DROP, "its dataset has the fingerprint None"),
    ("dataset.fingerprint", "sha256:0", "fingerprint"),
    ("config", [1], "'config'"),
    ("config.discovery", 3, "discovery"),
    ("config.training.epochs", "many", "training.epochs"),
    ("config.search.rows", "all", "search.rows"),
    ("config.seed", 1e300, "seed"),
    ("way", 3, "'way'"),
    ("task_similarity", "none", "'task_similarity'"),
    ("task_similarity", [["a"]], "'task_similarity.0.0'"),
]
RECORDS = [
    ("agreement", 3, "show run", "'agreement'"),
    ("agreement", [1], "show run", "'agreement.0'"),
    ("agreement.0.kappa", "none", "show run", "'agreement.0.kappa'"),
    ("agreement.0.class_balance", 0.5, "show run", "'agreement.0.class_balance'"),
    ("explanations", {"a": 1}, "show run", "'explanations'"),
    ("explanations", ["a"], "show run", "'explanations.0'"),
    ("explanations.0.sentences", "abc", "show run", "'explanations.0.sentences'"),
    ("explanations.0.sentences", [1], "show run", "'explanations.0.sentences.0'"),
    ("transfer", [{}], "show run", "'transfer.0"),
    ("transfer", "good", "show run", "'transfer'"),
    ("comparison", [3], "show run", "'comparison.0'"),
    ("comparison", [{"splitter": 3}], "show run", "'comparison.0"),
    ("config", [1], "show run --images sheets", "'config'"),
    ("config.data", "digits", "show run --images sheets", "data"),
    ("config.data.dataset", 3, "show run --images sheets", "dataset"),
    ("config.data.image_size", "large", "show run --images sheets", "image_size"),
    ("config.data.image_size", [8], "report run", "image_size"),
    ("discovery", [], "report run", "'discovery'"),
    ("discovery.history", [1, 2], "report run", "'discovery.history.0'"),
    ("discovery.history.0.divergence", "low", "report run", "'discovery.history.0.divergence'"),
    ("refinement", 3, "report run", "'refinement'"),
    ("refinement", [{}], "report run", "'refinement.0.history'"),
    ("refinement.0.history", [3, 3], "report run", "'refinement.0.history.0'"),
    ("refinement_steps", "many", "report run", "'refinement_steps'"),
    ("confusion", [], "report run", "'confusion'"),
    ("confusion", {"test": 3}, "report run", "confusion"),
    ("confusion.test", [[1, 2], [3]], "report run", "confusion"),
    ("confusion.test", [["a"]], "report run", "confusion"),
    ("confusion.test", [[1]], "report run", "confusion"),
    ("confusion.test", {"shape": [3, 3]}, "report run", "confusion"),
    ("confusion.random", DROP, "report run", "confusion"),
    ("environment", 3, "report run", "'environment'"),
    ("environment.threads", "all", "make --replay run --out again", "'environment.threads'"),
    ("seconds", [1], "report run", "'seconds'"),
    ("command_line", 3, "report run", "'command_line'"),
    ("command_line", [1, 2], "report run", "'command_line.0'"),
    ("command", 3, "report run", "'command'"),
    ("command", "split", "make --replay run --out again", "it is a run of 'split'"),
    ("chosen", 3, "make --replay run --out again", "'chosen'"),
    ("chosen", {"discovery": 3}, "make --replay run --out again", "discovery"),
    ("chosen", {"discovery": {"meta_steps": "many"}}, "make --replay run --out again", "meta_steps"),
    ("way", 3, "make --replay run --out again", "'way'"),
    ("way", "nowhere", "make --replay run --out again", "nowhere"),
    ("config.seed", "x", "make --replay run --out again", "seed"),
    ("tasks", 3, "report run", "'tasks'"),
    ("dataset", "digits", "report run", "'dataset'"),
    ("dataset.fingerprint", 3, "report run", "'dataset.fingerprint'"),
    ("dataset.fingerprint", "sha256:0", "report run", "fingerprint"),
    ("rows_hash", 3, "report run", "'rows_hash'"),
]


def tell(value: object) -> str:
    return "nothing" if value is DROP else repr(value)


CASES = [
    Case("no run", nothing, "split gone", "tasks file 'gone': cannot be read"),
    Case("a file for a run", nothing, "split quick.toml", "not a Parquet file"),
    Case("a folder of something else", nothing, "report pictures", "it holds no run"),
    Case("a folder without tasks", delete(TASKS), SPLIT_AGAIN, "cannot be read"),
    Case("tasks that are text", write(TASKS, "hello"), SPLIT_AGAIN, "not a Parquet file"),
    Case("tasks that are cut", cut(TASKS), SPLIT_AGAIN, "not a Parquet file"),
    Case("tasks whose footer contradicts itself", contradict(TASKS), SPLIT_AGAIN, "cannot be read (Definition"),
    Case("tasks of more rows in a part than in all", claim_rows(TASKS), SPLIT_AGAIN, "in its parts"),
    Case("another table for tasks", write_table(TASKS, a=[1]), SPLIT_AGAIN, "no tasks of schema version 1"),
    Case("an index file for tasks", nothing, "split run/split.parquet --out again", "no tasks of schema version 1"),
    Case("tasks with deep metadata", write_note(nest(100_000).encode(), TASKS), SPLIT_AGAIN, "nested"),
    Case("tasks with metadata of a list", write_note(b"[]", TASKS), SPLIT_AGAIN, "no JSON object"),
    *(Case(f"tasks: {name}", change_rows(change, TASKS), SPLIT_AGAIN, words) for name, change, words in TASK_ROWS),
    *(
        Case(f"tasks: {place} is {tell(value)}", change_note(place, value, TASKS), SPLIT_AGAIN, words)
        for place, value, words in TASK_NOTES
    ),
    Case(
        "tasks for agreement",
        change_rows(fill("task_0", "x"), TASKS),
        "agreement npz:digits.npz --tasks run --out a",
        "no numbers",
    ),
    Case(
        "agreement of other data",
        change_note("dataset.fingerprint", "x", TASKS),
        "agreement npz:digits.npz --tasks run --out a",
        "fingerprint",
    ),
    Case("weights that are text", write(WEIGHTS, "hello"), SPLIT_AGAIN, "it cannot be read"),
    Case("weights that are cut", cut(WEIGHTS), SPLIT_AGAIN, "it cannot be read"),
    Case("an empty file of weights", write(WEIGHTS, ""), SPLIT_AGAIN, "it cannot be read"),
    Case("weights with a header without end", write(WEIGHTS, b"\xff" * 8 + b"{}"), SPLIT_AGAIN, "it cannot be read"),
    Case(
        "weights that are a folder",
        lambda f: ((f / WEIGHTS).unlink(), (f / WEIGHTS).mkdir()),
        SPLIT_AGAIN,
        "it cannot be read",
    ),
    Case("weights of another network", save_weights(lambda: {"a": torch.zeros(3)}), SPLIT_AGAIN, "encoder"),
    Case("no weights in the file", save_weights(dict), SPLIT_AGAIN, "encoder"),
    Case("run.json that is text", write("run/run.json", "hello"), "show run", "its run.json is no JSON"),
    Case("an empty run.json", write("run/run.json", ""), "show run", "its run.json is no JSON"),
    Case("run.json that is cut", cut("run/run.json"), "show run", "its run.json is no JSON"),
    Case("run.json that is a list", write("run/run.json", "[1]"), "show run", "it should be a JSON object"),
    Case("run.json that is a number", write("run/run.json", "3"), "show run", "it should be a JSON object"),
    Case("run.json that is no text", write("run/run.json", b"\xff\xfe"), "show run", "no UTF-8 text"),
    Case("a deep run.json", write("run/run.json", nest(100_000)), "show run", "nested"),
    Case(
        "a run.json of 900 lists", write("run/run.json", '{"config": {"x": ' + nest(900) + "}}"), "report run", "nested"
    ),
    Case(
        "a number of thousands of digits",
        write("run/run.json", '{"seed": ' + "9" * 10_000 + "}"),
        "show run",
        "4300 digits",
    ),
    Case("run.json with NaN", change_json("agreement.0.kappa", float("nan")), "show run", "NaN"),
    Case(
        "run.json with infinity",
        write("run/run.json", '{"seconds": {"a": 1e999}}'),
        "report run",
        "1e999 for a number is too large",
    ),
    Case(
        "run.json that is a folder",
        lambda f: ((f / "run/run.json").unlink(), (f / "run/run.json").mkdir()),
        "show run",
        "its run.json cannot be read",
    ),
    Case("replay of no run", nothing, "make --replay pictures --out again", "there is no run.json in it"),
    Case("replay with other settings", nothing, "make --replay run --seed 3 --out again", "leave out --seed"),
    *(
        Case(f"{line.split()[0]}: run.json, {place} is {tell(value)}", change_json(place, value), line, words)
        for place, value, line, words in RECORDS
    ),
    Case("a folder beside the report that is none", nothing, "report run pictures", "it holds no run"),
    Case(
        "an out folder that holds a run",
        nothing,
        "make npz:digits.npz --out run",
        "it holds another run, which is whole",
    ),
    Case(
        "an unfinished run",
        leave_unfinished('{"command": "make", "arguments": {}, "command_line": ["splitgen", "make", "a b"]}'),
        "show half",
        "its run of 'make' is not finished; go on with it by splitgen make 'a b'",
    ),
    Case(
        "an out folder with an unfinished run of another command",
        leave_unfinished('{"command": "verify", "arguments": {}, "command_line": []}'),
        "make npz:digits.npz --out half",
        "other arguments ('verify' there, 'make' here); go on with it by the same call, or give another --out",
    ),
    *(
        Case(
            f"an out folder whose marker is {content or 'empty'}",
            leave_unfinished(content),
            "make npz:digits.npz --out half",
            words,
        )
        for content, words in (
            ("", "its states/run.json cannot be read"),
            ('{"command": "make"}', "its states/run.json is not one of splitgen"),
            ("[" * 5000, "its states/run.json cannot be read"),
        )
    ),
    Case("nothing to resume", nothing, "make npz:digits.npz --resume", "it holds no unfinished run of these arguments"),
    Case("an out folder that is a file", nothing, "make npz:digits.npz --out quick.toml", "'quick.toml' is no folder"),
    Case("an out folder below a file", nothing, "make npz:digits.npz --out quick.toml/run", "quick.toml' is no folder"),
    Case("a report in no folder", nothing, "report run --out no/report.html", "there is no folder"),
    Case("a report that is a folder", nothing, "report run --out pictures", "it is a folder"),
]
