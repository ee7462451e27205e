"""Manifests of paths and labels, CSV and JSON Lines, as people and spreadsheets write them."""

from __future__ import annotations

import json
import os
import re
import unicodedata

import pytest
from encoded_digits import CONTENTS, IMAGES, LABELS, NAMES, PATHS, contents, refuse, texts, write_files

from splitgen import DataConfig
from splitgen.data.sources.csv import list_csv
from splitgen.data.sources.jsonl import list_jsonl

SOURCES = {"csv": list_csv, "tsv": list_csv, "jsonl": list_jsonl}
WORDS = texts(LABELS)
NUMBERS = ("0", "1", "2", "3")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("photos"), IMAGES)


def write(root, name, content):
    path = root / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def listed(path, **settings):
    return SOURCES[path.suffix.lower()[1:]](str(path), DataConfig(**settings))


def refused(path, **settings):
    return refuse(SOURCES[path.suffix.lower()[1:]], path, **settings)


def join(rows, header="path,label", separator=",", end="\n"):
    return end.join([header, *(separator.join(map(str, row)) for row in rows)]) + end


def join_json(rows, names=("path", "label"), end="\n"):
    return end.join(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows) + end


PAIRS = list(zip(PATHS, WORDS, strict=True))
COUNTED = list(zip(PATHS, LABELS, strict=True))
SHIFTED = [(path, c + 7) for path, c in COUNTED]

