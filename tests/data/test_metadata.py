"""Tables about the datapoints, joined by id."""

from __future__ import annotations

import pandas as pd
import pytest

from splitgen import DataConfig, open_dataset
from splitgen.data.metadata import Groups, read_codes, read_metadata
from splitgen.errors import MetadataError, SettingError
from splitgen.settings.layers import build_config

IDS = ("b/1.png", "a/0.png", "a/1.png")


def write(folder, rows, name="attrs.csv"):
    path = folder / name
    frame = pd.DataFrame(rows)
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["attrs.csv", "attrs.parquet"])
def test_rows_are_joined_by_id_in_the_order_of_the_dataset_and_others_left_out(tmp_path, name):
    path = write(tmp_path, {"id": ["a/0.png", "a/1.png", "b/1.png", "c/9.png"], "age": [1, 2, 3, 4]}, name)
    assert read_metadata(path, IDS)["age"].tolist() == [3, 1, 2]


def test_ids_are_texts_so_leading_zeros_stay_and_whole_numbers_match_row_numbers(tmp_path):
    assert read_metadata(write(tmp_path, {"id": ["007", "7"], "x": [1, 2]}), ["7", "007"])["x"].tolist() == [2, 1]
    path = write(tmp_path, {"id": [1, 0], "x": [5, 6]}, "attrs.parquet")
    assert read_metadata(path, ["0", "1"])["x"].tolist() == [6, 5]


def test_groups_are_numbered_by_the_sorted_values_of_the_column(tmp_path):
    path = write(tmp_path, {"id": IDS, "patient": ["zoe", "abe", "zoe"]})
    groups = Groups("patient", read_codes(path, "patient", IDS))
    assert (groups.column, groups.codes.tolist(), groups.n_groups) == ("patient", [1, 0, 1], 2)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"name": IDS, "patient": [1, 2, 3]}, "no column 'id'; its columns are name, patient"),
        ({"id": IDS[:2], "patient": [1, 2]}, "1 datapoints have no row (first: id 'a/1.png')"),
        ({"id": [*IDS, "a/0.png"], "patient": [1, 2, 3, 4]}, "id 'a/0.png' stands twice"),
        ({"id": IDS, "patient": [1, None, 3]}, "column 'patient' is empty for id 'a/0.png'"),
        ({"id": IDS, "scene": [1, 2, 3]}, "no column 'patient'; its columns are scene"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(tmp_path, rows, message):
    with pytest.raises(MetadataError) as caught:
        read_codes(write(tmp_path, rows), "patient", IDS)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_a_file_that_is_missing_or_no_table_is_refused_in_one_line(tmp_path, name):
    with pytest.raises(MetadataError, match="cannot be read"):
        read_metadata(tmp_path / name, IDS)
    (tmp_path / name).write_bytes(b"\xff\xfe\x00 \x00,,\n1")
    with pytest.raises(MetadataError) as caught:
        read_metadata(tmp_path / name, IDS)
    assert "\n" not in str(caught.value)


def test_a_dataset_opened_with_a_group_column_carries_its_groups(tmp_path, digits):
    path = write(tmp_path, {"id": digits.ids, "writer": [int(i) // 30 for i in digits.ids]})
    dataset = open_dataset(DataConfig("digits", metadata=str(path), group_column="writer"))
    assert dataset.groups.n_groups == 60
    assert dataset.fingerprint == digits.fingerprint


def test_a_group_column_without_a_table_is_refused():
    with pytest.raises(SettingError, match="group_column must be given together with metadata"):
        build_config({"data": {"group_column": "patient"}})
