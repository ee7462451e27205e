"""Predicted classes: the right accuracy for what is right, and a line for each thing that is no class."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

import splitgen
from splitgen.check.judgement import judge_predictions, read_predictions
from splitgen.errors import PredictionsError

LABELS = np.arange(40) % 4
PARTS = np.array(["train", "train", "validation", "test", "test"] * 8)
TEST = np.flatnonzero(PARTS == "test")
IDS = tuple(f"class{label}/{row}.png" for row, label in enumerate(LABELS))
NOTHING = np.zeros(40, np.float32)


def make(targets=LABELS, names=("a", "b", "c", "d"), target="label"):
    metadata = {"dataset": {"class_names": list(names)}, "target": target}
    return splitgen.Split(IDS, LABELS, targets, PARTS, NOTHING, NOTHING, metadata)


SPLIT = make()
BINARY = make((LABELS >= 2).astype(np.int64), target="2,3")
RIGHT = LABELS[TEST].copy()
WRONG = RIGHT.copy()
WRONG[:4] = (WRONG[:4] + 1) % 4  # 12 of 16 are right


def accuracy(split, predictions, **settings):
    return splitgen.assert_robust(split, predictions, fail_under=0, **settings).means["test_accuracy"]


@pytest.mark.parametrize(
    "kind",
    [
        list,
        tuple,
        np.asarray,
        pd.Series,
        torch.tensor,
        np.float64,
        np.float32,
        np.uint8,
        np.uint64,
        np.object_,
    ],
)
def test_whole_numbers_of_any_kind_give_the_accuracy(kind):
    assert accuracy(SPLIT, kind(WRONG)) == 0.75
    assert accuracy(SPLIT, kind(RIGHT)) == 1.0


def test_tensors_with_a_gradient_are_predictions_too():
    assert accuracy(SPLIT, torch.tensor(WRONG, dtype=torch.float32, requires_grad=True)) == 0.75


def test_all_rows_may_lack_predictions_outside_of_the_test_part_only():
    everywhere = np.full(40, -1)
    everywhere[TEST] = WRONG
    assert accuracy(SPLIT, everywhere) == accuracy(SPLIT, everywhere.astype(float)) == 0.75
    everywhere[TEST[2]] = -1
    with pytest.raises(PredictionsError, match=f"1 of 16 test rows have no prediction .first: row {TEST[2]}"):
        accuracy(SPLIT, everywhere)


def test_booleans_are_classes_where_there_are_two():
    right = BINARY.targets[TEST].astype(bool)
    assert accuracy(BINARY, right) == accuracy(BINARY, list(right)) == 1.0
    assert accuracy(BINARY, ~right) == 0.0
    with pytest.raises(PredictionsError, match="no class numbers .first: .*, position 0.; the target's are 0..3"):
        accuracy(SPLIT, right)


def spoil(value, dtype=None):
    return np.array([*RIGHT[:-1].tolist(), value], dtype=dtype)


PROBABILITIES = np.full((16, 4), 0.25)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            spoil(0.5),
            "(first: 0.5, position 15); the target's are 0..3; of probabilities, take the argmax",
        ),
        (np.linspace(0.01, 0.99, 16), "no class numbers (first: 0.01, position 0)"),
        (spoil(np.nan), "no class numbers (first: nan, position 15)"),
        (spoil(np.inf), "no class numbers (first: inf, position 15)"),
        (spoil(None, object), "no class numbers (first: None, position 15)"),
        (spoil("2", object), "no class numbers (first: '2', position 15)"),
        (RIGHT.astype(str), "no class numbers (first: "),
        (RIGHT + 0j, "no class numbers (first: "),
        (spoil(True, object), "no class numbers (first: True, position 15)"),
        (spoil(4), "prediction 4 is no class (position 15); the target's are 0..3"),
        (spoil(-1), "prediction -1 is no class (position 15)"),
        (spoil(2**63, np.uint64), f"prediction {2**63} is no class"),
        (spoil(2.0**64 + 2**20), "prediction 18446744073710600192 is no class"),
        (spoil(1e300), "prediction 1000000000000000052504"),
        (
            PROBABILITIES,
            "shape (16, 4), not one class for each row; give a 1-D array; of probabilities",
        ),
        (np.full((40, 4), 0.25), "take argmax(axis=1)"),
        (RIGHT[:, None], "shape (16, 1), not one class for each row"),
        (np.int64(3), "shape (), not one class for each row"),
        ([[1], [1, 2]], "it is no array of numbers"),
        (RIGHT[:-1], "shape (15,), the split has 16 test rows of 40"),
        (np.full(40, -2), "prediction -2 is no class (position 0)"),
    ],
)
def test_what_is_no_class_is_refused_in_a_line_as_predictions_and_as_control(given, message):
    for predictions, control in ((given, None), (RIGHT, given)):
        with pytest.raises(PredictionsError) as caught:
            accuracy(SPLIT, predictions, control=control)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.name == ("predictions" if control is None else "control")


def test_the_classes_are_those_of_the_target():
    """A class that no row has is one where the dataset names it; a target of sides has two."""
    assert accuracy(make(names="abcde"), spoil(4)) == 15 / 16
    with pytest.raises(PredictionsError, match="prediction 4 is no class"):
        accuracy(SPLIT, spoil(4))
    with pytest.raises(PredictionsError, match=r"prediction 2 is no class .position 15.; the target's are 0\.\.1"):
        accuracy(BINARY, [*BINARY.targets[TEST][:-1], 2])
    unnamed = dataclasses.replace(SPLIT, metadata={})
    assert accuracy(unnamed, WRONG) == 0.75
    with pytest.raises(PredictionsError, match=r"the target's are 0\.\.3"):
        accuracy(unnamed, spoil(4))


def write(folder, **columns):
    pd.DataFrame(columns).to_parquet(folder / "p.parquet")
    return folder / "p.parquet"


def test_files_are_read_by_index_by_id_or_by_both(tmp_path):
    keys = [IDS[row] for row in TEST]
    for columns in ({"index": TEST}, {"index": TEST.astype(float)}, {"id": keys}, {"index": TEST, "id": keys}):
        found = read_predictions(write(tmp_path, **columns, prediction=WRONG), SPLIT)
        assert (found[TEST] == WRONG).all()
        assert (found[PARTS != "test"] == -1).all()
        assert judge_predictions(SPLIT, found, "m").means["test_accuracy"] == 0.75


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"index": [3, 4], "id": [IDS[3], IDS[8]]},
            f"index 4 is '{IDS[4]}', but stands beside the id '{IDS[8]}'; correct one",
        ),
        ({"index": [3, 4], "id": [IDS[3], "other"]}, "stands beside the id 'other'"),
        ({"index": [True, False]}, "index True is no row number; rows are 0..39"),
        ({"index": [3, 4.5]}, "index 4.5 is no row number"),
        ({"index": [3, np.nan]}, "index nan is no row number"),
        ({"index": ["3", "4"]}, "index '3' is no row number"),
        ({"index": [3, 40]}, "the split has no row 40; rows are 0..39"),
        ({"index": [3, -1]}, "the split has no row -1"),
        ({"index": np.array([3, 2**64 - 37], np.uint64)}, f"the split has no row {2**64 - 37}"),
        ({"index": [3, 2.0**64]}, f"the split has no row {2**64}"),
        ({"id": [IDS[3], "other"]}, f"the split has no id 'other'; its ids look like '{IDS[0]}'"),
        ({"index": [3, 4], "prediction": [1, 2**40]}, f"prediction {2**40} is no class"),
        ({"index": [3, 4], "prediction": np.array([1, 2**64 - 1], np.uint64)}, f"prediction {2**64 - 1} is no class"),
        ({"index": [3, 4], "prediction": [1, 0.9]}, "first: 0.9, position 1"),
        ({"index": [3, 4], "prediction": [1, -1]}, "prediction -1 is no class"),
        ({"index": [3, 4], "prediction": [True, False]}, "first: True, position 0"),
    ],
)
def test_a_file_with_other_rows_or_classes_is_refused_in_a_line(tmp_path, columns, message):
    path = write(tmp_path, **{"prediction": [1, 1], **columns})
    with pytest.raises(PredictionsError) as caught:
        read_predictions(path, SPLIT)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


KEYS = [IDS[row] for row in TEST]


def lines(header, keys, separator=","):
    rows = [f"{key}{separator}{prediction}" for key, prediction in zip(keys, WRONG, strict=True)]
    return "\n".join([f"{header[0]}{separator}{header[1]}", *rows])


@pytest.mark.parametrize(
    "text",
    [
        lines(("id", "prediction"), [f" {key} " for key in KEYS]),
        lines(("id", "prediction"), [f"./{key}" for key in KEYS]),
        lines(("\ufeffid", " prediction "), [key.replace("/", "\\") for key in KEYS], ";"),
        lines(("file_name", "predicted"), KEYS, "\t"),
        lines(("", "prediction"), KEYS),
        lines(("index", "prediction"), TEST),
        lines(("index", "prediction"), [f"{row}.0" for row in TEST]),
    ],
)
def test_a_text_of_predictions_is_joined_however_it_names_the_rows(tmp_path, text):
    (tmp_path / "P.CSV").write_text(text)
    found = read_predictions(tmp_path / "P.CSV", SPLIT)
    assert (found[TEST] == WRONG).all()
    assert (found[PARTS != "test"] == -1).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"id,prediction\n{IDS[3]},1\n./{IDS[3]},2\n", f"row 3 stands twice (id '{IDS[3]}'); give one prediction"),
        ("index,prediction\n3,1\n3,2\n", f"row 3 stands twice (id '{IDS[3]}')"),
        ("id,prediction\n,1\n", "column 'id' is empty in row 0"),
        ("id,prediction\n", "it has no rows"),
        ("id,prediction\nother,1\n", "the split has no id 'other'"),
        ("file,prediction\na,1\n", "it has no column 'id'; its columns are file, prediction"),
        (f"id,path,prediction\n17,{IDS[3]},1\n", "no id '17'; its column 'path' has the ids: leave out 'id'"),
        ("path,prediction\na.png,1\n", "the values of 'path' are no ids of the dataset"),
        ("index,prediction\n007,1\n8,1\n", "index '007' is no row number"),
        ("index,prediction\nTrue,1\n", "index True is no row number"),
        ("index,prediction\n,1\n3,1\n", "index nan is no row number"),
        (f"id,prediction\n{IDS[3]},\n", "no class numbers (first: None, position 0)"),
        (f"id,prediction\n{IDS[3]},NA\n", "no class numbers (first: 'NA', position 0)"),
        (f"id,prediction\n{IDS[3]},1,2\n", "line 2 has 3 fields, the header 2"),
        (f"index,file_name,prediction\n4,{IDS[3]},1\n", f"index 4 is '{IDS[4]}', but stands beside the id '{IDS[3]}'"),
        (f"id,label\n{IDS[3]},1\n", "its columns are id, label; give columns index (or id) and prediction"),
    ],
)
def test_a_text_of_predictions_that_cannot_be_joined_is_one_line(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(PredictionsError) as caught:
        read_predictions(tmp_path / "p.csv", SPLIT)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_series_is_joined_by_an_index_of_ids_or_of_the_rows_that_it_predicts():
    order = np.random.default_rng(0).permutation(len(TEST))
    for keys in (np.array(KEYS, dtype=object), TEST):
        shuffled = pd.Series(WRONG, index=keys).iloc[order]
        assert accuracy(SPLIT, shuffled) == 0.75
        assert accuracy(SPLIT, shuffled.sort_index()) == 0.75
    assert accuracy(SPLIT, pd.Series(WRONG, index=np.arange(16) % 8)) == 0.75  # of batches: it says nothing
    everywhere = pd.Series(np.where(PARTS == "test", LABELS, -1), index=IDS).sample(frac=1, random_state=0)
    assert accuracy(SPLIT, everywhere) == 1.0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([*KEYS[:-1], "other"], "the split has no id 'other'"),
        ([*KEYS[:-1], f"./{KEYS[0]}"], f"id '{KEYS[0]}' stands twice"),
        ([*KEYS[:-1], IDS[0]], "1 of 16 test rows have no prediction"),
    ],
)
def test_a_series_of_other_rows_is_refused_in_a_line(keys, message):
    with pytest.raises(PredictionsError) as caught:
        accuracy(SPLIT, pd.Series(WRONG, index=keys))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_id_beside_an_index_says_nothing(tmp_path):
    found = read_predictions(write(tmp_path, index=[3, 4], id=[None, IDS[4]], prediction=[1, 2]), SPLIT)
    assert found[3:5].tolist() == [1, 2]


def test_ids_that_are_numbers_join_a_series_as_numbers():
    split = dataclasses.replace(SPLIT, ids=tuple(str(1000 + row) for row in range(40)))
    given = pd.Series(WRONG, index=[1000 + row for row in TEST]).sample(frac=1, random_state=0)
    assert accuracy(split, given) == 0.75
    assert accuracy(split, pd.Series(WRONG)) == 0.75  # counts from 0: in the order of the test rows
    for index in ([2000 + row for row in TEST], pd.MultiIndex.from_product([range(4), range(4)])):
        with pytest.raises(PredictionsError, match="the split has no id"):
            accuracy(split, pd.Series(WRONG, index=index))


def test_predictions_of_other_rows_are_not_taken_for_the_test_rows():
    train = np.flatnonzero(PARTS == "train")
    with pytest.raises(PredictionsError):
        accuracy(SPLIT, pd.Series(LABELS[train], index=train))


def test_a_model_that_has_learned_nothing_does_not_pass_by_its_small_drop():
    constant = np.zeros(40, np.int64)
    with pytest.raises(AssertionError, match="not learned"):
        splitgen.assert_robust(SPLIT, constant, control=constant, max_drop=0.05)
