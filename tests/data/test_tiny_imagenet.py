"""TinyImageNet's own layout, made with few images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from splitgen import DataConfig, open_dataset
from splitgen.errors import SourceError

WNIDS = ("n02", "n10", "n01")  # in no order, as in the archive
WORDS = "n01\tgoldfish, Carassius auratus\nn02\tcrane\nn03\tnot here\nn10\tcrane, grue\n"
N_TRAIN, N_VAL = 12, 10


def draw(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "tiny-imagenet-200"
    annotations = []
    for c, wnid in enumerate(WNIDS):
        for i in range(N_TRAIN):
            draw(root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", 60 * c + 4 * i)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("n02_0.JPEG\t0\t0\t62\t62\n")
        for i in range(N_VAL):
            number = 3 * i + c
            draw(root / "val" / "images" / f"val_{number}.JPEG", 60 * c + 4 * i + 2)
            annotations.append((number, f"val_{number}.JPEG\t{wnid}\t0\t32\t44\t62\n"))
    draw(root / "test" / "images" / "test_0.JPEG", 9)
    (root / "val" / "val_annotations.txt").write_text("".join(line for _, line in sorted(annotations)))
    (root / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    (root / "words.txt").write_text(WORDS)
    return root


def read(root, kind="folder", **settings):
    return open_dataset(DataConfig(f"{kind}:{root}", image_size=8, **settings))


@pytest.mark.parametrize("kind", ["folder", "tinyimagenet"])
def test_the_layout_is_recognised_with_names_and_labels_of_its_tables(root, kind):
    dataset = read(root, kind)
    assert dataset.source == "tinyimagenet:tiny-imagenet-200"
    assert dataset.class_names == ("goldfish", "crane", "crane, grue")
    assert dataset.class_counts.tolist() == [N_TRAIN] * 3
    assert dataset.ids[0] == "train/n01/images/n01_0.JPEG"
    assert int(dataset.images.take([0])[0, 0, 0, 0]) == pytest.approx(120, abs=3)  # n01 is the third of wnids.txt
    assert np.bincount(dataset.own_test.labels).tolist() == [N_VAL] * 3
    levels = dataset.own_test.images.take(range(3 * N_VAL)).float().mean(dim=(1, 2, 3)).numpy()
    assert (np.array([2, 0, 1])[dataset.own_test.labels] == (levels - 1) // 60).all()
    assert dataset.notes[0] == (
        "the layout of TinyImageNet: train is split, val is its own test set, the images of test have no labels"
    )


def test_val_may_be_split_and_test_may_not(root):
    dataset = read(root, part="valid")
    assert (dataset.n_points, dataset.own_test) == (3 * N_VAL, None)
    assert dataset.ids[0] == "val/images/val_0.JPEG"
    assert dataset.class_names[int(dataset.labels[0])] == "crane"
    with pytest.raises(SourceError, match="no part 'test' with labels; give --part with one .*: train, val"):
        read(root, part="test")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "val/val_annotations.txt",
            "val_0.JPEG\tn02\nval_99.JPEG\tn02\n",
            r"1 images of val/.* \(first: 'val_99.JPEG'\)",
        ),
        ("val/val_annotations.txt", "val_0.JPEG\tn99\n", "val/val_annotations.txt has the classes 'n99'"),
        ("val/val_annotations.txt", "val_0.JPEG n02\n", "line 1 of val/val_annotations.txt is no file name and class"),
        ("wnids.txt", "n01\nn02\n", "has the classes 'n10'; list them in wnids.txt, too"),
        ("wnids.txt", "n01\nn02\nn10\nn11\n", "class 'n11' has 0 rows"),
    ],
)
def test_tables_that_do_not_fit_are_refused_in_a_line(root, name, text, message):
    (root / name).write_text(text)
    with pytest.raises(SourceError, match=message) as caught:
        read(root)
    assert "\n" not in str(caught.value)


def test_another_folder_is_not_of_this_layout(root, tmp_path):
    with pytest.raises(SourceError, match="it has not the layout of TinyImageNet"):
        read(tmp_path, "tinyimagenet")
    (root / "words.txt").unlink()
    assert read(root).class_names == ("n01", "n02", "n10")
