"""CelebA's partition file in both layouts: the official one, and that of the paper's released file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from splitgen import Split, make_dataset, select_split
from splitgen.data.dataset import describe_dataset
from splitgen.errors import ExportError, SplitFileError
from splitgen.exports.celeba import read_partition
from splitgen.exports.reading import read_foreign_split
from splitgen.exports.registry import export_split
from splitgen.settings.stages import SelectionConfig

N_OPENED, N_OFFICIAL = 240, 300  # rows of train and validation, and of all three parts


@pytest.fixture(scope="module")
def dataset(digits):
    ids = tuple(f"{row + 1:06d}.jpg" for row in range(N_OPENED))
    return make_dataset("made", digits.images.take(np.arange(N_OPENED)), np.arange(N_OPENED) % 2, ids=ids)


@pytest.fixture(scope="module")
def split(dataset):
    """With validation and reserve."""
    scores = np.random.default_rng(0).normal(size=N_OPENED).astype(np.float32)
    config = SelectionConfig("label", 0.4, 0.1, 0.1)
    parts = select_split(scores, dataset.labels, dataset.ids, config).parts
    metadata = {"dataset": describe_dataset(dataset), "target": "label", "verification": None}
    return Split(dataset.ids, dataset.labels, dataset.labels, parts, scores, scores, metadata)


@pytest.fixture(params=["txt", "csv"])
def official(request, tmp_path):
    """The official file: names and numbers alone, or CSV; the last rows are its test."""
    codes = [0] * 200 + [1] * 40 + [2] * 60
    rows = [(f"{row + 1:06d}.jpg", code) for row, code in enumerate(codes)]
    path = tmp_path / f"list_eval_partition.{request.param}"
    if request.param == "txt":
        path.write_text("".join(f"{name} {code}\n" for name, code in rows))
    else:
        pd.DataFrame(rows, columns=["image_id", "partition"]).to_csv(path, index=False)
    return path


def count(path):
    return read_partition(path)["partition"].value_counts().to_dict()


def test_the_papers_layout_has_train_and_the_adversarial_test_and_leaves_the_reserve_out(split, tmp_path):
    export_split(split, "celeba", tmp_path / "out.csv", layout="paper")
    counts = split.counts()
    assert count(tmp_path / "out.csv") == {
        "0": counts["train"] + counts["validation"],
        "1": counts["test"],
        "-1": counts["reserve"],
    }


@pytest.mark.parametrize("layout", ["paper", "official"])
def test_with_the_official_file_all_of_its_rows_are_written_in_its_order(split, official, layout, tmp_path):
    export_split(split, "celeba", tmp_path / "out.csv", layout=layout, partition=official)
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found["image_id"]) == [f"{row + 1:06d}.jpg" for row in range(N_OFFICIAL)]
    assert (found["partition"][N_OPENED:] == (2 if layout == "paper" else -1)).all()
    test = 1 if layout == "paper" else 2
    assert np.array_equal(found["partition"][:N_OPENED] == test, split.parts == "test")


def test_the_papers_layout_comes_back_as_it_was_but_for_the_validation_that_it_has_not(
    split, dataset, official, tmp_path
):
    export_split(split, "celeba", tmp_path / "out.csv", layout="paper", partition=official)
    found = read_foreign_split(tmp_path / "out.csv", dataset, layout="paper")
    assert np.array_equal(found.parts, np.where(split.parts == "validation", "train", split.parts))


def test_the_official_layout_with_all_rows_comes_back_as_it_was(split, dataset, official, tmp_path):
    export_split(split, "celeba", tmp_path / "out.csv", partition=official)
    found = read_foreign_split(tmp_path / "out.csv", dataset, layout="official")
    assert np.array_equal(found.parts, split.parts)


def test_a_file_of_the_papers_layout_survives_an_import_on_all_rows_and_an_export(digits, split, official, tmp_path):
    ids = tuple(f"{row + 1:06d}.jpg" for row in range(N_OFFICIAL))
    whole = make_dataset("made", digits.images.take(np.arange(N_OFFICIAL)), np.arange(N_OFFICIAL) % 2, ids=ids)
    export_split(split, "celeba", tmp_path / "first.csv", layout="paper", partition=official)
    again = read_foreign_split(tmp_path / "first.csv", whole, layout="paper")
    export_split(again, "celeba", tmp_path / "second.csv", layout="paper", partition=official)
    assert (tmp_path / "second.csv").read_bytes() == (tmp_path / "first.csv").read_bytes()


def test_a_split_that_uses_the_official_test_has_no_file_in_the_papers_layout(digits, official, tmp_path):
    ids = tuple(f"{row + 1:06d}.jpg" for row in range(N_OFFICIAL))
    whole = make_dataset("made", digits.images.take(np.arange(N_OFFICIAL)), np.arange(N_OFFICIAL) % 2, ids=ids)
    uses = read_foreign_split(official, whole, kind="celeba")
    with pytest.raises(ExportError, match="uses '000241.jpg' and 59 more rows of the official test"):
        export_split(uses, "celeba", tmp_path / "out.csv", layout="paper", partition=official)
    assert not (tmp_path / "out.csv").exists()


def test_the_official_layout_comes_back_as_it_was(split, dataset, tmp_path):
    export_split(split, "celeba", tmp_path / "out.csv")
    for layout in (None, "official"):
        found = read_foreign_split(tmp_path / "out.csv", dataset, layout=layout)
        assert np.array_equal(found.parts, split.parts)


def test_the_official_file_itself_is_a_split_of_the_whole_dataset(digits, official):
    ids = tuple(f"{row + 1:06d}.jpg" for row in range(N_OFFICIAL))
    whole = make_dataset("made", digits.images.take(np.arange(N_OFFICIAL)), np.arange(N_OFFICIAL) % 2, ids=ids)
    found = read_foreign_split(official, whole, kind="celeba")
    assert found.counts() == {"train": 200, "validation": 40, "test": 60, "reserve": 0}


def test_an_official_file_of_other_rows_is_refused(split, tmp_path):
    (tmp_path / "other.txt").write_text("000001.jpg 0\n000002.jpg 2\n")
    with pytest.raises(ExportError, match="has no row for the split's '000003.jpg'"):
        export_split(split, "celeba", tmp_path / "out.csv", layout="paper", partition=tmp_path / "other.txt")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("000001.jpg 3\n", "row 0 has the partition '3', and not 0, 1, 2 or -1"),
        ("000001.jpg 0\n000001.jpg 1\n", "'000001.jpg' stands twice"),
        ("image_id,part\n000001.jpg,0\n", "it has no column partition"),
    ],
)
def test_a_file_that_is_no_partition_is_refused(text, words, dataset, tmp_path):
    (tmp_path / "bad.txt").write_text(text)
    with pytest.raises(SplitFileError) as caught:
        read_foreign_split(tmp_path / "bad.txt", dataset, layout="paper")
    assert words in str(caught.value)


def test_a_layout_is_of_celeba_alone(split, dataset, tmp_path):
    with pytest.raises(ExportError, match="leave out --layout"):
        export_split(split, "csv", tmp_path / "out.csv", layout="paper")
    with pytest.raises(ExportError, match="unknown layout 'mine'"):
        export_split(split, "celeba", tmp_path / "out.csv", layout="mine")
    with pytest.raises(SplitFileError, match="give --format celeba, and --layout official or paper"):
        read_foreign_split(tmp_path / "none.csv", dataset, kind="csv", layout="paper")
