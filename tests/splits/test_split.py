"""The index file: round trip, opened without splitgen, and each way in which it can be wrong."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from splitgen import Split, read_split, write_split
from splitgen.errors import FingerprintError, RowsError, SchemaVersionError, SplitFileError
from splitgen.splits.split import check_belongs


@pytest.fixture
def split() -> Split:
    labels = np.arange(20) % 2
    parts = np.array(["train"] * 10 + ["validation"] * 2 + ["reserve"] * 2 + ["test"] * 6)
    scores = np.linspace(1, -1, 20).astype(np.float32)
    metadata = {"dataset": {"source": "made", "fingerprint": "sha256:1", "class_names": ["a", "b"]}, "seed": 0}
    return Split(tuple(f"dir/{i}.png" for i in range(20)), labels, 1 - labels, parts, scores, -scores, metadata)


def rewrite(path, change, metadata=None):
    table = pq.read_table(path)
    frame = change(table.to_pandas())
    schema = table.schema.metadata if metadata is None else {b"splitgen": json.dumps(metadata).encode()}
    pq.write_table(pyarrow.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(schema), path)


def test_what_is_written_is_read_back(split, tmp_path):
    write_split(split, tmp_path / "split.parquet")
    found = read_split(tmp_path / "split.parquet")
    pd.testing.assert_frame_equal(found.to_frame(), split.to_frame())
    assert found.metadata == {**split.metadata, "schema_version": 1}
    assert found.indices("reserve").tolist() == [12, 13]


def test_the_same_split_gives_the_same_bytes(split, tmp_path):
    write_split(split, tmp_path / "a")
    write_split(split, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_pandas_and_pyarrow_open_it_without_splitgen(split, tmp_path):
    path = tmp_path / "split.parquet"
    write_split(split, path)
    assert pd.read_parquet(path)["split"].value_counts()["train"] == 10
    test = pyarrow.dataset.dataset(path).to_table(filter=pyarrow.dataset.field("split") == "test")
    assert test["index"].to_pylist() == list(range(14, 20))
    types = dict(zip(test.schema.names, map(str, test.schema.types), strict=True))
    assert types == {
        "index": "int64",
        "id": "string",
        "label": "int32",
        "target": "int32",
        "split": "string",
        "score": "float",
        "margin": "float",
    }


def test_another_schema_version_is_refused(split, tmp_path):
    path = tmp_path / "split.parquet"
    write_split(split, path)
    rewrite(path, lambda frame: frame, {"schema_version": 99})
    with pytest.raises(SchemaVersionError, match="schema version 99"):
        read_split(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: pd.concat([frame, frame.iloc[[3]]]), "row 3 stands twice"),
        (lambda frame: frame.iloc[1:], "not 0..18"),
        (lambda frame: frame.assign(split="training"), "unknown part 'training'"),
    ],
)
def test_wrong_rows_are_refused(split, tmp_path, change, message):
    path = tmp_path / "split.parquet"
    write_split(split, path)
    rewrite(path, change)
    with pytest.raises(RowsError, match=message):
        read_split(path)


def put(name, row, value):
    """A change of one value of a column, which may change its type."""

    def change(frame):
        column = frame[name].astype(object)
        column[row] = value
        return frame.assign(**{name: column if isinstance(value, str) else column.infer_objects()})

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("label", 3, -1), "column 'label' has -1 in row 3; it takes whole numbers, 0..19"),
        (put("label", 3, 20), "column 'label' has 20 in row 3; it takes whole numbers, 0..19"),
        (put("label", 3, 20_000_000), "column 'label' has 20000000 in row 3"),
        (put("target", 3, 2**63), f"column 'target' has {2**63} in row 3"),
        (put("target", 3, 0.5), "column 'target' has 0.5 in row 3"),
        (lambda frame: frame.assign(label=frame["label"] == 1), "column 'label' has False in row 0"),
        (lambda frame: frame.assign(label=frame["label"].astype(str)), "column 'label' has '0' in row 0"),
        (lambda frame: frame.assign(index=frame["index"] + 0.5), "column 'index' has 0.5 in row 0"),
        (put("target", 3, 1), "label 1 has the target 1 in row 3 and 0 in another; a label has one target"),
        (put("id", 3, "dir/0.png"), "id 'dir/0.png' stands twice"),
        (lambda frame: frame.assign(id=np.arange(20)), "id 0 is no text"),
        (lambda frame: frame.assign(split=np.arange(20)), "unknown part 0"),
        (lambda frame: frame.assign(margin="strong"), "column 'margin' has values that are no numbers"),
        (lambda frame: frame.assign(id="same"), "id 'same' stands twice"),
        (put("id", 3, None), "a label, target or id is empty"),
        (lambda frame: frame.assign(id=[b"x"] * 20), "id b'x' is no text"),
        (lambda frame: frame.assign(id=[["x"]] * 20), "is no text"),
        (lambda frame: frame.assign(label=frame["label"].astype("uint64") + 2**63), f"column 'label' has {2**63}"),
        (lambda frame: frame.assign(label=1e300), "column 'label' has 1000000000000000052504"),
        (lambda frame: frame.assign(index=frame["index"] + 1), "index is not 0..19 in order"),
        (lambda frame: frame.iloc[::-1], "index is not 0..19 in order"),
        (lambda frame: frame.assign(index=frame["index"] == 1), "column 'index' has False in row 0"),
        (lambda frame: frame.iloc[:0], "it has no rows"),
    ],
)
def test_values_that_no_dataset_has_are_refused_in_a_line(split, tmp_path, change, message):
    path = tmp_path / "split.parquet"
    write_split(split, path)
    rewrite(path, change)
    with pytest.raises(RowsError) as caught:
        read_split(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (b"[1]", "metadata is no JSON object"),
        (b'"text"', "metadata is no JSON object"),
        (b"{", "metadata is no JSON"),
        (b"[" * 100_000, "metadata is no JSON (nested too deeply)"),
        (b"\xff", "metadata is no JSON"),
        (b'{"schema_version": 1}', "in its metadata 'dataset' is missing"),
        (b'{"schema_version": 1, "dataset": []}', "in its metadata 'dataset' should be a JSON object, but is []"),
        (b'{"schema_version": 1, "dataset": {"source": 3}}', "'dataset.source' should be a valid string, but is 3"),
    ],
)
def test_metadata_of_another_shape_are_refused_in_a_line(split, tmp_path, metadata, message):
    path = tmp_path / "split.parquet"
    write_split(split, path)
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"splitgen": metadata}), path)
    with pytest.raises(SplitFileError) as caught:
        read_split(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_split_is_refused(split, tmp_path):
    (tmp_path / "text").write_text("hello")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    write_split(split, tmp_path / "cut")
    (tmp_path / "cut").write_bytes((tmp_path / "cut").read_bytes()[:-100])
    for name in ("text", "other.parquet", "cut", "missing"):
        with pytest.raises(SplitFileError):
            read_split(tmp_path / name)


def test_two_columns_of_one_name_are_refused_in_a_line(split, tmp_path):
    path = tmp_path / "split.parquet"
    write_split(split, path)
    table = pq.read_table(path)
    pq.write_table(table.append_column("id", table["id"]), path)
    with pytest.raises(SplitFileError, match="two columns are named 'id'; rename one") as caught:
        read_split(path)
    assert "\n" not in str(caught.value)


def test_other_data_are_refused(split):
    check_belongs(split, "f", "sha256:1", split.labels, split.ids)
    with pytest.raises(FingerprintError, match="fingerprint sha256:1, this one sha256:2"):
        check_belongs(split, "f", "sha256:2", split.labels, split.ids)
    with pytest.raises(FingerprintError, match="the split has the label 0 in row 0, the dataset 1"):
        check_belongs(split, "f", "sha256:1", 1 - split.labels, split.ids)
    with pytest.raises(RowsError, match="20 rows, the dataset 19"):
        check_belongs(split, "f", "sha256:1", split.labels[1:], split.ids[1:])


def test_ids_are_compared_where_the_datasets_are_known(split):
    check_belongs(split, "f", "sha256:1", split.labels, split.ids)
    check_belongs(split, "f", "sha256:1", split.labels, list(split.ids))
    swapped = [*split.ids[:4], split.ids[5], split.ids[4], *split.ids[6:]]
    with pytest.raises(FingerprintError, match="the split has the id 'dir/4.png' in row 4, the dataset 'dir/5.png'"):
        check_belongs(split, "f", "sha256:1", split.labels, swapped)


def test_a_split_whose_ids_were_changed_gives_no_subset(digits):
    ids = (*digits.ids[:3], "x", *digits.ids[4:])
    parts = np.where(np.arange(len(digits)) % 2, "train", "test")
    nothing = np.zeros(len(digits), np.float32)
    metadata = {"dataset": {"fingerprint": digits.fingerprint}}
    with pytest.raises(FingerprintError, match="id 'x' in row 3, the dataset '3'"):
        Split(ids, digits.labels, digits.labels, parts, nothing, nothing, metadata).subset(digits, "train")


def test_a_failed_write_leaves_the_old_file(split, tmp_path):
    path = tmp_path / "split.parquet"
    write_split(split, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_split(split.with_metadata(bad=float("nan")), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["split.parquet"]
