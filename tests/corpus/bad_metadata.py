"""Tables about the datapoints: metadata, groups, labellings."""

from __future__ import annotations

import datetime

import pyarrow as pa
from bad_case import Case, Recipe, contradict, nothing, spoil, write, write_lines, write_table

IDS = [str(row) for row in range(240)]
MAKE = "make npz:digits.npz --config quick.toml --out out"
GROUP = f"{MAKE} --metadata bad.csv --group-column patient"


def group(name: str, recipe: Recipe, words: str) -> Case:
    return Case(name, recipe, GROUP, words)


def rows(header: str, *others: str) -> Recipe:
    return write_lines("bad.csv", header, *others)


def full(line: str) -> list[str]:
    """A line for each id, {} being the id."""
    return [line.format(key) for key in IDS]


CASES = [
    Case("no file", nothing, f"{MAKE} --metadata gone.csv --group-column patient", "cannot be read"),
    Case("a folder", nothing, f"{MAKE} --metadata pictures --group-column patient", "cannot be read"),
    Case("a column without a table", nothing, f"{MAKE} --group-column patient", "metadata"),
    group("an empty file", write("bad.csv", ""), "it is empty"),
    group("no rows", rows("id,patient"), "have no row"),
    group("a zip archive", write("bad.csv", b"PK\x03\x04"), "zip archive"),
    group("UTF-16", write("bad.csv", "id,patient\n".encode("utf-16")), "UTF-16"),
    group("an old workbook", write("bad.csv", b"\xd0\xcf\x11\xe0"), "old Excel workbook"),
    group("gzip that is cut", write("bad.csv", b"\x1f\x8b\x08\x00"), "cut short or damaged"),
    group("latin-1", write("bad.csv", "id,patient\n0,é\n".encode("latin-1")), "no UTF-8 text"),
    group("a NUL", write("bad.csv", b"id,patient\n0,\0\n"), "NUL byte"),
    group("an open quote", rows("id,patient", '0,"a', *full("{},a")), "quotes"),
    group("a field larger than csv takes", rows("id,patient", "0," + "a" * 200_000), "line"),
    group("a long line", rows("id,patient", "0,a,b,c"), "line 2 has 4 fields"),
    group("two columns of one name", rows("id,patient,patient", *full("{},a,b")), "two columns are named 'patient'"),
    group("no header", rows("0,a", *full("{},a")[1:]), "no header"),
    group("no ids", rows("name,patient", *full("x{},a")), "it has no column 'id'"),
    group("no such column", rows("id,doctor", *full("{},a")), "it has no column 'patient'"),
    group("an id less", rows("id,patient", *full("{},a")[1:]), "1 datapoints have no row (first: id '0')"),
    group("an id twice", rows("id,patient", "0,b", *full("{},a")), "stands twice"),
    group("an empty id", rows("id,patient", ",b", *full("{},a")), "is empty in row 0"),
    group("a patient less", rows("id,patient", "0,", *full("{},a")[1:]), "column 'patient' is empty for id '0'"),
    group("one patient", rows("id,patient", *full("{},a")), "groups"),
    group(
        "three patients",
        rows("id,patient", *(f"{k},{int(k) % 3}" for k in IDS)),
        "there are 3 groups, train and test need 2 each",
    ),
    group(
        "an index that contradicts the ids",
        rows("id,index,patient", *(f"{k},{239 - int(k)},{k}" for k in IDS)),
        "stands beside the id",
    ),
    group("ids of other data", rows("id,patient", *full("scan{}.png,a")), "have no row"),
    group("another separator within names", rows("id patient", *full("{} a")), "no column 'id'"),
    Case(
        "parquet that is text",
        write("bad.parquet", "hello"),
        f"{MAKE} --metadata bad.parquet --group-column a",
        "not a Parquet file",
    ),
    Case(
        "parquet whose footer contradicts itself",
        spoil(write_table("bad.parquet", id=IDS, a=IDS), contradict("bad.parquet")),
        f"{MAKE} --metadata bad.parquet --group-column a",
        "cannot be read (Definition",
    ),
    Case(
        "ids that are lists",
        write_table("bad.parquet", id=[[key] for key in IDS], a=IDS),
        f"{MAKE} --metadata bad.parquet --group-column a",
        "no column 'id'",
    ),
    Case(
        "ids that are dates",
        write_table("bad.parquet", id=[datetime.date(2020, 1, 1)] * 240, a=IDS),
        f"{MAKE} --metadata bad.parquet --group-column a",
        "have no row",
    ),
    Case(
        "patients that are structures",
        write_table("bad.parquet", id=IDS, a=[{"x": 1}] * 240),
        f"{MAKE} --metadata bad.parquet --group-column a",
        "no column 'a'",
    ),
    Case(
        "dates that no calendar has",
        write_table("bad.parquet", id=IDS, a=pa.array([2**62] * 240, pa.timestamp("us"))),
        f"{MAKE} --metadata bad.parquet --group-column a",
        "there are 1 groups",
    ),
    Case(
        "bytes for ids",
        write_table("bad.parquet", id=[b"\xff"] * 240, a=IDS),
        f"{MAKE} --metadata bad.parquet --group-column a",
        "no column 'id'",
    ),
    Case("labels of one value", rows("id,mine", *full("{},a")), f"{MAKE} --labels bad.csv", "1 different values"),
    Case(
        "labels of three words",
        rows("id,mine", *(f"{k},{'abc'[int(k) % 3]}" for k in IDS)),
        f"{MAKE} --labels bad.csv",
        "3 different values",
    ),
    Case(
        "labels beyond float32",
        rows("id,mine", *(f"{k},{k}e+200" for k in IDS)),
        f"{MAKE} --labels bad.csv",
        "infinite or beyond",
    ),
    Case(
        "labels that are missing",
        rows("id,mine", *(f"{k}," for k in IDS)),
        f"{MAKE} --labels bad.csv",
        "is empty for id '0'",
    ),
    Case("labels without a column", rows("id", *IDS), f"{MAKE} --labels bad.csv", "it has no column beside id"),
    Case("given tasks without a table", nothing, f"{MAKE} --tasks-from given", "--labels"),
    Case("an unknown way to tasks", nothing, f"{MAKE} --tasks-from nowhere", "nowhere"),
    Case(
        "labels for agreement",
        rows("id,mine", *full("{},a")),
        "agreement npz:digits.npz --labels bad.csv --out out",
        "mine",
    ),
    Case(
        "a report with a table of others",
        rows("id,mine", *full("x{},a")),
        "report run --metadata bad.csv",
        "have no row",
    ),
]
