"""The tasks file: read back as written, of its own dataset alone, and one line for each way to be none."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from splitgen.errors import TasksFileError
from splitgen.tasks.tasks_file import SavedTasks, check_tasks_belong, read_tasks, write_tasks

MARGINS = np.linspace(-1, 1, 40, dtype=np.float32).reshape(20, 2)


@pytest.fixture
def path(tmp_path):
    write_tasks(SavedTasks(MARGINS, {"dataset": {"fingerprint": "sha256:1"}}), tmp_path / "tasks.parquet")
    return tmp_path / "tasks.parquet"


def test_what_is_written_is_read_back(path):
    found = read_tasks(path)
    assert np.array_equal(found.margins, MARGINS)
    assert found.metadata["dataset"] == {"fingerprint": "sha256:1"}


def test_tasks_of_more_values_have_a_column_for_each_and_are_of_another_version(path, tmp_path):
    margins = np.random.default_rng(0).normal(size=(20, 2, 3)).astype(np.float32)
    write_tasks(SavedTasks(margins, {"way": "discovered"}), tmp_path / "fans.parquet")
    table, binary = pq.read_table(tmp_path / "fans.parquet"), pq.read_table(path)
    assert table.column_names == ["index", *(f"task_{k}_value_{v}" for k in range(2) for v in range(3))]
    assert np.array_equal(table["task_1_value_2"].to_numpy(), margins[:, 1, 2])
    assert (read_version(table), read_version(binary)) == (2, 1)
    found = read_tasks(tmp_path / "fans.parquet")
    assert np.array_equal(found.margins, margins)
    assert (found.n_tasks, found.n_values, read_tasks(path).n_values) == (2, 3, 2)


def read_version(table: pa.Table) -> int:
    return json.loads(table.schema.metadata[b"splitgen"])["tasks_schema_version"]


@pytest.mark.parametrize("dropped", ["task_0_value_1", "task_1_value_2"])
def test_a_value_without_its_column_is_refused(tmp_path, dropped):
    margins = np.zeros((20, 2, 3), np.float32)
    write_tasks(SavedTasks(margins, {}), tmp_path / "fans.parquet")
    table = pq.read_table(tmp_path / "fans.parquet")
    pq.write_table(table.drop_columns([dropped]), tmp_path / "fans.parquet")
    with pytest.raises(TasksFileError, match="its columns are not those of 3 values or more for each task, but task_0"):
        read_tasks(tmp_path / "fans.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.iloc[::-1], "not those of a dataset in order (row 0 has the index 19)"),
        (lambda frame: frame.assign(index=3), "not those of a dataset in order (row 0 has the index 3)"),
        (lambda frame: frame.drop(columns="index"), "it has no rows of index and tasks, but task_0, task_1"),
        (lambda frame: frame[["index"]], "it has no rows of index and tasks, but index"),
        (lambda frame: frame.iloc[:0], "it has no rows of index and tasks"),
        (lambda frame: frame.assign(index=frame["index"] + 0.5), "its index has 0.5 in row 0"),
        (lambda frame: frame.assign(index=frame["index"].astype(str)), "its index has '0' in row 0"),
        (lambda frame: frame.assign(task_1="strong"), "column 'task_1' has values that are no numbers"),
        (lambda frame: frame.assign(task_1=np.nan), "column 'task_1' has values that are no numbers"),
        (lambda frame: frame.assign(task_1=np.inf), "column 'task_1' has values that are no numbers"),
    ],
)
def test_rows_out_of_order_and_margins_that_are_none_are_refused_in_a_line(path, change, message):
    table = pq.read_table(path)
    changed = pa.Table.from_pandas(change(table.to_pandas()), preserve_index=False)
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(TasksFileError) as caught:
        read_tasks(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tasks_of_other_rows_are_refused(digits):
    """The fingerprint is of ids and labels in their order, too."""
    margins = np.zeros((len(digits), 1), np.float32)
    own = SavedTasks(margins, {"dataset": {"fingerprint": digits.fingerprint}})
    check_tasks_belong(own, "t", digits)
    with pytest.raises(TasksFileError, match="it has 9 rows, the dataset 1797"):
        check_tasks_belong(dataclasses.replace(own, margins=margins[:9]), "t", digits)
    with pytest.raises(TasksFileError, match="its dataset has the fingerprint None, this one sha256"):
        check_tasks_belong(dataclasses.replace(own, metadata={}), "t", digits)


def test_of_more_than_two_values_each_is_set_against_the_best_other():
    margins = np.array([[[3.0, 1.0, 2.0]], [[0.0, 5.0, 4.0]]], dtype=np.float32)
    found = SavedTasks(margins, {}).contrasts
    assert {name: values.tolist() for name, values in found.items()} == {
        "task 0 value 0": [1.0, -5.0],
        "task 0 value 1": [-2.0, 1.0],
        "task 0 value 2": [-1.0, -1.0],
    }
    assert list(SavedTasks(np.ones((2, 3)), {}).contrasts) == ["task 0", "task 1", "task 2"]
