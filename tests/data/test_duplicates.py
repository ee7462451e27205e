"""Byte-identical images: counted, told where they contradict each other, and kept in one part."""

from __future__ import annotations

import dataclasses
import hashlib
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from splitgen import DataConfig, find_model, open_dataset
from splitgen.check.assertion import train_and_judge
from splitgen.data.duplicates import find_duplicates, join_groups
from splitgen.data.metadata import Groups
from splitgen.errors import SettingError
from splitgen.runs import stages
from splitgen.runs.run import open_run
from splitgen.runs.split import run_split
from splitgen.runs.verify import check_judged
from splitgen.screen.console import Screen
from splitgen.settings.layers import build_config
from splitgen.splits.grouping import check_groups_known, describe_kept
from splitgen.splits.selection import select_split
from splitgen.tasks.tasks_file import SavedTasks


def digest(text):
    return [hashlib.sha256(sign.encode()).digest() for sign in text]


def find(text, labels=None, names=("cat", "dog", "fox")):
    labels = np.zeros(len(text), np.int64) if labels is None else np.array(labels)
    return find_duplicates(digest(text), labels, [f"{i}.png" for i in range(len(text))], names)


def test_images_that_all_differ_are_no_groups_and_no_note():
    assert (find("abc").groups, find("abc").notes) == (None, ())
    assert (find("").groups, find("").notes) == (None, ())


def test_the_same_images_are_one_group_and_counted():
    found = find("abacba")
    assert found.groups.tolist() == [0, 1, 0, 2, 1, 0]
    assert found.groups.dtype == np.int64
    assert found.notes == (
        "5 images are byte-identical with others (2 sets); a set stays in one part of a split, unless --duplicates "
        "ignore is given",
    )


def test_those_under_two_classes_are_named():
    found = find("abaca", [1, 0, 0, 2, 0])
    assert found.notes[1] == "1 set of byte-identical images under different classes: '0.png' (dog) = '2.png' (cat)"
    found = find("aabbccddee", [0, 1] * 5)
    assert found.notes[1] == (
        "5 sets of byte-identical images under different classes: '0.png' (cat) = '1.png' (dog); "
        "'2.png' (cat) = '3.png' (dog); '4.png' (cat) = '5.png' (dog) and 2 more"
    )


def test_digests_may_be_an_array():
    table = np.frombuffer(b"".join(digest("abab")), np.uint8).reshape(4, 32)
    found = find_duplicates(table, np.zeros(4, int), list("wxyz"), ["cat"])
    assert found.groups.tolist() == [0, 1, 0, 1]


def test_groups_of_the_user_and_duplicates_are_tied_together():
    groups = Groups("patient", np.array([0, 0, 1, 1, 2, 3]))
    assert join_groups(groups, None) is groups
    assert join_groups(None, None) is None
    joined = join_groups(groups, np.array([0, 1, 2, 0, 3, 4]))  # rows 0 and 3: patients 0 and 1
    assert (joined.column, joined.duplicates, joined.n_groups) == ("patient", True, 3)
    assert (joined.codes[:4] == joined.codes[0]).all()
    assert len(set(joined.codes[[0, 4, 5]].tolist())) == 3
    assert joined.codes.dtype == np.int64
    chain = join_groups(groups, np.array([0, 1, 1, 2, 2, 3]))  # 0 - 1 by rows 1 and 2, 1 - 2 by rows 3 and 4
    assert chain.codes.tolist() == [0, 0, 0, 0, 0, 1]
    within = join_groups(groups, np.array([0, 0, 1, 2, 3, 4]))
    assert within.codes is groups.codes
    assert within.duplicates
    alone = join_groups(None, np.array([0, 1, 0]))
    assert (alone.column, alone.codes.tolist(), alone.duplicates) == (None, [0, 1, 0], True)


def test_what_is_kept_whole_is_told_in_words():
    codes = np.array([0, 1, 0, 2, 1])
    assert describe_kept(Groups(None, codes, duplicates=True)) == "2 sets of byte-identical images"
    assert describe_kept(Groups("patient", codes, duplicates=True)) == "3 groups of 'patient' and byte-identical images"
    assert describe_kept(Groups("patient", codes)) == "3 groups of 'patient'"


