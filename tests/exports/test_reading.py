"""Splits that others made come in with exactly their rows, and a wrong one is refused in one line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from splitgen import export_split, read_foreign_split, read_split, write_split
from splitgen.errors import RowsError, SplitFileError

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


def test_an_id_that_the_dataset_does_not_have_is_named(folder, tmp_path):
    lines = [{"id": folder.ids[0], "split": "train"}, {"id": "elsewhere/1.png", "split": "test"}]
    (tmp_path / "bad.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(RowsError, match="no id 'elsewhere/1.png'"):
        read_foreign_split(tmp_path / "bad.jsonl", folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "it is no CSV"),
        ("a.csv", b"\xff\xfe\x00", "it is no CSV"),
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
