"""Splits of others that cannot be imported."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bad_case import Case, Recipe, nest, nothing, write, write_arrays, write_lines

GOOD = {"index": 0, "split": "train"}
TEST = {"index": 1, "split": "test"}

TWO_DISKS = (
    struct.pack("<4sLQL", b"PK\6\7", 0, 0, 2) + b"PK\5\6" + bytes(18)
)  # zipfile refuses it where it looks for one


def line(file: str) -> str:
    return f"import {file} npz:digits.npz --out out.parquet"


def jsonl(name: str, words: str, *records: Any) -> Case:
    return Case(f"JSON Lines: {name}", write_lines("bad.jsonl", *records), line("bad.jsonl"), words)


def csv(name: str, words: str, *lines: str) -> Case:
    return Case(f"CSV: {name}", write_lines("bad.csv", *lines), line("bad.csv"), words)


def npz(name: str, words: str, **arrays: Any) -> Case:
    return Case(f"npz: {name}", write_arrays("bad.npz", **arrays), line("bad.npz"), words)


def pt(name: str, words: str, value: Any) -> Case:
    return Case(f"pt: {name}", lambda folder: torch.save(value(), folder / "bad.pt"), line("bad.pt"), words)


def members(**content: bytes) -> Recipe:
    def recipe(folder: Path) -> None:
        with zipfile.ZipFile(folder / "bad.npz", "w") as archive:
            for name, data in content.items():
                archive.writestr(f"{name}.npy", data)

    return recipe


def dump(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def flip(folder: Path) -> None:
    """A member's CRC is not that of its bytes."""
    np.savez(folder / "bad.npz", train=np.arange(5), test=np.arange(5, 9))
    data = bytearray((folder / "bad.npz").read_bytes())
    data[170] ^= 255
    (folder / "bad.npz").write_bytes(data)


def cut_tensors(folder: Path) -> None:
    torch.save((torch.arange(5), torch.arange(5, 9)), folder / "bad.pt")
    (folder / "bad.pt").write_bytes((folder / "bad.pt").read_bytes()[:-50])


def cut_older(folder: Path) -> None:
    """torch raises an error of struct."""
    torch.save((torch.arange(5), torch.arange(5, 9)), folder / "bad.pt", _use_new_zipfile_serialization=False)
    (folder / "bad.pt").write_bytes((folder / "bad.pt").read_bytes()[:18])


def hold_itself() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