@pytest.mark.parametrize(
    ("told", "groups", "message"),
    [
        (None, None, None),
        ({"column": None, "duplicates": True}, Groups(None, np.arange(2), duplicates=True), None),
        ({"column": None, "duplicates": True}, Groups("x", np.arange(2), duplicates=True), None),
        ({"column": "x", "duplicates": True}, Groups("x", np.arange(2), duplicates=True), None),
        ({"column": "x"}, Groups("x", np.arange(2), duplicates=True), None),
        ({"column": None, "duplicates": True}, None, "leave out --duplicates ignore"),
        ({"column": "x", "duplicates": True}, Groups("x", np.arange(2)), "leave out --duplicates ignore"),
        ({"column": "x"}, None, "give --metadata FILE --group-column x"),
        ({"column": "x"}, Groups(None, np.arange(2), duplicates=True), "give --metadata FILE --group-column x"),
    ],
)
def test_a_split_with_groups_is_judged_where_they_are_known(told, groups, message):
    if message is None:
        check_groups_known({"groups": told}, groups)
    else:
        with pytest.raises(SettingError, match=message):
            check_groups_known({"groups": told}, groups)


def test_a_class_of_one_image_again_and_again_is_refused_by_its_name():
    labels = np.repeat([0, 1], 20)
    groups = np.concatenate([np.arange(20), np.full(20, 20)])
    scores, ids = np.linspace(0, 1, 40).astype(np.float32), [f"{i:02d}" for i in range(40)]
    with pytest.raises(SettingError, match="no group with class 'dog' fits into .*, or --duplicates ignore where"):
        select_split(scores, labels, ids, groups=groups, class_names=("cat", "dog"))


