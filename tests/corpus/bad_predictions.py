"""Predictions, and thresholds that they are judged by. What keeps them from being judged is exit code 3."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from bad_case import Case, contradict, nothing, spoil, write, write_lines, write_table

ROWS = list(range(240))
CHECK = "check run --predictions {} --fail-under 0.5"


def table(name: str, words: str, **columns: Any) -> Case:
    return Case(name, write_table("bad.parquet", **columns), CHECK.format("bad.parquet"), words, 3)


def csv(name: str, words: str, *lines: str) -> Case:
    return Case(name, write_lines("bad.csv", *lines), CHECK.format("bad.csv"), words, 3)


def control(name: str, words: str, *lines: str) -> Case:
    line = "check run --predictions right.csv --control-predictions bad.csv --max-drop 0.5"
    return Case(name, write_lines("bad.csv", *lines), line, words, 3)


NOWHERE = pa.array([0], pa.timestamp("ns", "Nowhere/City"))
CASES = [
    table("a time zone that is none", "its columns cannot be read", index=NOWHERE, prediction=[0]),
    Case("no file", nothing, CHECK.format("gone.csv"), "cannot be read", 3),
    Case("a folder", nothing, CHECK.format("pictures"), "cannot be read", 3),
    Case("an npz", nothing, CHECK.format("digits.npz"), "zip archive", 3),
    Case("parquet that is text", write("bad.parquet", "hello"), CHECK.format("bad.parquet"), "not a Parquet file", 3),
    Case(
        "parquet whose footer contradicts itself",
        spoil(write_table("bad.parquet", index=ROWS, prediction=ROWS), contradict("bad.parquet")),
        CHECK.format("bad.parquet"),
        "cannot be read (Definition",
        3,
    ),
    Case("text without columns", write("bad.csv", "hello"), CHECK.format("bad.csv"), "its columns are hello", 3),
    csv("nothing", "it is empty"),
    csv("no rows", "it has no rows", "index,prediction"),
    csv("no predictions", "its columns are index, label", "index,label", "0,0"),
    csv("no index", "it has no column 'id'", "number,prediction", "0,0"),
    csv("a space for a separator", "its columns are", "index prediction", "0 0"),
    csv("an index of fractions", "index 0.5 is no row number", "index,prediction", "0.5,0"),
    csv("an index of truths", "index True is no row number", "index,prediction", "True,0", "False,1"),
    csv("an index of words", "is no row number", "index,prediction", "a,0"),
    csv("an index of dates", "is no row number", "index,prediction", "2020-01-01,0"),
    csv("an empty index", "is no row number", "index,prediction", ",0", "1,0"),
    csv("an index beyond the rows", "the split has no row 240", "index,prediction", "240,0"),
    csv("an index below 0", "the split has no row -1", "index,prediction", "-1,0"),
    csv("an index beyond 64 bits", "is no row number", "index,prediction", f"{2**70},0"),
    csv("an unknown id", "the split has no id 'x'", "id,prediction", "x,0"),
    csv("an empty id", "is empty in row 0", "id,prediction", ",0"),
    csv("a row twice", "row 0 stands twice", "index,prediction", "0,0", "0,1"),
    csv("an index and an id that disagree", "stands beside the id", "index,id,prediction", "0,1,0"),
    csv("a class that is none", "prediction 3 is no class", "index,prediction", "0,3"),
    csv("a class below 0", "prediction -1 is no class", "index,prediction", "0,-1"),
    csv("a class of words", "no class numbers", "index,prediction", "0,cat"),
    csv("probabilities", "no class numbers", "index,prediction", "0,0.25"),
    csv("an empty prediction", "no class numbers", "index,prediction", "0,", "1,1"),
    csv("truths for three classes", "no class numbers", "index,prediction", "0,True", "1,False"),
    csv("rows of test that have none", "test rows have no prediction", "index,prediction", "0,0"),
    table("an index of dates in Parquet", "is no row number", index=[datetime.date(2020, 1, 1)], prediction=[0]),
    table("an index of truths in Parquet", "index True is no row number", index=[True], prediction=[0]),
    table("an index of lists", "it has no column 'id'", index=[[0]], prediction=[0]),
    table("lists of scores", "its columns are index", index=ROWS, prediction=[[0.1, 0.9]] * 240),
    table("NaN predictions", "no class numbers", index=ROWS, prediction=[float("nan")] * 240),
    table("infinite predictions", "no class numbers", index=ROWS, prediction=[float("inf")] * 240),
    table("dates for predictions", "no class numbers", index=ROWS, prediction=[datetime.date(2020, 1, 1)] * 240),
    table("nothing for predictions", "no class numbers", index=ROWS, prediction=[None] * 240),
    table("bytes for predictions", "no class numbers", index=ROWS, prediction=[b"0"] * 240),
    table("predictions beyond 64 bits", "is no class", index=ROWS, prediction=np.full(240, 2**63, np.uint64)),
    table(
        "no rows, and an index of dates",
        "it has no rows",
        index=pa.array([], pa.timestamp("us")),
        prediction=pa.array([], pa.int64()),
    ),
    control("a control of no class", "is no class", "index,prediction", "0,9"),
    control("a control of too few rows", "test rows have no prediction", "index,prediction", "0,0"),
    control("a control that is empty", "it is empty"),
    Case("no threshold", nothing, "check run --predictions right.csv", "no threshold given"),
    Case("no split", nothing, "check --predictions right.csv --fail-under 0.5", "no split given"),
    Case("a threshold in percent", nothing, "check run --predictions right.csv --fail-under 60", "must be a fraction"),
    Case("a threshold below 0", nothing, "check run --predictions right.csv --max-drop=-0.1", "must be a fraction"),
    Case("a threshold of NaN", nothing, "check run --predictions right.csv --fail-under nan", "must be a fraction"),
    Case("an infinite threshold", nothing, "check run --predictions right.csv --max-gap inf", "must be a fraction"),
    Case(
        "a control alone",
        nothing,
        "check run --control-predictions right.csv --fail-under 0.5",
        "go with --predictions",
    ),
    Case(
        "predictions for two splits",
        nothing,
        "check run run --predictions right.csv --fail-under 0.5",
        "are of one model on one split",
    ),
    Case(
        "a drop without a control",
        nothing,
        "check run --predictions right.csv --max-drop 0.5",
        "it needs --control-predictions",
        3,
    ),
    Case(
        "an output in no folder",
        nothing,
        "check run --predictions right.csv --fail-under 0.5 --junit no/x.xml",
        "there is no folder",
    ),
]