A, B = torch.arange(5), torch.arange(5, 9)
CASES = [
    Case("no file", nothing, line("gone.csv"), "cannot be read"),
    Case("a folder", nothing, line("pictures --format csv"), "cannot be read"),
    Case("no suffix", nothing, line("pictures"), "unknown format ''"),
    Case("an unknown format", nothing, line("quick.toml --format yaml"), "unknown format 'yaml'"),
    Case(
        "an out file in no folder",
        write_lines("good.jsonl", GOOD, TEST),
        "import good.jsonl npz:digits.npz --out no/a.parquet",
        "there is no folder",
    ),
    Case(
        "an out file that is a folder",
        write_lines("good.jsonl", GOOD, TEST),
        "import good.jsonl npz:digits.npz --out pictures",
        "it is a folder",
    ),
    Case(
        "an unknown target",
        write_lines("good.jsonl", GOOD, TEST),
        "import good.jsonl npz:digits.npz --target 9 --out out.parquet",
        "target names class 9",
    ),
    jsonl("records that are numbers", "no JSON Lines file", 1, 2),
    jsonl("records that are text", "no JSON Lines file", '"a"'),
    jsonl("records that are nothing", "no JSON Lines file", None),
    jsonl("deep records", "no JSON Lines file", nest(100_000)),
    jsonl("deep values", "no JSON Lines file", '{"index": ' + nest(900) + ', "split": "train"}'),
    jsonl("an index that is a list", "column 'index' has [-1]", {"index": [-1], "id": "0", "split": "test"}),
    jsonl("no JSON", "no JSON Lines file", "train: 1"),
    jsonl("no part", "no column for the part", {"index": 0}),
    jsonl("no rows", "no column for the part"),
    jsonl("objects without keys", "no column for the part", {}, {}),
    jsonl("no index", "no column for the row", {"split": "train"}),
    jsonl("a truth for an index", "which is no row number", {**GOOD, "index": True}, TEST),
    jsonl("a fraction for an index", "has 1.5, which is no row number", {**GOOD, "index": 1.5}, TEST),
    jsonl("NaN for an index", "which is no row number", '{"index": NaN, "split": "train"}'),
    jsonl("infinity for an index", "no", '{"index": 1e999, "split": "train"}'),
    jsonl("a list for an index", "which is no row number", {**GOOD, "index": [0]}, TEST),
    jsonl("an object for an index", "which is no row number", {**GOOD, "index": {"a": 1}}, TEST),
    jsonl("a date for an index", "which is no row number", {**GOOD, "index": "2020-01-01"}, TEST),
    jsonl("nothing for an index", "which is no row number", {**GOOD, "index": None}, TEST),
    jsonl("an index below 0", "row -1 in train is out of range", {**GOOD, "index": -1}, TEST),
    jsonl("an index beyond the rows", "row 240 in train is out of range", {**GOOD, "index": 240}, TEST),
    jsonl("an index beyond 64 bits", "which is no row number", {**GOOD, "index": 2**64}, TEST),
    jsonl("an index of thousands of digits", "no JSON Lines file", '{"index": ' + "9" * 10_000 + ', "split": "train"}'),
    jsonl("a part that is a number beyond the codes", "unknown part '7'", {**GOOD, "split": 7}),
    jsonl("a part that is a list", "unknown part", {**GOOD, "split": ["train"]}),
    jsonl("a part that is an object", "unknown part", {**GOOD, "split": {"a": 1}}),
    jsonl("a part that is nothing", "unknown part ''", {**GOOD, "split": None}),
    jsonl("a row in two parts", "row 0 is in train and in test", GOOD, {**TEST, "index": 0}),
    jsonl("a row twice", "row 0 stands twice in train", GOOD, GOOD, TEST),
    jsonl("no test rows", "no row is in test", GOOD),
    jsonl("an id that is a list", "no id", {"id": ["0"], "split": "train"}),
    jsonl("an id that is an object", "no id", {"id": {"a": 1}, "split": "train"}),
    jsonl("an unknown id", "the dataset has no id 'x'", {"id": "x", "split": "train"}),
    jsonl(
        "an id of a line separator",
        "the dataset has no id",
        {"id": "0\u2028", "split": "train"},
        {"id": "x\u2028y", "split": "test"},
    ),
    jsonl(
        "an index and an id that disagree",
        "index 0 is '0', but stands beside the id '1'",
        {**GOOD, "id": "1"},
        {**TEST, "id": "1"},
    ),
    csv("nothing", "it is empty"),
    csv("no part", "no column for the part", "index,label", "0,1"),
    csv("no index", "no column for the row", "number,split", "0,train"),
    csv("an unknown part", "unknown part 'tset' in row 1", "index,split", "0,train", "1,tset"),
    csv("an empty part", "unknown part ''", "index,split", "0,"),
    csv("an index of words", "which is no row number", "index,split", "a,train", "1,test"),
    csv("an index of fractions", "which is no row number", "index,split", "0.5,train", "1,test"),
    csv("an empty index", "which is no row number", "index,split", ",train", "1,test"),
    csv("an index of truths", "which is no row number", "index,split", "True,train", "False,test"),
    csv("a row twice", "row 0 stands twice in train", "index,split", "0,train", "0,train", "1,test"),
    csv("no train rows", "no row is in train", "index,split", "0,test"),
    csv("an index and an id that disagree", "stands beside the id", "index,id,split", "0,1,train", "1,1,test"),
    csv("a separator that is none", "no column for the part", "index split", "0 train", "1 test"),
    csv("an open quote", "quotes", "index,split", '0,"train'),
    Case("CSV: bytes", write("bad.csv", b"\xff\xfe\x00"), line("bad.csv"), "UTF-16"),
    Case("CSV: a workbook", write("bad.csv", b"PK\x03\x04"), line("bad.csv"), "zip archive"),
    Case("npz: text", write("bad.npz", "hello"), line("bad.npz"), "no npz file of arrays"),
    Case("npz: a renamed npy", write("bad.npz", dump(np.arange(5))), line("bad.npz"), "no npz file of arrays"),
    Case("npz: a bad CRC", flip, line("bad.npz"), "no npz file of arrays"),
    Case(
        "npz: members that are no arrays",
        members(train=b"hello", test=b"hello"),
        line("bad.npz"),
        "no header of a plain array",
    ),
    Case(
        "npz: a member cut short",
        members(train=dump(np.arange(5))[:-3], test=dump(np.arange(5))),
        line("bad.npz"),
        "needs",
    ),
    Case(
        "npz: a header that runs on",
        members(train=dump(np.arange(5))[:8] + b"\xff\xff" + b"(" * 70_000, test=b""),
        line("bad.npz"),
        "no header of a plain array",
    ),
    Case("npz: no members", members(), line("bad.npz"), "no whole numbers under train and test, but nothing"),
    npz("fractions", "no whole numbers under train and test", train=np.array([0.5]), test=np.array([1.5])),
    npz("masks", "no whole numbers under train and test", train=np.ones(240, bool), test=np.zeros(240, bool)),
    npz("words", "no whole numbers under train and test", train=np.array(["a"]), test=np.array(["b"])),
    npz("objects", "holds Python objects", train=np.array([{}]), test=np.array([1])),
    npz("other names", "no whole numbers under train and test, but a, b", a=np.arange(3), b=np.arange(3)),
    npz("rows beyond the dataset", "row 240 in test is out of range", train=np.arange(5), test=np.array([240])),
    npz("rows below 0", "row -1 in test is out of range", train=np.arange(5), test=np.array([-1])),
    npz("rows beyond 64 bits", "is out of range", train=np.arange(5), test=np.array([2**63], np.uint64)),
    npz("more rows than the dataset", "train has 1000 rows", train=np.zeros(1000, int), test=np.arange(3)),
    npz("no rows", "no row is in train", train=np.arange(0), test=np.arange(3)),
    npz(
        "two names of one part",
        "name one part",
        train=np.arange(3),
        val=np.arange(3, 5),
        validation=np.arange(5, 7),
        test=np.arange(9, 12),
    ),
    npz(
        "test_fold of another length",
        "index has the shape (3,), test_fold (2,)",
        index=np.arange(3),
        test_fold=np.zeros(2, int),
    ),
    npz(
        "test_fold in two dimensions",
        "index has the shape (1, 3)",
        index=np.arange(3)[None],
        test_fold=np.zeros((1, 3), int),
    ),
    npz("a third fold", "test_fold has the fold 1", index=np.arange(3), test_fold=np.array([-1, 0, 1])),
    npz(
        "test_fold of words",
        "test_fold has 'a' in row 0, which is no fold",
        index=np.arange(3),
        test_fold=np.array(["a", "b", "c"]),
    ),
    npz(
        "test_fold of NaN",
        "test_fold has nan in row 0, which is no fold",
        index=np.arange(3),
        test_fold=np.full(3, np.nan),
    ),
    npz("an index of dates", "no whole numbers", index=np.arange(2).astype("M8[D]"), test_fold=np.array([-1, 0])),
    Case("pt: text", write("bad.pt", "hello"), line("bad.pt"), "no pair of index tensors"),
    Case("pt: nothing", write("bad.pt", ""), line("bad.pt"), "no pair of index tensors"),
    Case(
        "pt: a zip of something", write("bad.pt", b"PK\x05\x06" + bytes(18)), line("bad.pt"), "no pair of index tensors"
    ),
    Case("pt: cut short", cut_tensors, line("bad.pt"), ""),
    Case(
        "pt: a pickle that runs code", write("bad.pt", pickle.dumps(print)), line("bad.pt"), "no pair of index tensors"
    ),
    Case("pt: JSON", write("bad.pt", json.dumps([[1, 2]])), line("bad.pt"), "no pair of index tensors"),
    pt("a saved text", "no pair of index tensors", lambda: "train"),
    pt("a saved text in a list", "no pair of index tensors", lambda: {"a": ["train"]}),
    pt("a saved number", "no pair of index tensors", lambda: 3),
    pt("nothing saved", "no pair of index tensors", lambda: None),
    pt("an empty list", "no pair of index tensors", list),
    pt("an empty dictionary", "no pair of index tensors", dict),
    pt("a list that holds itself", "no pair of index tensors", hold_itself),
    pt("a tensor alone", "no pair of index tensors", lambda: A),
    pt("three tensors", "no pair of index tensors", lambda: (A, B, A)),
    pt("a tensor and a text", "no pair of index tensors", lambda: (A, "test")),
    pt("fractions", "no row number", lambda: (A + 0.5, B)),
    pt("masks", "no row number", lambda: (A > 2, B > 2)),
    pt("complex numbers", "no row number", lambda: (A * 1j, B)),
    pt("rows beyond the dataset", "row 240 in test is out of range", lambda: (A, torch.tensor([240]))),
    pt("rows in both", "row 0 is in train and in test", lambda: (A, A)),
    pt("a sparse tensor", "no pair of index tensors", lambda: (A.float().to_sparse(), B)),
    pt(
        "a tensor that repeats itself",
        "train has 1000000000 rows",
        lambda: (torch.zeros(1, dtype=torch.int64).expand(10**9), B),
    ),
    pt("half floats", "no pair of index tensors", lambda: (A.to(torch.bfloat16), B)),
    pt("tensors with a gradient", "no pair of index tensors", lambda: ((A + 0.5).requires_grad_(), B)),
]
# What fuzzing found.
CASES += [
    npz("test_fold of structures", "which is no fold", index=np.arange(3), test_fold=np.zeros(3, [("a", "i4")])),
    jsonl("a key of half a character", "no JSON Lines file", {**GOOD, "\ud800": 1}),
    Case("pt: an archive on two disks", write("bad.pt", TWO_DISKS), line("bad.pt"), "it is cut short or damaged"),
    Case("pt: an older format, cut within a number", cut_older, line("bad.pt"), "no pair of index tensors"),
]
