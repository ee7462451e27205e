"""Parquet files: row groups, parts, damage, and CIFAR-10 as the hub serves it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from encoded_digits import CONTENTS, LABELS, NAMES, PATHS, STRUCTS, contents, features, refuse, texts, write_table
from PIL import Image

from splitgen import DataConfig, open_dataset
from splitgen.data.listings.row_groups import ParquetPictures, find_window
from splitgen.data.pixels.decode import DecodeError
from splitgen.data.sources.parquet import list_parquet

CIFAR = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10"
CIFAR_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def listed(argument, **settings):
    return list_parquet(str(argument), DataConfig(**settings))


def refused(argument, **settings):
    return refuse(list_parquet, argument, **settings)


def test_a_single_large_row_group_is_read_in_windows_and_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setattr("splitgen.data.listings.row_groups.WINDOW", 2000)  # bytes: a few of the scans
    found = listed(write_table(tmp_path / "digits.parquet"))
    assert len(found.pictures.groups) == 1
    assert found.pictures.groups[0].window < 20
    order = np.random.default_rng(0).permutation(60)
    assert [found.pictures.read(int(row)) for row in order] == [CONTENTS[row] for row in order]
    assert contents(found) == CONTENTS


def test_only_the_row_group_that_is_read_is_held(tmp_path):
    path = tmp_path / "digits.parquet"
    pq.write_table(pa.table({"image": STRUCTS, "label": LABELS}), path, row_group_size=7)
    found = listed(path)
    pictures = found.pictures
    assert isinstance(pictures, ParquetPictures)
    assert [group.n_rows for group in pictures.groups] == [7] * 8 + [4]
    assert [pictures.read(row) for row in (59, 0, 30, 6, 7)] == [CONTENTS[row] for row in (59, 0, 30, 6, 7)]
    assert len(find_window(path, pictures.image, pictures.find_group(7)).rows) == 7


def test_a_file_that_is_written_again_is_read_again_and_has_another_stamp(tmp_path):
    path = write_table(tmp_path / "digits.parquet")
    found = listed(path)
    before = found.pictures.stamp()
    assert found.pictures.read(0) == CONTENTS[0]
    write_table(path, image=STRUCTS[::-1], more=LABELS)
    assert found.pictures.read(0) == CONTENTS[59]
    assert found.pictures.stamp() != before
    path.unlink()
    assert found.pictures.stamp() == ""


def test_stamps_of_two_columns_of_a_file_differ(tmp_path):
    path = write_table(tmp_path / "digits.parquet", other=STRUCTS[::-1])
    assert listed(path).pictures.stamp() != listed(path, image_column="other").pictures.stamp()


def test_an_own_test_set_goes_by_names_of_classes_and_leaves_out_what_has_no_label(tmp_path):
    write_table(tmp_path / "train.parquet", metadata=features())
    names = NAMES[::-1]
    labels = [-1, *(3 - c for c in LABELS[1:])]
    write_table(tmp_path / "test.parquet", label=labels, metadata=features(names))
    found = listed(tmp_path)
    assert found.class_names == NAMES
    assert found.own_test.labels.tolist() == LABELS[1:]
    assert contents(found.own_test) == CONTENTS[1:]
    assert found.notes == (
        "part 'test' is the own test set (test.parquet)",
        "its own test set: one row with the label -1, which means none, left out",
    )
    write_table(tmp_path / "test.parquet", label=[-1] * 60, metadata=features())
    found = listed(tmp_path)
    assert found.own_test is None
    assert found.notes[-1] == "its own test set has no labels and is not used"


@pytest.mark.parametrize("labels", [None, [None] * 60, pa.array([None] * 60, pa.int64())])
def test_an_own_test_set_without_labels_is_not_used_and_that_is_told(labels, tmp_path):
    write_table(tmp_path / "train.parquet", metadata=features())
    write_table(tmp_path / "test.parquet", label=labels)
    found = listed(tmp_path)
    assert (found.labels.tolist(), found.own_test) == (LABELS, None)
    assert found.notes[-1] == "its own test set has no labels and is not used"


def test_an_own_test_set_is_read_by_the_columns_of_the_opened_part(tmp_path):
    write_table(tmp_path / "train.parquet", scan=STRUCTS, kind=LABELS)
    write_table(tmp_path / "test.parquet", image=STRUCTS[::-1], scan=STRUCTS, label=[0] * 60, kind=LABELS)
    found = listed(tmp_path, image_column="scan", label_column="kind").own_test
    assert (contents(found), found.labels.tolist()) == (CONTENTS, LABELS)


@pytest.mark.parametrize(
    ("columns", "metadata", "words"),
    [
        ({"label": ["four", *texts(LABELS)[1:]]}, None, "it has the class 'four', which the train part lacks"),
        ({"label": [4, *LABELS[1:]]}, None, "it has the label 4, the train part's classes are 0..3"),
        ({}, features(("a", "b", "three", "two")), "it has 2 classes 'a', 'b', which the train part lacks"),
        ({"label": [None, *LABELS[1:]]}, None, "row 0 has no label"),
        ({"image": None, "scan": STRUCTS}, None, "it has no column 'image' of images; columns that would do: scan"),
    ],
)
def test_an_own_test_set_of_other_classes_is_refused(columns, metadata, words, tmp_path):
    write_table(tmp_path / "train.parquet", metadata=features())
    write_table(tmp_path / "test.parquet", columns, metadata)
    message = refused(tmp_path)
    assert ", its own test set': " in message
    assert words in message


def test_a_column_tells_parts_where_names_of_files_do_not(tmp_path):
    held = range(0, 60, 3)
    rest = [row for row in range(60) if row not in held]
    split = ["val" if row in held else "train" for row in range(60)]
    path = write_table(tmp_path / "digits.parquet", split=split)
    found = listed(path)
    for part, rows in ((found, rest), (found.own_test, held)):
        assert part.ids == tuple(PATHS[row] for row in rows)
        assert part.labels.tolist() == [LABELS[row] for row in rows]
        assert contents(part) == [CONTENTS[row] for row in rows]
    assert listed(path, part="valid").ids == found.own_test.ids
    assert "it has no part 'test'; its parts are: train, validation" in refused(path, part="test")
    path = write_table(tmp_path / "hands.parquet", part=["hand" if row < 40 else "foot" for row in range(60)])
    assert listed(path).notes == ("column 'part' has no usual names of parts: all rows are taken",)
    assert len(listed(path, part="hand").ids) == 40
    assert "it has no part 'test'" in refused(write_table(tmp_path / "plain.parquet"), part="test")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "'digits.parquet' is not a Parquet file, or it is cut short"),
        (b"path,label\n", "'digits.parquet' is not a Parquet file, or it is cut short"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "is a pointer of Git LFS, not the file itself; fetch it with",
        ),
    ],
)
def test_other_files_are_refused(content, words, tmp_path):
    (tmp_path / "digits.parquet").write_bytes(content)
    assert words in refused(tmp_path / "digits.parquet")


def test_a_cut_file_and_files_of_several_datasets_are_refused(tmp_path):
    path = write_table(tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    assert "'a.parquet' is not a Parquet file, or it is cut short" in refused(path)
    write_table(tmp_path / "a.parquet", metadata=features())
    write_table(tmp_path / "b.parquet", metadata=features(NAMES[::-1]))
    assert "'b.parquet' has other columns or class names than 'a.parquet'" in refused(tmp_path)
    write_table(tmp_path / "b.parquet", {"label": None, "target": LABELS}, features())
    assert "'b.parquet' has other columns" in refused(tmp_path)


def test_files_of_one_part_are_one_dataset_in_sorted_order(tmp_path):
    for number, rows in enumerate((range(20), range(20, 60))):
        images, labels = (
            [STRUCTS[row] for row in rows],
            pa.array([LABELS[row] for row in rows], (pa.int8(), pa.int64())[number]),
        )
        write_table(tmp_path / f"train-{number:05d}-of-00002.parquet", image=images, label=labels)
    found = listed(tmp_path)
    assert (contents(found), found.labels.tolist(), found.ids) == (CONTENTS, LABELS, tuple(PATHS))
    assert found.pictures.name(25) == "row 5 of train-00001-of-00002.parquet"


def test_a_damaged_page_is_an_image_that_cannot_be_read(tmp_path):
    path = tmp_path / "digits.parquet"
    pq.write_table(pa.table({"image": CONTENTS, "label": LABELS}), path, compression="zstd", use_dictionary=False)
    found = listed(path)
    content = bytearray(path.read_bytes())
    content[200:2000] = bytes(1800)
    path.write_bytes(content)
    with pytest.raises(DecodeError, match="cannot be read"):
        found.pictures.read(0)


def test_a_dataset_opens_from_parquet(tmp_path):
    found = open_dataset(
        DataConfig(f"parquet:{write_table(tmp_path / 'digits.parquet', metadata=features())}", image_size=8)
    )
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in CONTENTS])
    assert np.array_equal(found.images.take(range(60))[:, 0].numpy(), pixels)
    assert (found.class_names, found.ids) == (NAMES, tuple(PATHS))


@pytest.mark.skipif(not CIFAR.is_dir(), reason="CIFAR-10 is not there, as Parquet files beside the repository")
@pytest.mark.parametrize("argument", [CIFAR, CIFAR / "train-*.parquet"], ids=["folder", "glob"])
def test_cifar10_as_the_hub_serves_it(argument):
    found = listed(argument)
    assert (len(found.ids), len(found.own_test.ids)) == (50_000, 10_000)
    assert found.class_names == found.own_test.class_names == CIFAR_NAMES
    assert np.bincount(found.labels).tolist() == [5_000] * 10
    assert np.bincount(found.own_test.labels).tolist() == [1_000] * 10
    assert found.notes == ("part 'test' is the own test set (test-00000-of-00001.parquet)",)
    table = pq.read_table(CIFAR / "train-00001-of-00002.parquet").slice(0, 20).to_pylist()
    for row, entry in enumerate(table, start=25_000):
        assert found.ids[row] == entry["image"]["path"]
        assert CIFAR_NAMES[found.labels[row]] == entry["image"]["path"].split("/")[0]
        picture = Image.open(io.BytesIO(found.pictures.read(row)))
        assert np.array_equal(np.asarray(picture), np.asarray(Image.open(io.BytesIO(entry["image"]["bytes"]))))
        assert picture.size == (32, 32)
    assert len(listed(CIFAR, part="test").ids) == 10_000


@pytest.mark.parametrize("kept", [LABELS, [c % 3 for c in LABELS]])
def test_numbers_of_the_test_files_are_names_where_those_of_the_train_files_are_text(kept, tmp_path):
    """Classes "1" to "4" have the numbers 0 to 3."""
    write_table(tmp_path / "a-train.parquet", label=[str(c + 1) for c in LABELS])
    write_table(tmp_path / "a-test.parquet", label=[c + 1 for c in kept])
    found = listed(tmp_path)
    assert found.class_names == ("1", "2", "3", "4")
    assert found.own_test.labels.tolist() == kept
