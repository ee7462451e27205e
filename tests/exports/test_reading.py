"""Splits that others made come in with exactly their rows, and a wrong one is refused in one line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from splitgen import DataConfig, export_split, read_foreign_split, read_split, write_split
from splitgen.errors import RowsError, SplitFileError
from splitgen.store.recall import recall_run

PARTS = ("train", "validation", "test", "reserve")


@pytest.mark.parametrize(
    ("consumer", "name", "parts"),
    [
        ("csv", "split.csv", PARTS),
        ("jsonl", "split.jsonl", PARTS),
        ("celeba", "list_eval_partition.csv", PARTS),
        ("wilds", "metadata.csv", PARTS),
        ("subpopbench", "metadata.csv", PARTS),
        ("group-dro", "metadata.csv", PARTS),
        ("sklearn", "folds.npz", ("train", "test")),
        ("tensors", "splits.pt", ("train", "test")),
    ],
)
def test_what_was_exported_comes_back(split, folder, tmp_path, consumer, name, parts):
    export_split(split, consumer, tmp_path / name)
    back = read_foreign_split(tmp_path / name, folder)
    for part in parts:
        assert np.array_equal(back.indices(part), split.indices(part))
    write_split(back, tmp_path / "split.parquet")
    again = read_split(tmp_path / "split.parquet")
    assert np.array_equal(again.parts, back.parts)
    assert again.metadata["dataset"]["fingerprint"] == folder.fingerprint


def test_rows_that_a_file_does_not_name_are_reserve(folder, tmp_path):
    np.savez(tmp_path / "mine.npz", train=np.arange(50), test=np.arange(60, 90))
    assert read_foreign_split(tmp_path / "mine.npz", folder).counts() == {
        "train": 50,
        "validation": 0,
        "test": 30,
        "reserve": folder.n_points - 80,
    }


def test_two_names_of_one_part_are_refused_rather_than_one_lost(folder, tmp_path):
    rows = np.arange(3)
    np.savez(tmp_path / "mine.npz", train=rows, val=rows + 10, validation=rows + 20, test=rows + 30)
    with pytest.raises(RowsError, match="two of train, val, validation, test name one part"):
        read_foreign_split(tmp_path / "mine.npz", folder)


def test_the_pair_of_a_named_task_and_split_is_found(folder, tmp_path):
    torch.save({"task3": [(torch.arange(10), torch.arange(10, 20))]}, tmp_path / "splits.pth")
    assert read_foreign_split(tmp_path / "splits.pth", folder).indices("test").tolist() == list(range(10, 20))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(0, "train"), (300, "test")], "row 300 in test is out of range; rows are 0..299"),
        ([(0, "train"), (0, "test")], "row 0 is in train and in test"),
        ([(0, "train"), (0, "train"), (1, "test")], "row 0 stands twice in train"),
        ([(0, "train"), (1, "holdout")], "unknown part 'holdout'"),
        ([(0, "train"), (1, "train")], "no row is in test"),
        ([(0.5, "train"), (1, "test")], "no row number"),
    ],
)
def test_wrong_rows_are_named(folder, tmp_path, rows, message):
    pd.DataFrame(rows, columns=["index", "split"]).to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(RowsError, match=message):
        read_foreign_split(tmp_path / "bad.csv", folder)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([True, False], "column 'index' has True, which is no row number; number rows from 0"),
        ([0, True], "has True, which"),
        ([0, 1.5], "has 1.5, which"),
        ([0, None], "which is no row number"),
        ([0, "one"], "has 'one', which"),
        ([0, [1]], r"has \[1\], which"),
        ([0, 2**70], f"has {2**70}, which"),
        ([0, 1e300], "which is no row number"),
        ([0, 2**40], "row 1099511627776 in test is out of range"),
    ],
)
def test_an_index_that_is_no_row_number_is_refused(folder, tmp_path, index, message):
    lines = [{"index": index[0], "split": "train"}, {"index": index[1], "split": "test"}]
    (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(RowsError, match=message) as caught:
        read_foreign_split(tmp_path / "bad.jsonl", folder)
    assert "\n" not in str(caught.value)


def test_whole_numbers_as_floats_and_digits_are_row_numbers(folder, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"index": 4.0, "split": "train"}\n{"index": "7", "split": "test"}\n')
    found = read_foreign_split(tmp_path / "a.jsonl", folder)
    assert (found.indices("train").tolist(), found.indices("test").tolist()) == ([4], [7])


@pytest.mark.parametrize("name", ["id", "image_id", "img_filename", "filename"])
def test_an_index_and_an_id_must_be_of_one_row(folder, tmp_path, name):
    frame = pd.DataFrame({"index": [5, 6], name: [folder.ids[5], folder.ids[6]], "split": ["train", "test"]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    assert read_foreign_split(tmp_path / "a.csv", folder).indices("test").tolist() == [6]
    frame.loc[1, name] = folder.ids[8]
    frame.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(RowsError) as caught:
        read_foreign_split(tmp_path / "a.csv", folder)
    assert f"index 6 is '{folder.ids[6]}', but stands beside the id '{folder.ids[8]}'; correct one" in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.tensor([0.5, 2.0]), "test has 0.5, no row number"),
        (torch.tensor([True, False]), "test has True, no row number"),
        (torch.tensor([5, 300]), "row 300 in test is out of range; rows are 0..299"),
        (torch.tensor([5, -1]), "row -1 in test is out of range"),
        (torch.arange(301), "test has 301 rows, the dataset 300"),
    ],
)
def test_tensors_of_other_than_row_numbers_are_refused(folder, tmp_path, rows, message):
    torch.save((torch.arange(5), rows), tmp_path / "a.pt")
    with pytest.raises(RowsError, match=message):
        read_foreign_split(tmp_path / "a.pt", folder)


def test_arrays_of_other_than_row_numbers_are_refused(folder, tmp_path):
    np.savez(tmp_path / "a.npz", train=np.arange(5), test=np.array([2**64 - 1], np.uint64))
    with pytest.raises(RowsError, match=f"row {2**64 - 1} in test is out of range"):
        read_foreign_split(tmp_path / "a.npz", folder)
    np.savez(tmp_path / "a.npz", index=np.arange(5), test_fold=np.zeros(4))
    with pytest.raises(RowsError, match="index has the shape .5,., test_fold .4,.; give one fold"):
        read_foreign_split(tmp_path / "a.npz", folder)


def test_an_id_that_the_dataset_does_not_have_is_named(folder, tmp_path):
    lines = [{"id": folder.ids[0], "split": "train"}, {"id": "elsewhere/1.png", "split": "test"}]
    (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(RowsError, match="no id 'elsewhere/1.png'"):
        read_foreign_split(tmp_path / "bad.jsonl", folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "it is empty"),
        ("a.csv", b"\xff\xfe\x00", "it is UTF-16"),
        ("a.csv", b"index,colour\n0,red\n", "no column for the part among index, colour"),
        ("a.csv", b"row,split\n0,train\n", "no column for the row among row, split"),
        ("a.jsonl", b"{", "no JSON Lines"),
        ("a.npz", b"PK", "no npz"),
        ("a.pt", b"no tensors", "no pair of index tensors"),
        ("a.xlsx", b"", "unknown format '.xlsx'; give --format, one of csv"),
        ("gone/a.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_split_is_refused_in_one_line(folder, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SplitFileError, match=message) as caught:
        read_foreign_split(tmp_path / name, folder)
    assert "\n" not in str(caught.value)


def test_nothing_in_a_file_is_executed(folder, tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("executed",))

    torch.save(Trap(), tmp_path / "trap.pt")
    with pytest.raises(SplitFileError, match="no pair"):
        read_foreign_split(tmp_path / "trap.pt", folder)
    np.savez(tmp_path / "trap.npz", train=np.array([Trap()], dtype=object))
    with pytest.raises(SplitFileError, match="no npz"):
        read_foreign_split(tmp_path / "trap.npz", folder)


def test_folds_of_several_splits_are_no_one_split(folder, tmp_path):
    fold = np.arange(folder.n_points) % 3 - 1
    np.savez(tmp_path / "folds.npz", index=np.arange(folder.n_points), test_fold=fold)
    with pytest.raises(RowsError, match="test_fold has the fold 1: .*; give one split"):
        read_foreign_split(tmp_path / "folds.npz", folder)


def test_a_file_tells_how_its_dataset_was_opened(images, folder, tmp_path, monkeypatch):
    """Images at another size would be judged elsewhere, and nobody would see it."""
    np.savez(tmp_path / "mine.npz", train=np.arange(50), test=np.arange(60, 90))
    data = DataConfig(f"folder:{images}", image_size=16, resize="pad", cache=str(tmp_path))
    write_split(read_foreign_split(tmp_path / "mine.npz", folder, data=data), tmp_path / "split.parquet")
    recalled = recall_run(tmp_path / "split.parquet")["data"]
    assert (recalled["image_size"], recalled["resize"]) == (16, "pad")
    assert recalled["dataset"] == folder.source
    assert "cache" not in recalled