# what is written, and the class names that it means; paths and labels are those of the 60 images throughout
GOOD = {
    "comma.csv": (join(PAIRS), NAMES),
    "semicolon.csv": (join(PAIRS, "path;label", ";"), NAMES),
    "tab.csv": (join(PAIRS, "path\tlabel", "\t"), NAMES),
    "bar.csv": (join(PAIRS, "path|label", "|"), NAMES),
    "tab.tsv": (join(PAIRS, "path\tlabel", "\t"), NAMES),
    "commas in a tab header.tsv": (join([(*pair, 1) for pair in PAIRS], "path\tlabel\ta,b,c,d", "\t"), NAMES),
    "upper case.CSV": (join(PAIRS), NAMES),
    "excel.csv": ("sep=;\n" + join(PAIRS, "path;label", ";"), NAMES),
    "bom.csv": (b"\xef\xbb\xbf" + join(PAIRS).encode(), NAMES),
    "utf16.csv": (join(PAIRS).encode("utf-16"), NAMES),
    "crlf.csv": (join(PAIRS, end="\r\n"), NAMES),
    "cr.csv": (join(PAIRS, end="\r"), NAMES),
    "empty lines.csv": ("\n" + join(PAIRS, end="\n\n") + "\n,\n , \n", NAMES),
    "no newline at the end.csv": (join(PAIRS).rstrip("\n"), NAMES),
    "quoted.csv": (join([(f'"{path}"', f'"{word}"') for path, word in PAIRS], '"path","label"'), NAMES),
    "blanks around.csv": (join([(f" {path} ", f" {word}") for path, word in PAIRS], "path , label"), NAMES),
    "blanks before quotes.csv": (join([(path, f' "{word}"') for path, word in PAIRS]), NAMES),
    "numbers.csv": (join(COUNTED), NUMBERS),
    "numbers with zeros.csv": (join([(path, f"0{c}") for path, c in COUNTED]), ("00", "01", "02", "03")),
    "numbers from seven.csv": (join(SHIFTED), ("10", "7", "8", "9")),
    "floats.csv": (join([(path, f"{c}.0") for path, c in COUNTED]), ("0.0", "1.0", "2.0", "3.0")),
    "seven in three ways.csv": (
        join([(path, ("007", "07", "1E5", "7")[c]) for path, c in COUNTED]),
        ("007", "07", "1E5", "7"),
    ),
    "not a value.csv": (
        join([(p, ("NA", "None", "nan", "null")[c]) for p, c in COUNTED]),
        ("NA", "None", "nan", "null"),
    ),
    "commas in labels.csv": (
        join([(path, f'"{word}, {word}"') for path, word in PAIRS]),
        tuple(f"{name}, {name}" for name in NAMES),
    ),
    "a newline in a label.csv": (
        join([(path, f'"{word}\n!"') for path, word in PAIRS]),
        tuple(f"{name}\n!" for name in NAMES),
    ),
    "letters of others.csv": (join([(path, f"é{word}") for path, word in PAIRS]), tuple(f"é{name}" for name in NAMES)),
    "file_name and class.csv": (join(PAIRS, "file_name,class"), NAMES),
    "names in other letters.csv": (join(PAIRS, "File Name,Class-Label"), NAMES),
    "an index without a name.csv": (join([(i, *pair) for i, pair in enumerate(PAIRS)], ",path,label"), NAMES),
    "an empty column at the end.csv": (join([(*pair, "") for pair in PAIRS], "path,label,"), NAMES),
    "a comma too many.csv": (join([(*pair, "") for pair in PAIRS]), NAMES),
    "more columns.csv": (join([("x", *pair, 3) for pair in PAIRS], "note,path,label,age"), NAMES),
    "dots and slashes.csv": (join([(f"./{path.replace('/', '//')}", word) for path, word in PAIRS]), NAMES),
    "backslashes.csv": (join([(path.replace("/", "\\"), word) for path, word in PAIRS]), NAMES),
    "plain.jsonl": (join_json(PAIRS), NAMES),
    "numbers.jsonl": (join_json(COUNTED), NUMBERS),
    "text numbers.jsonl": (join_json([(path, str(c)) for path, c in COUNTED]), NUMBERS),
    "whole floats.jsonl": (join_json([(path, float(c)) for path, c in COUNTED]), NUMBERS),
    "from seven.jsonl": (join_json(SHIFTED), ("10", "7", "8", "9")),
    "bom.jsonl": (b"\xef\xbb\xbf" + join_json(PAIRS).encode(), NAMES),
    "crlf.jsonl": (join_json(PAIRS, end="\r\n"), NAMES),
    "empty lines.jsonl": ("\n" + join_json(PAIRS, end="\n\n  \n"), NAMES),
    "line separators in text.jsonl": (
        join_json([(path, f"{word}\u2028\x85") for path, word in PAIRS]),
        tuple(f"{name}\u2028\x85" for name in NAMES),
    ),
    "file_name and class.jsonl": (join_json(PAIRS, ("file_name", "class")), NAMES),
    "other keys.jsonl": (join_json([(*pair, {"a": []}) for pair in PAIRS], ("image", "label", "boxes")), NAMES),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_manifest_gives_the_images_and_classes_that_it_names(name, root):
    content, names = GOOD[name]
    found = listed(write(root, name, content))
    assert contents(found) == CONTENTS
    assert found.class_names == names
    shifted = [("7", "8", "9", "10")[c] for c in LABELS]  # whose order as text is another
    meant = shifted if "10" in names else [names[c] for c in LABELS]
    assert [names[c] for c in found.labels] == meant
    if not name.startswith("backslashes"):
        assert found.ids == tuple(PATHS)
    assert found.source == f"{'jsonl' if name.endswith('jsonl') else 'csv'}:{name}"


REST = join(PAIRS[1:]).partition("\n")[2]
REST_JSON = join_json(PAIRS[1:])
BAD = {
    "empty.csv": ("", "it is empty; give a header and a line for each image"),
    "blank.csv": ("\n\n", "it is empty"),
    "header only.csv": ("path,label\n", "it has no rows"),
    "no header.csv": (
        join(PAIRS[1:], ",".join(PAIRS[0])),
        "it has no header: its first line names an image; put path,lab",
    ),
    "one column.csv": (join([(path,) for path in PATHS], "path"), "its header 'path' is one column; separate path and"),
    "blanks between.csv": (join(PAIRS, "path label", " "), "its header 'path label' is one column"),
    "a name twice.csv": (join([(*pair, 1) for pair in PAIRS], "path,label,label"), "its header has 'label' twice"),
    "no label.csv": (
        join(PAIRS, "path,kind"),
        "no column has a usual name of labels .*; give --label-column; .*: path, kind",
    ),
    "no image.csv": (join(PAIRS, "x,label"), "no column has a usual name of images .*; give --image-column; .*: x"),
    "two labels.csv": (
        join([(*pair, 1) for pair in PAIRS], "path,label,class"),
        "2 columns may have the labels; give --label-column: label, class",
    ),
    "two images.csv": (
        join([(PATHS[0], *pair) for pair in PAIRS], "path,image,label"),
        "2 columns may have the images; give --image-column: path, image",
    ),
    "an empty label.csv": (f"path,label\n{PATHS[0]},\n{REST}", "line 2 has no label; repair"),
    "a blank label.csv": (f"path,label\n{REST}{PATHS[0]},  \n", "line 61 has no label"),
    "an empty path.csv": (f"path,label\n,one\n{REST}", "line 2 has no image"),
    "too many fields.csv": (
        f"path,label\n{PATHS[0]},one,two\n{REST}",
        "line 2 has 3 fields, the header 2; quote fields",
    ),
    "too few fields.csv": (f"path,label\n{PATHS[0]}\n{REST}", "line 2 has 1 fields, the header 2"),
    "an open quote.csv": (f'path,label\n{PATHS[0]},"one\n{REST}', "line 2 is no CSV .*; close every quote"),
    "behind a quote.csv": (f'path,label\n{PATHS[0]},"one"x\n{REST}', "line 2 is no CSV"),
    "a path twice.csv": (join([*PAIRS, PAIRS[3]]), f"line 5 and line 62 both name '{PATHS[3]}'; keep one row"),
    "a path twice but for dots.csv": (join([*PAIRS, (f"./{PATHS[3]}", "one")]), "line 5 and line 62 both name"),
    "nowhere.csv": (join([("x.png", "one"), *PAIRS]), r"line 2 names 'x.png', which is no file; repair"),
    "a folder.csv": (join([("nought", "one"), *PAIRS]), "line 2 names 'nought', which is no file"),
    "after a long label.csv": (join([(PATHS[0], '"a\nb"'), ("x.png", "one")]), "line 4 names 'x.png'"),
    "an address.csv": (join([("https://example.org/x.png", "one")]), "line 2 names 'https.*', but nothing is fetched"),
    "no text.csv": (b"path,label\n\xff\xfe\xfd,x\n", "line 2 is not UTF-8 text; save it as UTF-8"),
    "latin.csv": (join([(PATHS[0], "caf\xe9")]).encode("latin-1"), "line 2 is not UTF-8 text"),
    "a path with nothing.csv": (join([("x\0.png", "one")]), "line 2 names 'x\0.png', which is no file"),
    "empty.jsonl": ("", "it is empty; give one object a line, such as"),
    "an array.jsonl": (json.dumps([{"path": PATHS[0]}]), "line 1 is no JSON object; give one object a line"),
    "pretty.jsonl": (json.dumps({"path": PATHS[0]}, indent=1), "line 1 is no JSON object"),
    "a number.jsonl": (f"{REST_JSON}7\n", "line 60 is no JSON object"),
    "cut.jsonl": (f'{REST_JSON}{{"path": "x', r"line 60 is no JSON object \(Unterminated string"),
    "a key twice.jsonl": ('{"path": "a", "label": 1, "label": 2}', r"line 1 is no JSON object \(a key stands twice\)"),
    "deep.jsonl": ("[" * 100_000, "line 1 is no JSON object"),
    "null.jsonl": (join_json([(PATHS[0], None)]) + REST_JSON, "line 1 has no label"),
    "no key.jsonl": (json.dumps({"path": PATHS[0]}) + "\n" + REST_JSON, "line 1 has no label"),
    "empty text.jsonl": (join_json([(PATHS[0], "")]) + REST_JSON, "line 1 has no label"),
    "a list.jsonl": (
        join_json([(PATHS[0], [1])]) + REST_JSON,
        r"line 1 has \[1\] as 'label'; give text or whole numbers",
    ),
    "a fraction.jsonl": (join_json([(PATHS[0], 0.5)]) + REST_JSON, "line 1 has 0.5 as 'label'"),
    "NaN.jsonl": (join_json([(PATHS[0], float("nan"))]) + REST_JSON, "line 1 has NaN as 'label'"),
    "both.jsonl": (join_json([(PATHS[0], 1)]) + REST_JSON, "'label' is text in line 60, but not in line 1; write all"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_in_a_manifest_is_said_in_a_line(name, root):
    content, words = BAD[name]
    message = refused(write(root, name, content))
    assert message.startswith(f"dataset '{'jsonl' if name.endswith('jsonl') else 'csv'}:{name}': ")
    assert re.search(words, message), message


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_a_file_that_is_not_there_is_named_with_its_path(name, tmp_path):
    assert f":{tmp_path}/{name}': the file does not exist" in refused(tmp_path / name)
    (tmp_path / name).mkdir()
    assert "the file does not exist" in refused(tmp_path / name)


def test_columns_are_taken_by_name(root):
    rows = [(PATHS[row - 1], path, word, "x") for row, (path, word) in enumerate(PAIRS)]
    path = write(root, "columns.csv", join(rows, "path,scan,kind,label"))
    found = listed(path, image_column="scan", label_column="kind")
    assert (contents(found), found.class_names, found.ids) == (CONTENTS, NAMES, tuple(PATHS))
    assert "it has no column 'x' of images; columns that would do: path, scan, kind" in refused(path, image_column="x")
    assert "it has no column 'x' of labels" in refused(path, label_column="x")


def test_classes_that_are_named_by_other_numbers_are_echoed(root):
    found = listed(write(root, "seven.csv", join(SHIFTED)))
    assert found.notes == ("classes are named by numbers: '10' is class 0, '7' is class 1, '8' is class 2, ...",)
    assert listed(write(root, "numbers.csv", join(COUNTED))).notes == ()


def test_more_than_ten_numbers_are_classes_in_the_order_of_numbers(root):
    rows = [(path, row % 12) for row, path in enumerate(PATHS)]
    for name, content in (("twelve.csv", join(rows)), ("twelve.jsonl", join_json(rows))):
        found = listed(write(root, name, content))
        assert found.class_names == tuple(map(str, range(12)))
        assert found.labels.tolist() == [row % 12 for row in range(60)]


def test_rows_that_cannot_be_used_are_left_out_and_counted_on_demand(root):
    content = join([("x.png", "one"), *PAIRS[:30], ("y.png", ""), *PAIRS[30:]])
    found = listed(write(root, "skipped.csv", content), skip_unreadable=True)
    assert (contents(found), found.ids, found.class_names) == (CONTENTS, tuple(PATHS), NAMES)
    assert found.notes == ("2 rows left out (first: line 2 names 'x.png', which is no file)",)


@pytest.mark.parametrize("column", ["split", "Part"])
def test_a_column_tells_parts(column, root):
    part_of = [("training", "val", "test")[row % 3] for row in range(60)]
    rows = [(*pair, part) for pair, part in zip(PAIRS, part_of, strict=True)]
    path = write(root, "parts.csv", join(rows, f"path,label,{column}"))
    found = listed(path)
    assert (found.ids, found.own_test.ids) == (tuple(PATHS[0::3]), tuple(PATHS[2::3]))
    assert (contents(found), contents(found.own_test)) == (CONTENTS[0::3], CONTENTS[2::3])
    assert (found.labels.tolist(), found.own_test.labels.tolist()) == (LABELS[0::3], LABELS[2::3])
    assert found.notes == (
        f"part 'train' of the column '{column}' is opened",
        "part 'test' is the own test set (20 rows)",
        "parts that are there and not used: validation",
    )
    assert listed(path, part="valid").ids == tuple(PATHS[1::3])
    assert listed(path, part="test").own_test is None
    assert "it has no part 'x'; its parts are: test, train, validation" in refused(path, part="x")
    rows[4] = (*PAIRS[4], "")
    assert f"line 6 has nothing in the column '{column}'" in refused(
        write(root, "parts.csv", join(rows, f"path,label,{column}")), part="train"
    )


def test_parts_without_train_and_a_test_part_of_other_classes_are_refused(root):
    rows = [(*pair, ("val", "test")[row % 2]) for row, pair in enumerate(PAIRS)]
    path = write(root, "no-train.csv", join(rows, "path,label,split"))
    assert "it has no part 'train'; give --part, one of: test, validation" in refused(path)
    rows = [(path, word, "test" if word == "two" else "train") for path, word in PAIRS]
    message = refused(write(root, "other.jsonl", join_json(rows, ("path", "label", "split"))))
    assert "other.jsonl, its own test set': it has the class 'two', which the train part lacks" in message


def test_a_column_about_something_else_tells_no_parts(root):
    rows = [(*pair, ("hand", "foot")[row % 2]) for row, pair in enumerate(PAIRS)]
    path = write(root, "hands.csv", join(rows, "path,label,part"))
    assert listed(path).ids == tuple(PATHS)
    assert listed(path).notes == ("column 'part' has no usual names of parts: all rows are taken",)
    assert listed(path, part="foot").ids == tuple(PATHS[1::2])
    assert "it has no part 'train'" in refused(write(root, "plain.csv", join(PAIRS)), part="train")


def test_paths_that_leave_the_folder_need_leave(tmp_path):
    root = write_files(tmp_path / "photos", IMAGES)
    table = tmp_path / "tables"
    table.mkdir()
    words = "which is outside of the folder of the table (60 such rows); give --follow-links"
    for way in ("../photos/{}", f"{root}/{{}}"):
        path = write(table, "digits.csv", join([(way.format(path), word) for path, word in PAIRS]))
        assert f"line 2 names '{way.format(PATHS[0])}', {words}" in refused(path)
        found = listed(path, follow_links=True)
        assert contents(found) == CONTENTS
        assert found.ids == tuple(way.format(path) for path in PATHS)
    (table / "nought").symlink_to(root / "nought")
    (table / "one.png").symlink_to(root / PATHS[-1])
    path = write(table, "digits.csv", join([*PAIRS[:2], ("one.png", "one")]))
    assert "line 2 names 'nought/0000.png', which is outside" in refused(path)
    assert "(3 such rows)" in refused(path)


def test_absolute_paths_within_the_folder_are_ids_without_it(root, monkeypatch):
    path = write(root, "absolute.csv", join([(root / path, word) for path, word in PAIRS]))
    assert listed(path).ids == tuple(PATHS)
    monkeypatch.chdir(root)
    assert SOURCES["csv"]("absolute.csv", DataConfig()).ids == tuple(PATHS)


def test_letters_composed_or_not_name_the_same_file(tmp_path):
    name = unicodedata.normalize("NFC", "é.png")
    (tmp_path / name).write_bytes(CONTENTS[0])
    (tmp_path / "b.png").write_bytes(CONTENTS[1])
    other = unicodedata.normalize("NFD", name)
    found = listed(write(tmp_path, "digits.csv", join([(other, "x"), ("b.png", "y")])))
    assert contents(found) == CONTENTS[:2]
    assert found.ids == (other, "b.png")
    assert sorted(os.listdir(tmp_path))[-1] == name


def test_one_file_under_several_names_is_refused(root):
    """However its letters are composed, and by whatever detour."""
    (root / "é.png").write_bytes(CONTENTS[0])
    for other in (unicodedata.normalize("NFD", "é.png"), "two/../é.png"):
        path = write(root, "twice.csv", join([*PAIRS, ("é.png", "two"), (other, "one")]))
        assert "both name 'é.png'" in refused(path)


def test_text_that_is_no_unicode_is_told_before_the_work(root):
    (root / "lone.jsonl").write_text(json.dumps({"path": PATHS[0], "label": "\ud800"}) + "\n" + join_json(PAIRS[1:]))
    assert "classes are not UTF-8" in refused(root / "lone.jsonl")
