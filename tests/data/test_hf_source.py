"""Datasets of Hugging Face's library: saved ones, and what is said where the hub is out of reach."""

from __future__ import annotations

import builtins
import re

import datasets
import numpy as np
import pytest
from encoded_digits import CONTENTS, IMAGES, LABELS, NAMES, PATHS, STRUCTS, contents, refuse, texts, write_files

from splitgen import DataConfig, open_dataset
from splitgen.data.sources.hf import list_hf, parse_spec

CLASSES = datasets.ClassLabel(names=list(NAMES))
KEYS = [path.split("/")[1] for path in PATHS]  # what saving leaves of a path
ROW_NUMBERS = tuple(map(str, range(60)))
NUMBERS = ("0", "1", "2", "3")


@pytest.fixture(autouse=True)
def _quiet():
    datasets.disable_progress_bars()


def make(columns=None, features=None, rows=range(60)):
    """A dataset of the 60 scans; None takes a column out."""
    features = {"image": datasets.Image(), "label": CLASSES, **(features or {})}
    columns = {"image": STRUCTS, "label": LABELS, **(columns or {})}
    columns = {name: [values[row] for row in rows] for name, values in columns.items() if values is not None}
    kinds = {name: kind for name, kind in features.items() if name in columns}
    known = datasets.Features(kinds) if len(kinds) == len(columns) else None
    return datasets.Dataset.from_dict(columns, features=known)


def save(dataset, folder):
    dataset.save_to_disk(str(folder))
    return folder


def listed(argument, **settings):
    return list_hf(str(argument), DataConfig(**settings))


def refused(argument, **settings):
    return refuse(list_hf, argument, **settings)


