"""Columns of Parquet files as the hub has them, as people write them, and as they should not be."""

from __future__ import annotations

import pickle
import re

import pyarrow as pa
import pytest
from encoded_digits import (
    CONTENTS,
    IMAGES,
    LABELS,
    NAMES,
    PATHS,
    ROW_NUMBERS,
    STRUCTS,
    contents,
    features,
    refuse,
    texts,
    write_files,
    write_table,
)

from splitgen import DataConfig
from splitgen.data.sources.parquet import list_parquet


def listed(argument, **settings):
    return list_parquet(str(argument), DataConfig(**settings))


def refused(argument, **settings):
    return refuse(list_parquet, argument, **settings)


GOOD = {
    "structs of bytes and path": ({}, {}, PATHS, ("0", "1", "2", "3")),
    "class names of the hub": ({}, {"metadata": features()}, PATHS, NAMES),
    "plain bytes": ({"image": CONTENTS}, {}, ROW_NUMBERS, ("0", "1", "2", "3")),
    "large binary": ({"image": pa.array(CONTENTS, pa.large_binary())}, {}, ROW_NUMBERS, ("0", "1", "2", "3")),
    "binary view": ({"image": pa.array(CONTENTS, pa.binary_view())}, {}, ROW_NUMBERS, ("0", "1", "2", "3")),
    "structs without a path": ({"image": [{"bytes": b} for b in CONTENTS]}, {}, ROW_NUMBERS, ("0", "1", "2", "3")),
    "paths that repeat": (
        {"image": [{"bytes": b, "path": "image.png"} for b in CONTENTS]},
        {},
        ROW_NUMBERS,
        ("0", "1", "2", "3"),
    ),
    "a path that is null": (
        {"image": [{"bytes": b, "path": p if p != PATHS[5] else None} for p, b, _ in IMAGES]},
        {},
        ROW_NUMBERS,
        ("0", "1", "2", "3"),
    ),
    "an id column": ({"image": CONTENTS, "id": [f"x{i}" for i in range(60)]}, {}, None, ("0", "1", "2", "3")),
    "ids that are numbers": ({"image": CONTENTS, "id": range(100, 160)}, {}, None, ("0", "1", "2", "3")),
    "__key__ before id": ({"image": CONTENTS, "id": [1] * 60, "__key__": PATHS}, {}, PATHS, ("0", "1", "2", "3")),
    "text labels": ({"label": texts(LABELS)}, {}, PATHS, NAMES),
    "text labels of a dictionary": ({"label": pa.array(texts(LABELS)).dictionary_encode()}, {}, PATHS, NAMES),
    "text labels that are numbers": ({"label": [str(c) for c in LABELS]}, {}, PATHS, ("0", "1", "2", "3")),
    "text numbers with zeros": ({"label": [f"0{c}" for c in LABELS]}, {}, PATHS, ("00", "01", "02", "03")),
    "text NA is a class": (
        {"label": texts(LABELS, ("NA", "None", "nan", "null"))},
        {},
        PATHS,
        ("NA", "None", "nan", "null"),
    ),
    "unsigned bytes": ({"label": pa.array(LABELS, pa.uint8())}, {}, PATHS, ("0", "1", "2", "3")),
    "whole floats": ({"label": [float(c) for c in LABELS]}, {}, PATHS, ("0", "1", "2", "3")),
    "other usual names": ({"image": None, "label": None, "img": STRUCTS, "Target": LABELS}, {}, PATHS, None),
    "a mask beside the image": ({"mask": STRUCTS[::-1]}, {}, PATHS, None),
    "a path beside the image": ({"path": PATHS[::-1]}, {}, PATHS, None),
    "one column of bytes, of any name": ({"image": None, "scan": CONTENTS}, {}, ROW_NUMBERS, None),
    "a hub's label of any name": (
        {"label": None, "digit": LABELS, "size": [8] * 60},
        {"metadata": features(label="digit")},
        PATHS,
        NAMES,
    ),
    "a note of the hub that is no JSON": ({}, {"metadata": {"huggingface": "{"}}, PATHS, ("0", "1", "2", "3")),
    "class names that are null": (
        {},
        {"metadata": {"huggingface": '{"info": {"features": {"label": {"names": null}}}}'}},
        PATHS,
        ("0", "1", "2", "3"),
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_images_labels_ids_and_names_are_those_of_the_file(case, tmp_path):
    columns, settings, ids, names = GOOD[case]
    found = listed(write_table(tmp_path / "digits.parquet", columns, **settings))
    assert contents(found) == CONTENTS
    assert found.labels.tolist() == LABELS
    assert found.source == "parquet:digits.parquet"
    if ids is None:
        ids = [str(key) for key in columns.get("id", PATHS)]
    assert found.ids == tuple(ids)
    assert names is None or found.class_names == names
    assert found.own_test is None


def test_booleans_are_two_classes(tmp_path):
    found = listed(write_table(tmp_path / "digits.parquet", label=[c > 1 for c in LABELS]))
    assert found.class_names == ("false", "true")
    assert found.labels.tolist() == [int(c > 1) for c in LABELS]


TWO = {"image": STRUCTS, "other": STRUCTS[::-1]}
BAD = {
    "a null image": (
        {"image": [*STRUCTS[:7], None, *STRUCTS[8:]]},
        {},
        "row 7 has no image; repair the rows, or give --skip-unreadable",
    ),
    "an image without bytes or path": (
        {"image": [*STRUCTS[:7], {"bytes": None, "path": None}, *STRUCTS[8:]]},
        {},
        "row 7 has no image",
    ),
    "null bytes": ({"image": [None, *CONTENTS[1:59], None]}, {}, r"row 0 has no image \(2 such rows\)"),
    "a null label": ({"label": [*LABELS[:9], None, *LABELS[10:]]}, {}, "row 9 has no label"),
    "an empty label": ({"label": ["", *texts(LABELS)[1:]]}, {}, "row 0 has no label"),
    "-1 of a hub's label": (
        {"label": [*LABELS[:3], -1, *LABELS[4:]]},
        {"metadata": features()},
        r"row 3 has the label -1, which means none \(1 such rows\)",
    ),
    "-1 of a plain label": ({"label": [-1, *LABELS[1:]]}, {}, "labels must be 0 or more, got -1"),
    "a label beyond the names": (
        {},
        {"metadata": features(NAMES[:3])},
        r"it has the label 3, but names of 3 classes; labels are 0\.\.2",
    ),
    "a huge label": ({"label": [*LABELS[:59], 2**62]}, {}, "class '4' has 0 rows, though labels go up to 46116860184"),
    "an unsigned label beyond int64": ({"label": pa.array([*LABELS[:59], 2**64 - 1], pa.uint64())}, {}, "labels go up"),
    "a fraction": ({"label": [0.5, *LABELS[1:]]}, {}, "labels must be integers, got float64 such as 0.5"),
    "two columns of images": ({"image": None, "left": CONTENTS, "right": CONTENTS}, {}, "--image-column: left, right"),
    "two columns of labels": (
        {"label": None, "fine_label": LABELS, "coarse_label": LABELS},
        {},
        "2 columns may have the labels; give --label-column: fine_label, coarse_label",
    ),
    "two labels of the hub": (
        {"label": None, "fine_label": LABELS, "coarse_label": LABELS},
        {"metadata": features(label="fine_label", coarse_label={"names": ["a"], "_type": "ClassLabel"})},
        "2 columns",
    ),
    "no usual name": (
        {"label": None, "kind": LABELS},
        {},
        r"no column has a usual name of labels .*; give --label-column; columns that would do: kind",
    ),
    "labels that are lists": ({"label": [[c] for c in LABELS]}, {}, "no column has a usual name of labels"),
    "images that are lists": ({"image": [[1, 2]] * 60}, {}, "no column has a usual name of images"),
    "paths to nowhere": ({"image": PATHS}, {}, r"row 0 names 'nought/0000.png', which is no file \(60 such rows\)"),
    "addresses": (
        {"image": [f"https://example.org/{p}" for p in PATHS]},
        {},
        "row 0 names 'https://.*nothing is fetched",
    ),
    "no rows": ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, {}, "it has no rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_in_a_file_is_said_in_a_line(case, tmp_path):
    columns, settings, words = BAD[case]
    message = refused(write_table(tmp_path / "digits.parquet", columns, **settings))
    assert message.startswith("dataset 'parquet:digits.parquet': ")
    assert re.search(words, message), message


def test_a_column_is_taken_by_its_name_and_one_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    path = write_table(tmp_path / "digits.parquet", left=STRUCTS[::-1], kind=[c % 2 for c in LABELS])
    found = listed(path, image_column="left", label_column="kind")
    assert contents(found) == CONTENTS[::-1]
    assert found.labels.tolist() == [c % 2 for c in LABELS]
    assert "it has no column 'right' of images; columns that would do: image, left" in refused(
        path, image_column="right"
    )
    assert "no column 'left' of labels; columns that would do: label, kind" in refused(path, label_column="left")


def test_rows_without_image_or_label_are_left_out_and_counted_on_demand(tmp_path):
    images, labels = [None, *CONTENTS[1:]], [*LABELS[:9], None, *LABELS[10:]]
    found = listed(write_table(tmp_path / "digits.parquet", image=images, label=labels), skip_unreadable=True)
    kept = [row for row in range(60) if row not in (0, 9)]
    assert contents(found) == [CONTENTS[row] for row in kept]
    assert found.labels.tolist() == [LABELS[row] for row in kept]
    assert found.ids == tuple(map(str, kept))
    assert found.notes == ("2 rows left out (first: row 0 has no image)",)
    assert found.pictures.name(0) == "row 1"


def test_images_in_files_beside_the_table(tmp_path):
    write_files(tmp_path, IMAGES)
    by_path = listed(write_table(tmp_path / "paths.parquet", image=PATHS))
    empty = listed(write_table(tmp_path / "null.parquet", image=[{"bytes": None, "path": path} for path in PATHS]))
    mixed = [{"bytes": b if row % 2 else None, "path": path} for row, (path, b, _) in enumerate(IMAGES)]
    half = listed(write_table(tmp_path / "half.parquet", image=mixed))
    for found in (by_path, empty, half):
        assert contents(found) == CONTENTS
        assert found.ids == tuple(PATHS)
        assert contents(pickle.loads(pickle.dumps(found))) == CONTENTS
    before = half.pictures.stamp()
    (tmp_path / PATHS[0]).write_bytes(b"other")
    assert before != half.pictures.stamp() != ""


def test_files_outside_of_the_tables_folder_are_refused_unless_links_are_followed(tmp_path):
    write_files(tmp_path, IMAGES)
    path = write_table(tmp_path / "tables" / "digits.parquet", image=[f"../{path}" for path in PATHS])
    words = r"row 0 names '../nought/0000.png', which is outside of the folder of the table (60 such rows)"
    assert words in refused(path)
    assert contents(listed(path, follow_links=True)) == CONTENTS
    write_table(path, image=[str(tmp_path / path) for path in PATHS])
    assert "--follow-links" in refused(path)
    write_table(path, image=[{"bytes": b if row else None, "path": f"../{p}"} for row, (p, b, _) in enumerate(IMAGES)])
    assert "row 0 names '../nought/0000.png', which is outside" in refused(path)
