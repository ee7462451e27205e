"""Exports that cannot be written."""

from __future__ import annotations

from bad_case import Case, both, change_note, change_rows, fill, nothing, put, write_lines

EXPORT = "export run --to {} --out out"
IDS = [str(row) for row in range(240)]
PART = [f"{row},{row % 2}" for row in range(240)]


def export(name: str, to: str, words: str, recipe=nothing) -> Case:
    return Case(name, recipe, EXPORT.format(to), words)


CASES = [
    export("an unknown consumer", "yaml", "unknown consumer"),
    export("a consumer without a name", "''", "unknown consumer"),
    export("a consumer of objects", "lightning", "takes a Python object and no file"),
    export("another consumer of objects", "fiftyone", "takes a Python object and no file"),
    export("links without images", "imagefolder", "it needs the images' files"),
    export("links to images that are not there", "imagefolder --images pictures", "is no file in 'pictures'"),
    export("links to images in no folder", "timm --images gone", "is no file in 'gone'"),
    export("environments without images", "domainbed", "it needs the images' files"),
    export("images for the hub that are not there", "huggingface --images pictures", "is no file in 'pictures'"),
    export(
        "an id that leaves the folder",
        "imagefolder --images pictures",
        "'../secret.png'",
        change_rows(put("id", 0, "../secret.png")),
    ),
    export(
        "an id from the root",
        "imagefolder --images pictures",
        "'/etc/passwd'",
        change_rows(put("id", 0, "/etc/passwd")),
    ),
    export("an id with a NUL", "imagefolder --images pictures", "id", change_rows(put("id", 0, "a\0b"))),
    export("an id of 5,000 characters", "imagefolder --images pictures", "id", change_rows(put("id", 0, "a" * 5000))),
    export("an id that no terminal should see", "csv", "control character", change_rows(put("id", 0, "\x1b[31m"))),
    export("a table without a column", "wilds --metadata right.csv", "go together"),
    export("a column without a table", "wilds --attribute-column a", "go together"),
    export("a table that is not there", "wilds --metadata gone.csv --attribute-column a", "cannot be read"),
    export(
        "a column that is not there",
        "wilds --metadata bad.csv --attribute-column b",
        "it has no column 'b'",
        write_lines("bad.csv", "id,a", *PART),
    ),
    export(
        "a table of other ids",
        "group-dro --metadata bad.csv --attribute-column a",
        "have no row",
        write_lines("bad.csv", "id,a", "x,1"),
    ),
    export(
        "an attribute that is empty",
        "subpopbench --metadata bad.csv --attribute-column a",
        "is empty for id",
        write_lines("bad.csv", "id,a", "0,", *PART[1:]),
    ),
    export(
        "a split of others without an attribute",
        "wilds",
        "an imported split has no task margins",
        both(change_rows(fill("margin", float("nan"))), change_note("way", "imported")),
    ),
    Case("an out file in a folder that is a file", nothing, "export run --to csv --out quick.toml/x.csv", "quick.toml"),
    Case("an out folder that is there", nothing, "export run --to huggingface --out run", "'run' is there already"),
    Case("an out file that is a folder", nothing, "export run --to csv --out pictures", "pictures"),
    Case("a run that is not there", nothing, "export gone --to csv --out out.csv", "cannot be read"),
    Case("contact sheets in a file", nothing, "show run --images quick.toml", "quick.toml"),
    Case(
        "contact sheets of other data",
        nothing,
        "show run --images sheets --dataset digits",
        "the split has 240 rows, the dataset 1797",
    ),
    Case("a report of other data", nothing, "report run --dataset digits", "the split has 240 rows, the dataset 1797"),
]