PLAIN = [{"bytes": content, "path": None} for content in CONTENTS]
TEXT = datasets.Value("string")
GOOD = {
    "images and classes": ({}, {}, KEYS, NAMES),
    "images without paths": ({"image": PLAIN}, {}, ROW_NUMBERS, NAMES),
    "numbers": ({}, {"label": datasets.Value("int32")}, KEYS, NUMBERS),
    "text": ({"label": texts(LABELS)}, {"label": TEXT}, KEYS, NAMES),
    "plain bytes": ({"image": CONTENTS}, {"image": datasets.Value("binary")}, ROW_NUMBERS, NAMES),
    "large bytes": ({"image": CONTENTS}, {"image": datasets.Value("large_binary")}, ROW_NUMBERS, NAMES),
    "images that are not to be decoded": ({}, {"image": datasets.Image(decode=False)}, KEYS, NAMES),
    "an id column": ({"id": PATHS}, {"id": TEXT}, PATHS, NAMES),
    "an id column that repeats": ({"id": ["x"] * 60}, {"id": TEXT}, KEYS, NAMES),
    "other names": (
        {"image": None, "label": None, "scan": STRUCTS, "digit": LABELS},
        {"scan": datasets.Image(), "digit": CLASSES},
        KEYS,
        NAMES,
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_saved_dataset_gives_its_images_labels_names_and_ids(case, tmp_path):
    columns, features, ids, names = GOOD[case]
    found = listed(save(make(columns, features), tmp_path / "digits"))
    assert contents(found) == CONTENTS
    assert (found.labels.tolist(), found.class_names) == (LABELS, names)
    assert found.ids == tuple(ids)
    assert (found.source, found.own_test, found.notes) == ("hf:digits", None, ())


BAD = {
    "a null image": ({"image": [*STRUCTS[:7], None, *STRUCTS[8:]]}, {}, "row 7 has no image; repair the rows"),
    "a null label": ({"label": [*LABELS[:9], None, *LABELS[10:]]}, {}, "row 9 has no label"),
    "no label": ({"label": [*LABELS[:9], -1, *LABELS[10:]]}, {}, r"row 9 has the label -1, which means none \(1 such"),
    "two images": (
        {"image": None, "left": STRUCTS, "right": STRUCTS},
        {"left": datasets.Image(), "right": datasets.Image()},
        "2 columns may have the images; give --image-column: left, right",
    ),
    "two labels": (
        {"label": None, "fine_label": LABELS, "coarse_label": LABELS},
        {"fine_label": CLASSES, "coarse_label": CLASSES},
        "2 columns may have the labels; give --label-column: fine_label, coarse_label",
    ),
    "no images": ({"image": None, "x": LABELS}, {"x": datasets.Value("int64")}, "no column has a usual name of images"),
    "images that are gone": (
        {"image": [f"gone/{path}" for path in PATHS]},
        {"image": TEXT},
        "row 0 names 'gone/nought/",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_in_a_saved_dataset_is_said_in_a_line(case, tmp_path):
    columns, features, words = BAD[case]
    message = refused(save(make(columns, features), tmp_path / "digits"))
    assert message.startswith("dataset 'hf:digits': ")
    assert re.search(words, message), message


def test_splits_are_parts_and_the_test_split_is_the_own_test_set(tmp_path):
    labels = [-1, *LABELS[1:]]
    splits = {"train": make(), "validation": make(rows=range(10)), "test": make({"label": labels})}
    path = save(datasets.DatasetDict(splits), tmp_path / "digits")
    found = listed(path)
    assert (contents(found), found.labels.tolist()) == (CONTENTS, LABELS)
    assert (contents(found.own_test), found.own_test.labels.tolist()) == (CONTENTS[1:], LABELS[1:])
    assert found.notes == (
        "part 'test' is the own test set (60 rows)",
        "parts that are there and not used: validation",
        "its own test set: one row with the label -1, which means none, left out",
    )
    for chosen in (listed(f"{path}@validation"), listed(path, part="val")):
        assert contents(chosen) == CONTENTS[:10]
        assert chosen.notes[0] == "part 'validation' is opened"
    assert listed(f"{path}@validation").source == "hf:digits@validation"
    assert "it has no part 'x'; its parts are: test, train, validation" in refused(f"{path}@x")
    assert "it asks for @train, --part for test; give one of them" in refused(f"{path}@train", part="test")


def test_an_own_test_split_of_other_classes_is_refused_and_of_other_order_goes_by_name(tmp_path):
    other = datasets.ClassLabel(names=list(NAMES[::-1]))
    turned = make({"label": [3 - c for c in LABELS]}, {"label": other})
    path = save(datasets.DatasetDict({"train": make(), "test": turned}), tmp_path / "turned")
    assert listed(path).own_test.labels.tolist() == LABELS
    other = datasets.ClassLabel(names=["nought", "one", "three", "seven"])
    path = save(datasets.DatasetDict({"train": make(), "test": make(features={"label": other})}), tmp_path / "other")
    message = refused(path)
    assert "hf:other, its own test set': it has the class 'seven', which the train part lacks" in message


def test_a_test_split_without_labels_is_not_used_and_that_is_told(tmp_path):
    path = save(datasets.DatasetDict({"train": make(), "test": make({"label": None})}), tmp_path / "digits")
    found = listed(path)
    assert (found.labels.tolist(), found.own_test) == (LABELS, None)
    assert found.notes[-1] == "its own test set has no labels and is not used"


def test_splits_of_other_names_are_chosen_by_the_user(tmp_path):
    path = save(datasets.DatasetDict({"a": make(), "b": make(rows=range(30, 60))}), tmp_path / "digits")
    assert "it has no part 'train'; give --part, one of: a, b" in refused(path)
    assert listed(f"{path}@b").labels.tolist() == LABELS[30:]
    assert "it has no part 'test'" in refused(save(make(), tmp_path / "one"), part="test")


def test_rows_that_cannot_be_used_are_left_out_on_demand(tmp_path):
    path = save(make({"image": [None, *STRUCTS[1:]]}), tmp_path / "digits")
    found = listed(path, skip_unreadable=True)
    assert (contents(found), found.labels.tolist()) == (CONTENTS[1:], LABELS[1:])
    assert found.notes == ("one row left out (first: row 0 has no image)",)


def test_images_in_files_are_read_within_the_folder_only(tmp_path):
    inside = save(make({"image": PATHS}, {"image": TEXT}), tmp_path / "digits")
    write_files(inside, IMAGES)
    assert contents(listed(inside)) == CONTENTS
    write_files(tmp_path / "photos", IMAGES)
    outside = save(make({"image": [str(tmp_path / "photos" / p) for p in PATHS]}, {"image": TEXT}), tmp_path / "out")
    assert "which is outside of the folder of the table (60 such rows); give --follow-links" in refused(outside)
    assert contents(listed(outside, follow_links=True)) == CONTENTS


def test_a_changed_dataset_has_another_stamp(tmp_path):
    path = save(make(), tmp_path / "digits")
    before = listed(path).pictures.stamp()
    assert before == listed(path).pictures.stamp() != ""
    save(make(rows=range(59, -1, -1)), path)
    assert listed(path).pictures.stamp() != before


def test_names_of_the_hub_configurations_and_splits_are_told_apart(tmp_path):
    assert parse_spec("mnist").source == "hf:mnist"
    spec = parse_spec("org/name:plain_text@test")
    assert (spec.name, spec.config, spec.split, spec.source) == (
        *("org/name", "plain_text", "test"),
        "hf:org/name:plain_text@test",
    )
    odd = tmp_path / "a:b@c"
    odd.mkdir()
    assert parse_spec(str(odd)).source == "hf:a:b@c"
    assert (parse_spec(f"{odd}@test").name, parse_spec(f"{odd}@test").split) == (str(odd), "test")


def test_a_name_of_the_hub_is_loaded_by_the_library_without_code_of_others(monkeypatch, tmp_path):
    asked = []

    def load_dataset(*names, **settings):
        asked.append((names, settings))
        return datasets.DatasetDict({"train": make(), "test": make(rows=range(30))})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = listed("org/digits:small")
    assert (contents(found), found.source) == (CONTENTS, "hf:org/digits:small")
    assert found.own_test.labels.tolist() == LABELS[:30]
    assert asked == [(("org/digits", "small"), {})]
    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    listed("org/digits@test")
    assert asked[1] == (("org/digits", None), {"trust_remote_code": False})


def test_a_hub_that_is_out_of_reach_a_missing_folder_and_another_folder_are_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert re.search("'hf:no/such': it cannot be loaded .*; give a folder of save_to_disk", refused("no/such"))
    assert "there is no such folder" in refused(tmp_path / "nothing")
    assert "there is no such folder" in refused("a/b/c")
    write_files(tmp_path / "photos", IMAGES)
    message = refused(tmp_path / "photos")
    assert "'hf:photos': it is no saved dataset; give a folder of save_to_disk; for files use parquet:PATH" in message
    path = save(make(), tmp_path / "digits")
    (path / "state.json").write_text("{")
    assert "'hf:digits': it cannot be read (" in refused(path)
    path = save(make(), tmp_path / "cut")
    file = next(path.glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:100])
    assert "'hf:cut': it cannot be read (" in refused(path)


def test_a_missing_library_is_a_line(monkeypatch, tmp_path):
    before = builtins.__import__

    def refuse_it(name, *more, **settings):
        if name == "datasets":
            raise ImportError(name)
        return before(name, *more, **settings)

    monkeypatch.setattr(builtins, "__import__", refuse_it)
    assert "the library datasets is not installed; install it with: pip install 'splitgen[hf]'" in refused("mnist")


def test_a_dataset_opens_from_a_saved_folder(tmp_path):
    found = open_dataset(DataConfig(f"hf:{save(make(), tmp_path / 'digits')}", image_size=8))
    assert (found.class_names, found.n_points, found.source) == (NAMES, 60, "hf:digits")
    assert np.array_equal(found.labels, LABELS)