def test_a_few_duplicates_among_very_many_rows_cost_little():
    n = 200_000
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 10, n), np.arange(n)
    groups[-100:] = np.arange(100)
    ids = np.arange(n).astype(str)
    start = time.process_time()
    parts = select_split(rng.normal(size=n).astype(np.float32), labels, ids, groups=groups).parts
    assert time.process_time() - start < 10
    assert (parts[-100:] == parts[:100]).all()
    assert abs((parts == "test").sum() - n // 2) <= 100


# ---- a folder with some, from the files to the verdict -------------------------------------------------------------

N_CLASSES, N_ROWS, COPIES = 3, 60, 8


@pytest.fixture(scope="module")
def root(tmp_path_factory, digits):
    """Digits 0, 1 and 2 as files, of which some stand three times; 'two' has a 'zero' under its name."""
    root = tmp_path_factory.mktemp("digits") / "photos"
    for c, name in enumerate(("zero", "one", "two")):
        (root / name).mkdir(parents=True)
        rows = np.flatnonzero(digits.labels == c)[:N_ROWS]
        for i, row in enumerate(rows):
            pixels = (digits.images.pixels[row, 0] * 15).byte().numpy()
            Image.fromarray(pixels).save(root / name / f"{i:02d}.png")
        for i in range(COPIES):
            for again in ("a", "b"):
                (root / name / f"{i:02d}{again}.png").write_bytes((root / name / f"{i:02d}.png").read_bytes())
    (root / "two" / "zero.png").write_bytes((root / "zero" / "00.png").read_bytes())
    return root


def open_folder(root, **settings):
    return open_dataset(DataConfig(f"folder:{root}", image_size=8, **settings))


def find_sets(root, dataset):
    return np.unique([(root / key).read_bytes() for key in dataset.ids], return_inverse=True)[1]


def test_a_folder_with_duplicates_is_grouped_and_told_unless_they_are_to_be_ignored(root):
    dataset = open_folder(root)
    assert dataset.groups.column is None
    same = find_sets(root, dataset)
    assert pd.Series(dataset.groups.codes).groupby(same).nunique().max() == 1
    assert dataset.groups.n_groups == len(set(same)) == N_CLASSES * N_ROWS
    assert dataset.notes == (
        "73 images are byte-identical with others (24 sets); a set stays in one part of a split, unless --duplicates "
        "ignore is given",
        "1 set of byte-identical images under different classes: 'two/zero.png' (two) = 'zero/00.png' (zero)",
    )
    ignored = open_folder(root, duplicates="ignore")
    assert (ignored.groups, ignored.notes, ignored.fingerprint) == (None, (), dataset.fingerprint)


def test_with_a_group_column_both_hold(root, tmp_path):
    ids = open_folder(root).ids
    scene = [key if "00" in key else "rest" if key < "p" else key for key in ids]  # 'one' but for three is one scene
    pd.DataFrame({"id": ids, "scene": scene}).to_csv(tmp_path / "scenes.csv", index=False)
    groups = open_folder(root, metadata=str(tmp_path / "scenes.csv"), group_column="scene").groups
    assert (groups.column, groups.duplicates) == ("scene", True)
    codes = dict(zip(ids, groups.codes.tolist(), strict=True))
    assert codes["one/01.png"] == codes["one/02.png"] == codes["one/02b.png"] != codes["one/00.png"]
    assert codes["one/00.png"] == codes["one/00a.png"]
    assert codes["two/zero.png"] == codes["zero/00b.png"]


def test_arrays_in_memory_are_not_looked_at(tmp_path):
    np.savez(tmp_path / "same.npz", x=np.zeros((40, 8, 8), np.uint8), y=np.arange(40) % 2)
    dataset = open_dataset(f"npz:{tmp_path / 'same.npz'}")
    assert (dataset.groups, dataset.digests, dataset.notes) == (None, None, ())


def open_small_run(root, out, **data):
    settings = {
        "data": {"dataset": f"folder:{root}", "image_size": 8, **data},
        "model": "mlp",
        "refinement": {"meta_steps": 0},
        "sharpening": {"rounds": 0},
        "agreement": {"epochs": 1},
        "training": {"epochs": 2},
        "search": {"rows": [60], "keep": []},
        "selection": {"validation_fraction": 0.1},
        "verification": {"seeds": 2},
    }
    return open_run(build_config(settings), find_model("mlp"), Screen(quiet=True), "cpu", out, "split")


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """A split of the folder, and where it is."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    run = open_small_run(root, out)
    ink = run.dataset.images.take(range(len(run.dataset))).float().mean(dim=(1, 2, 3)).numpy()
    return run_split(run, SavedTasks((ink - ink.mean())[:, None], {"meta_steps": 0, "agreement": []})), out


def test_duplicates_never_straddle_the_parts_of_a_split(root, whole):
    split, _ = whole
    assert set(split.parts) == {"train", "validation", "test"}
    same = find_sets(root, split)
    assert pd.Series(split.parts).groupby(same).nunique().max() == 1
    told = split.metadata["groups"]
    assert (told["column"], told["duplicates"], told["n_groups"]) == (None, True, N_CLASSES * N_ROWS)
    assert max(map(abs, told["miss"].values())) <= 4


def test_controls_keep_them_together_without_being_asked_and_are_refused_where_they_may_not(root, whole):
    split, out = whole
    run = open_small_run(root, None)
    stages.verify(run, split)
    assert run.record["verification"]["n_test"] == split.counts()["test"]
    with pytest.raises(SettingError, match="keeps byte-identical images in one part; leave out --duplicates ignore"):
        check_judged(open_small_run(root, None, duplicates="ignore").bench, split, out)
    with pytest.raises(SettingError, match="leave out --duplicates ignore"):
        train_and_judge(split, find_model("mlp"), open_folder(root, duplicates="ignore"), 2)


def test_a_folder_without_duplicates_is_split_as_if_nobody_had_looked(root, tmp_path):
    for path in sorted(root.rglob("[0-9][0-9].png")):
        (tmp_path / "plain" / path.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "plain" / path.parent.name / path.name).write_bytes(path.read_bytes())
    kept, ignored = (open_folder(tmp_path / "plain", duplicates=choice) for choice in ("group", "ignore"))
    assert (kept.groups, kept.notes) == (None, ())
    alike = dataclasses.replace(kept, digests=None, images=ignored.images, labels=ignored.labels)
    assert alike == dataclasses.replace(ignored, digests=None)
