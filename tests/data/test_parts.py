"""Parts of a dataset by the names of its files, as people and the hub name them."""

from __future__ import annotations

import re

import pytest

from splitgen.data.listings.parts import expand_braces, find_parts
from splitgen.errors import SourceError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def find(argument, wanted=None):
    return find_parts("parquet:x", str(argument), ".parquet", wanted)


def names(part, root):
    return None if part is None else [path.relative_to(root).as_posix() for path in part.files]


# files in a folder, what is asked for of it; the files to open, those of the own test set, and notes
CASES = {
    "a file": (["a.parquet"], "a.parquet", ["a.parquet"], None, ()),
    "files without parts": (["b.parquet", "a.parquet"], "", ["a.parquet", "b.parquet"], None, ()),
    "as the hub has them": (
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet"],
        "",
        ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        ["test-00000-of-00001.parquet"],
        ("part 'test' is the own test set (test-00000-of-00001.parquet)",),
    ),
    "a glob of train files": (
        ["train-00000-of-00001.parquet", "test-00000-of-00001.parquet"],
        "train-*.parquet",
        ["train-00000-of-00001.parquet"],
        ["test-00000-of-00001.parquet"],
        ("part 'test' is the own test set (test-00000-of-00001.parquet)",),
    ),
    "validation where there is no test": (
        ["train.parquet", "val.parquet"],
        "",
        ["train.parquet"],
        ["val.parquet"],
        ("part 'validation' is the own test set (val.parquet)",),
    ),
    "a validation part that is not used": (
        ["train.parquet", "dev.parquet", "test.parquet"],
        "",
        ["train.parquet"],
        ["test.parquet"],
        ("parts that are there and not used: validation", "part 'test' is the own test set (test.parquet)"),
    ),
    "a test file alone": (["test.parquet"], "", ["test.parquet"], None, ("part 'test' is opened",)),
    "a missing file of a series": (
        ["train-00001-of-00003.parquet"],
        "",
        ["train-00001-of-00003.parquet"],
        None,
        ("1 of 3 files 'train-*-of-00003' are there: the rows of the others are missing",),
    ),
    "a dataset's name before the part": (
        ["cifar_train_0.parquet", "cifar_train_1.parquet", "cifar_test.parquet"],
        "",
        ["cifar_train_0.parquet", "cifar_train_1.parquet"],
        ["cifar_test.parquet"],
        ("part 'test' is the own test set (cifar_test.parquet)",),
    ),
    "another dataset's test file is no own test set": (
        ["cifar_train.parquet", "mnist_test.parquet"],
        "cifar_train.parquet",
        ["cifar_train.parquet"],
        None,
        (),
    ),
    "a part of a name of its own": (
        ["train-00000-of-00001.parquet", "train_small-00000-of-00001.parquet"],
        "",
        ["train-00000-of-00001.parquet"],
        None,
        ("parts that are there and not used: train_small",),
    ),
    "a word that has train in it": (
        ["trains.parquet", "contest.parquet"],
        "",
        ["contest.parquet", "trains.parquet"],
        None,
        (),
    ),
    "a file of no part beside parts": (
        ["train.parquet", "names.parquet"],
        "",
        ["train.parquet"],
        None,
        ("left out, as the names tell no part: names.parquet",),
    ),
    "files in folders of parts": (
        ["data/train/0.parquet", "data/train/1.parquet", "data/test/0.parquet"],
        "",
        ["data/train/0.parquet", "data/train/1.parquet"],
        ["data/test/0.parquet"],
        ("part 'test' is the own test set (0.parquet)",),
    ),
    "the folder of a part": (
        ["data/train/0.parquet", "data/test/0.parquet"],
        "data/train",
        ["data/train/0.parquet"],
        ["data/test/0.parquet"],
        ("part 'test' is the own test set (0.parquet)",),
    ),
    "hidden files": (
        [".cache/x.parquet", "data/.x.parquet", "data/_x.parquet", "data/a.parquet"],
        "",
        ["data/a.parquet"],
        None,
        (),
    ),
    "a name with marks of a glob": (["a[1].parquet", "a1.parquet"], "a[1].parquet", ["a[1].parquet"], None, ()),
    "braces": (["a0.parquet", "a1.parquet", "a2.parquet"], "a{0..1}.parquet", ["a0.parquet", "a1.parquet"], None, ()),
    "a glob through folders": (
        ["x/a.parquet", "y/b.parquet"],
        "**/*.parquet",
        ["x/a.parquet", "y/b.parquet"],
        None,
        (),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_files_and_the_own_test_set_are_found_and_told(case, tmp_path):
    files, argument, part, own_test, notes = CASES[case]
    touch(tmp_path / "root", *files)
    found = find(tmp_path / "root" / argument if argument else tmp_path / "root")
    assert names(found.part, tmp_path / "root") == part
    assert names(found.own_test, tmp_path / "root") == own_test
    assert found.notes == notes


@pytest.mark.parametrize("wanted", ["validation", "val", "VALID", "dev"])
def test_a_part_is_asked_for_by_any_usual_name(wanted, tmp_path):
    touch(tmp_path, "train.parquet", "valid.parquet", "test.parquet")
    found = find(tmp_path, wanted)
    assert (names(found.part, tmp_path), names(found.own_test, tmp_path)) == (["valid.parquet"], ["test.parquet"])
    assert found.notes[0] == "part 'validation' is opened"
    assert find(tmp_path, "test").own_test is None


BAD = {
    "nothing": ([], "", None, "no .parquet files are there; give a file, a folder or a glob"),
    "no such file": (["a.parquet"], "b.parquet", None, "there is no file '.*b.parquet'"),
    "no such files": (["a.parquet"], "b*.parquet", None, r"there is no file '.*b\*.parquet'"),
    "one of the braces": (["a0.parquet"], "a{0..2}.parquet", None, "there is no file '.*a1.parquet'"),
    "several datasets": (["x/a.parquet", "y/a.parquet"], "", None, "lie in 2 folders; give one of them: x, y"),
    "two configurations": (
        ["x/train-00000-of-00001.parquet", "y/train-00000-of-00001.parquet"],
        "",
        None,
        "its .parquet files lie in 2 folders",
    ),
    "two names": (
        ["train.parquet", "train_small.parquet"],
        "",
        None,
        "its files of part 'train' have different names: train.parquet, train_small.parquet",
    ),
    "no train": (["test.parquet", "val.parquet"], "", None, "it has no part 'train'; give --part, one of: test, valid"),
    "no such part": (["train.parquet"], "", "test", "it has no part 'test'; its parts are: train"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_told_is_refused_in_a_line(case, tmp_path):
    files, argument, wanted, words = BAD[case]
    root = tmp_path / "root"
    root.mkdir()
    touch(root, *files)
    with pytest.raises(SourceError) as error:
        find(root / argument if argument else root, wanted)
    assert re.search(words, str(error.value)), str(error.value)


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [
        ("a", ["a"]),
        ("a{0..2}", ["a0", "a1", "a2"]),
        ("a{08..10}", ["a08", "a09", "a10"]),
        ("a{2..0}", ["a2", "a1", "a0"]),
        ("{a,b}{0..1}", ["a0", "a1", "b0", "b1"]),
        ("a{b}", ["a{b}"]),
        ("a{,b}", ["a", "ab"]),
        ("a{}", ["a{}"]),
    ],
)
def test_braces_count_and_list(pattern, expanded):
    assert expand_braces("x", pattern) == expanded
