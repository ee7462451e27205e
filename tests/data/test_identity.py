"""Tables as people bring them: each gives the right value to the right datapoint, or one line that says why not.

The table of cases: the bytes of a file, the ids of the dataset, and the values of column `x` in the datasets' order, or
words of the error.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from splitgen import DataConfig, make_bench, open_dataset, read_foreign_split
from splitgen.check.judgement import read_predictions
from splitgen.data.metadata import join_metadata, read_codes, read_metadata
from splitgen.errors import MetadataError, RowsError, SourceError
from splitgen.explain.attributes import list_metadata
from splitgen.ids import AmbiguousIdError, find_other_name, find_positions
from splitgen.models.registry import find_model
from splitgen.tables.values import FEW
from splitgen.tasks.ways.given import given_tasks
from splitgen.tasks.ways.request import WayRequest

AB = ("a", "b")
PATHS = ("cat/1.png", "dog/2.png")
NFC, NFD = (unicodedata.normalize(form, "café/é.png") for form in ("NFC", "NFD"))

TEXTS = {
    "leading zeros are other ids": ("id,x\n7,s\n007,t\n07,u\n", ("007", "7", "07"), ["t", "s", "u"]),
    "an exponent is another id than its number": ("id,x\n100000,n\n1E5,e\n", ("1E5", "100000"), ["e", "n"]),
    "an exponent is not its number": ("id,x\n1E5,e\n", ("100000",), "1 datapoints have no row"),
    "a whole number with a fraction of nought": ("id,x\n7.0,s\n8.0,t\n", ("7", "8"), ["s", "t"]),
    "the id with a fraction wins": ("id,x\n7.0,s\n7,t\n", ("7", "7.0"), ["t", "s"]),
    "7.0 and 7 are one datapoint": ("id,x\n7.0,s\n7,t\n8,u\n", ("7", "8"), "id '7' stands twice (as '7.0' and '7')"),
    "blanks around cells and names": (" id , x \n a , s \n b,t \n", AB, ["s", "t"]),
    "an id that ends in a blank": ("id,x\na ,s\na,t\n", ("a", "a "), ["t", "s"]),
    "quotes after blanks": ('id, x\n"a", "s, u"\n"b", t\n', AB, ["s, u", "t"]),
    "composed in the table": (f"id,x\n{NFC},s\nb,t\n", (NFD, "b"), ["s", "t"]),
    "decomposed in the table": (f"id,x\n{NFD},s\nb,t\n", (NFC, "b"), ["s", "t"]),
    "both forms are ids": (f"id,x\n{NFD},s\n{NFC},t\n", (NFC, NFD), ["t", "s"]),
    "a key that could be both": (
        f"id,x\n.\\{NFC},s\n{NFC},t\n",
        (NFC, NFD),
        "can be 'caf\\xe9/\\xe9.png' and 'cafe\\u0301",
    ),
    "one form twice": (f"id,x\n{NFD},s\n{NFC},t\nb,u\n", (NFC, "b"), "stands twice (as 'cafe\\u0301/"),
    "separators of Windows": ("id,x\ncat\\1.png,s\n.\\dog\\2.png,t\n", PATHS, ["s", "t"]),
    "a dot in front": ("id,x\n./cat/1.png,s\n././dog/2.png,t\n", PATHS, ["s", "t"]),
    "an id that has a dot in front": ("id,x\ncat/1.png,s\n./dog/2.png,t\n", ("./cat/1.png", "dog/2.png"), ["s", "t"]),
    "quoting of addresses is no other spelling": (
        "id,x\na%20b,s\nb,t\n",
        ("a b", "b"),
        "no datapoint has its id 'a%20b'",
    ),
    "other ids are left out": ("id,x\nz,0\nb,1\na,2\n", AB, [2, 1]),
    "no row": ("id,x\na,1\nz,2\n", AB, "1 datapoints have no row (first: id 'b'); no datapoint has its id 'z'"),
    "an id twice": ("id,x\na,1\nb,2\na,3\n", AB, "id 'a' stands twice; keep one row"),
    "an id that is empty": ("id,x\na,1\nb,2\n,3\n", AB, "column 'id' is empty in row 2"),
    "rows that are empty": ("id,x\na,1\n\n,\n  ,  \nb,2\n", AB, [1, 2]),
    "NA and its kin are ids": (
        "id,x\nNA,s\nnan,t\nNone,u\nnull,v\n",
        ("nan", "NA", "null", "None"),
        ["t", "s", "v", "u"],
    ),
    "NA and its kin are words": ("id,x\na,NA\nb,None\nc,nan\nd,null\n", tuple("abcd"), ["NA", "None", "nan", "null"]),
    "an empty cell is missing": ("id,x\na,\nb,s\n", AB, [None, "s"]),
    "short rows have empty cells": ("id,y,x\na,1,s\nb,2\n", AB, ["s", None]),
    "extra fields": ("id,x\na,1\nb,2,3\n", AB, "line 3 has 3 fields, the header 2; put quotes around a field"),
    "extra fields in the first row": ("id,x\na,1,2\nb,2,3\n", AB, "line 2 has 3 fields, the header 2"),
    "extra separators at the end": ("id,x,\na,1,\nb,2,,\n", AB, [1, 2]),
    "semicolons": ("id;x\na;1,5\nb;2\n", AB, [1.5, 2.0]),
    "semicolons in a header with a comma": ("id;x;y, z\na;1;\nb;2;\n", AB, [1, 2]),
    "tabs": ("id\tx\na\t1,5\nb\t2\n", AB, ["1,5", "2"]),
    "bars": ("id|x\na|1\nb|2\n", AB, [1, 2]),
    "a line that tells the separator": ("sep=;\nid;x\na;1\nb;2\n", AB, [1, 2]),
    "blanks as separators": ("id x\na 1\nb 2\n", AB, "no column 'id'; its columns are id x"),
    "a mark at the beginning": ("\ufeffid,x\na,1\nb,2\n", AB, [1, 2]),
    "ends of lines of Windows and of old": ("id,x\r\na,1\rb,2\n", AB, [1, 2]),
    "a line within quotes": ('id,x\n"a","s\nt"\nb,u\n', AB, ["s\nt", "u"]),
    "quotes that do not end": ('id,x\na,"1\nb,2\n', AB, "line 3: unexpected end of data; put quotes around a field"),
    "quotes that end too early": ('id,x\na,"1" 2\nb,2\n', AB, "line 2: ',' expected after '\"'"),
    "a NUL": ("id,x\na,1\0\nb,2\n", AB, "line 2 has a NUL byte"),
    "nothing": ("", AB, "it is empty"),
    "a header alone": ("id,x\n", AB, "2 datapoints have no row"),
    "no header": ("a,1\nb,2\n", AB, "its first line is no header ('a' is an id)"),
    "a name twice": ("id,x,x\na,1,2\nb,3,4\n", AB, "two columns are named 'x'"),
    "an id column twice": ("id, id,x\na,b,1\nb,a,2\n", AB, "two columns are named 'id'"),
    "values without a name": ("id,,x\na,5,1\nb,6,2\n", AB, "column 2 has no name"),
    "a huge field": (f"id,x\na,{'s' * 200_000}\nb,2\n", AB, "line 2: field larger than field limit"),
    "ID in capitals": ("ID,x\na,1\nb,2\n", AB, [1, 2]),
    "file names": ("file_name,x\n./dog/2.png,1\ncat/1.png,2\n", PATHS, [2, 1]),
    "file names of others": (
        "file_name,x\n2.jpg,1\n1.jpg,2\n",
        PATHS,
        "the values of 'file_name' are no ids of the dataset",
    ),
    "numbers of its own beside file names": (
        "id,filename,x\n1,dog/2.png,1\n2,cat/1.png,2\n",
        PATHS,
        "no datapoint has its id '1'; its column 'filename' has the ids: leave out 'id'",
    ),
    "an index without a name": (",x\nb,1\na,2\n", AB, [2, 1]),
    "an index that counts": (",x\n0,1\n1,2\n", ("0", "1"), "it has no column 'id'; its columns are x"),
    "an index that agrees": ("index,id,x\n1,b,1\n0,a,2\n", AB, [2, 1]),
    "an index that contradicts": (
        "index,id,x\n0,b,1\n1,a,2\n",
        AB,
        "index 0 is 'a', but stands beside the id 'b'; correct",
    ),
    "an index that is the user's own": ("index,id,x\n5,b,1\n5,a,2\n", AB, [2, 1]),
    "numbers": ("id,x\na,-1.5\nb,2e-05\n", AB, [-1.5, 2e-05]),
    "codes with zeros in front": ("id,x\na,007\nb,7\n", AB, ["007", "7"]),
    "codes like powers of ten": ("id,x\na,1E5\nb,100000\n", AB, ["1E5", "100000"]),
    "codes that no number holds": (
        "id,x\na,10000000000000000001\nb,10000000000000000002\n",
        AB,
        ["10000000000000000001", "10000000000000000002"],
    ),
    "truths": ("id,x\na,TRUE\nb,FALSE\n", AB, [True, False]),
    "dates": ("id,x\na,2020-01-01\nb,2020-02-01\n", AB, ["2020-01-01", "2020-02-01"]),
}


def check(path, ids, expected, column="x"):
    if isinstance(expected, str):
        with pytest.raises(MetadataError) as caught:
            read_metadata(path, ids)
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    found = read_metadata(path, ids)
    assert tuple(found.index) == tuple(ids)
    values = [None if pd.isna(value) else value for value in found[column].tolist()]
    assert values == expected
    assert [type(value) for value in values] == [type(value) for value in expected]


@pytest.mark.parametrize(("text", "ids", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_a_text_gives_each_datapoint_its_value_or_one_line(tmp_path, text, ids, expected):
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode())
    check(path, ids, expected)


PLAIN = b"id,x\nb,1\na,2\n"
FILES = {
    "capital suffix": ("TABLE.CSV", PLAIN, [2, 1]),
    "tab suffix": ("table.tsv", PLAIN.replace(b",", b"\t"), [2, 1]),
    "text suffix": ("table.txt", PLAIN, [2, 1]),
    "gzip": ("table.csv.gz", gzip.compress(PLAIN), [2, 1]),
    "bzip2": ("table.csv.bz2", bz2.compress(PLAIN), [2, 1]),
    "xz": ("table.csv.xz", lzma.compress(PLAIN), [2, 1]),
    "gzip without its suffix": ("table.csv", gzip.compress(PLAIN), [2, 1]),
    "gzip cut short": ("table.csv.gz", gzip.compress(PLAIN)[:-9], "it is packed, and cut short or damaged"),
    "zip": ("table.csv.zip", b"PK\x03\x04rest", "it is a zip archive; unpack it"),
    "UTF-16": ("table.csv", PLAIN.decode().encode("utf-16"), "it is UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": ("table.csv", PLAIN.decode().encode("utf-16-le"), "has a NUL byte"),
    "Latin 1": ("table.csv", "id,x\na,é\nb,2\n".encode("latin-1"), "it is no UTF-8 text"),
    "no Parquet file": ("table.parquet", PLAIN, "it is not a Parquet file"),
    "a Parquet file cut short": ("table.parquet", b"PAR1" + bytes(30), "it is not a Parquet file, or it is cut short"),
    "pixels": ("table.csv", b"\x89PNG\r\n\x1a\n\0\0", "it is no UTF-8 text"),
}


@pytest.mark.parametrize(("name", "content", "expected"), FILES.values(), ids=FILES.keys())
def test_a_file_is_what_its_bytes_say(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    check(tmp_path / name, AB, expected)


def test_a_folder_and_no_file_are_one_line(tmp_path):
    check(tmp_path, AB, "cannot be read (Is a directory)")
    check(tmp_path / "none.csv", AB, "cannot be read (No such file or directory)")


def test_what_unpacks_without_end_is_refused_at_little_cost(tmp_path):
    path = tmp_path / "table.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"id,x\n")
        for _ in range(300):
            file.write(bytes([10]) * 2**20)
    check(path, AB, "unpack to")


STORED = {
    "an index": (pd.DataFrame({"x": [1, 2]}, index=pd.Index(["b", "a"], name="id")), AB, [2, 1]),
    "an index without a name": (pd.DataFrame({"x": [1, 2]}, index=["b", "a"]), AB, [2, 1]),
    "an index that counts": (pd.DataFrame({"x": [1, 2]}, index=[1, 0]), ("0", "1"), "it has no column 'id'"),
    "two levels": (
        pd.DataFrame({"x": [1, 2]}, index=pd.MultiIndex.from_tuples([("b", 1), ("a", 2)], names=["id", "y"])),
        AB,
        [2, 1],
    ),
    "whole numbers": (pd.DataFrame({"id": [8, 7], "x": ["s", "t"]}), ("7", "8"), ["t", "s"]),
    "whole numbers as floats": (pd.DataFrame({"id": [8.0, 7.0], "x": ["s", "t"]}), ("7", "8"), ["t", "s"]),
    "large whole numbers as floats": (
        pd.DataFrame({"id": [1e17, 2e17], "x": [1, 2]}),
        (f"{10**17}", f"{2 * 10**17}"),
        [1, 2],
    ),
    "fractions": (pd.DataFrame({"id": [7.5, 8], "x": [1, 2]}), ("7", "8"), "no datapoint has its id '7.5'"),
    "bytes": (pd.DataFrame({"id": [b"b", b"a"], "x": [1, 2]}), AB, [2, 1]),
    "categories": (pd.DataFrame({"id": pd.Categorical(["b", "a"]), "x": pd.Categorical([1, 2])}), AB, [2, 1]),
    "numbers stored as words stay words": (pd.DataFrame({"id": ["b", "a"], "x": ["01", "1"]}), AB, ["1", "01"]),
    "no value": (pd.DataFrame({"id": ["b", None], "x": [1, 2]}), AB, "column 'id' is empty in row 1"),
    "blanks": (pd.DataFrame({" id ": [" b", "a "], "x": ["s ", " "]}), AB, [None, "s"]),
    "names of files": (pd.DataFrame({"path": ["dog\\2.png", "cat\\1.png"], "x": [1, 2]}), PATHS, [2, 1]),
}


@pytest.mark.parametrize(("frame", "ids", "expected"), STORED.values(), ids=STORED.keys())
def test_a_parquet_file_gives_each_datapoint_its_value_or_one_line(tmp_path, frame, ids, expected):
    frame.to_parquet(tmp_path / "table.parquet")
    check(tmp_path / "table.parquet", ids, expected)


def test_pictures_and_lists_in_a_parquet_file_are_left_out_and_decimals_are_numbers(tmp_path):
    picture = pa.array([{"bytes": b"\xff\xd8", "path": "1.jpg"}] * 2)
    columns = {"id": ["b", "a"], "image": picture, "tags": [["s"], []], "raw": [b"\xff\xd8", b"\xff"], "x": [1, 2]}
    table = pa.table(columns).append_column("price", pa.array([1, 2], pa.decimal128(9, 2)))
    pq.write_table(table, tmp_path / "table.parquet")
    found = read_metadata(tmp_path / "table.parquet", AB)
    assert list(found.columns) == ["x", "price"]
    assert found["price"].tolist() == [2.0, 1.0]
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["id", "id"]), tmp_path / "table.parquet")
    check(tmp_path / "table.parquet", AB, "two columns are named 'id'")


def test_a_column_joined_by_another_name_than_id_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("file_name,x\nb,1\na,2\n")
    assert join_metadata(tmp_path / "a.csv", AB).notes == ("metadata: rows are joined by the column 'file_name'",)
    (tmp_path / "a.csv").write_text("id,file_name\na,b\nb,a\n")
    found = join_metadata(tmp_path / "a.csv", AB)
    assert (found.notes, found.frame["file_name"].tolist()) == ((), ["b", "a"])


def test_words_among_more_numbers_than_a_category_has_are_numbers_that_are_missing(tmp_path):
    for n_numbers, is_number in ((FEW, False), (FEW + 1, True)):
        values = [*map(str, range(n_numbers)), "NA"]
        ids = [f"r{row}" for row in range(len(values))]
        (tmp_path / "a.csv").write_text("id,x\n" + "".join(f"{i},{x}\n" for i, x in zip(ids, values, strict=True)))
        found = read_metadata(tmp_path / "a.csv", ids)["x"]
        assert found.tolist()[:-1] == (list(range(n_numbers)) if is_number else values[:-1])
        assert np.isnan(found.iloc[-1]) if is_number else found.iloc[-1] == "NA"


def test_groups_and_attributes_are_of_the_words_that_the_table_has(tmp_path):
    ids = [f"r{row}" for row in range(6)]
    words = ["007", "7", "07", "NA", "null", "007"]
    (tmp_path / "a.csv").write_text("id,code\n" + "".join(f"{i},{x}\n" for i, x in zip(ids, words, strict=True)))
    assert read_codes(tmp_path / "a.csv", "code", ids).tolist() == [0, 2, 1, 3, 4, 0]
    (attribute,) = list_metadata(read_metadata(tmp_path / "a.csv", ids))
    assert attribute.values.tolist() == words
    (tmp_path / "a.csv").write_text("id,code\n" + "".join(f"{i},{x}\n" for i, x in zip(ids, words[:-1], strict=False)))
    with pytest.raises(MetadataError, match="1 datapoints have no row"):
        read_codes(tmp_path / "a.csv", "code", ids)


def test_names_are_compared_in_normal_form_as_paths_of_one_file_and_only_among_their_kind():
    assert find_other_name(["a/é.png"], [unicodedata.normalize("NFD", "/root/a/é.png")]) is None
    assert find_other_name(["a/1.png", "a/2.png"], ["1.png", "2.png"]) is None
    assert find_other_name(["a/1.png", "a/2.png"], ["a\\1.png", "a\\3.png"]) == 1
    assert find_other_name(["a/1.png", "a/2.png"], ["b/1.png", None]) == 0
    assert find_other_name(["a/1.png", "a/2.png"], ["17", "18"]) is None
    assert find_other_name(["k1", "k2"], ["k2", "k1"]) == 0
    assert find_other_name(["k1", "k2"], ["17", "18"]) is None
    assert find_other_name(["0", "1", "2"], ["2", "1", "0"]) == 0
    assert find_other_name(["0", "1", "2"], ["2", "5", "9"]) is None
    with pytest.raises(AmbiguousIdError):
        find_positions([f".\\{NFC}"], [NFC, NFD])


@pytest.fixture(scope="module")
def folder(digits, tmp_path_factory):
    """Digits as PNG files, with names that are written in several ways."""
    root = tmp_path_factory.mktemp("digits")
    for row in range(200):
        place = root / f"zif{unicodedata.normalize('NFD', 'é')}{digits.labels[row] % 2}"
        place.mkdir(exist_ok=True)
        pixels = (digits.images.pixels[row, 0].numpy() * 15).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{row:03}.png")
    return root


def test_a_table_of_another_system_joins_the_images_of_a_folder(folder, tmp_path):
    """Composed Unicode, the separators of Windows, semicolons, a mark, capitals: as Excel saves it there."""
    ids = open_dataset(DataConfig(f"folder:{folder}", image_size=8)).ids
    rows = [f"{unicodedata.normalize('NFC', key).replace('/', chr(92))};{int(key[-7:-4]) // 10:03}" for key in ids]
    (tmp_path / "TABLE.CSV").write_text("\ufeffFile_Name;Writer\n" + "\n".join(reversed(rows)), encoding="utf-8")
    config = DataConfig(f"folder:{folder}", image_size=8, metadata=str(tmp_path / "TABLE.CSV"), group_column="Writer")
    dataset = open_dataset(config)
    assert dataset.groups.codes.tolist() == [int(key[-7:-4]) // 10 for key in ids]
    assert dataset.metadata["Writer"].iloc[0] == f"{int(ids[0][-7:-4]) // 10:03}"
    assert dataset.notes[-1] == "metadata: rows are joined by the column 'File_Name'"


def test_every_reader_joins_by_the_same_rules_and_refuses_a_contradiction(folder, tmp_path):
    dataset = open_dataset(DataConfig(f"folder:{folder}", image_size=8))
    composed = [unicodedata.normalize("NFC", key) for key in dataset.ids]
    sides = ["train" if row % 2 else "test" for row in range(200)]
    frame = pd.DataFrame({"id": composed, "split": sides, "prediction": dataset.labels, "task": sides})
    shuffled, path = frame.sample(frac=1, random_state=0), tmp_path / "table.csv"
    shuffled.to_csv(path, index=False)
    split = read_foreign_split(path, dataset)
    assert split.parts.tolist() == sides
    assert read_predictions(path, split).tolist() == dataset.labels.tolist()
    shuffled[["id", "task"]].to_csv(path, index=False)
    margins = given_tasks(make_bench(dataset, find_model("mlp")), WayRequest(labels=path)).margins
    assert margins[:, 0].tolist() == [1 if side == "train" else -1 for side in sides]
    shuffled.assign(index=range(200)).to_csv(path, index=False)
    for read in (
        lambda: read_foreign_split(path, dataset),
        lambda: read_predictions(path, split),
        lambda: read_metadata(path, dataset.ids),
        lambda: given_tasks(make_bench(dataset, find_model("mlp")), WayRequest(labels=path)),
    ):
        with pytest.raises(Exception, match="index 0 is 'zif.*', but stands beside the id") as caught:
            read()
        assert "\n" not in str(caught.value)


class Pairs(Dataset):
    """Digits with the labels given, listed or in the items alone."""

    def __init__(self, images, labels, is_listed):
        self.images, self.given = images, labels
        if is_listed:
            self.targets = labels

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        return self.images[row], self.given[row]


BAD_LABELS = {
    "huge": (2**40, "class '2' has 0 rows, though labels go up to 1099511627776"),
    "beyond int64": (2**64 - 1, "class '2' has 0 rows, though labels go up to 1844674407370955161"),
    "beyond any type": (2**70, f"class '2' has 0 rows, though labels go up to {2**70}"),
    "a float beyond int64": (1e30, "class '2' has 0 rows, though labels go up to 1000000000000000019884624838656"),
    "a fraction": (0.5, "labels must be integers, got"),
    "negative": (-1, "labels must be 0 or more, got -1"),
    "text": ("1", "labels must be integers, got"),
    "nothing": (None, "labels must be integers, got"),
}


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize(("value", "message"), BAD_LABELS.values(), ids=BAD_LABELS.keys())
def test_labels_of_a_torch_dataset_that_cannot_be_are_one_line(digits, value, message, is_listed):
    labels = [*(int(label) % 2 for label in digits.labels[:39]), value]
    with pytest.raises(SourceError) as caught:
        open_dataset(Pairs(digits.images.pixels[:40], labels, is_listed))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full(40, 2**63, np.uint64), f"class '0' has 0 rows, though labels go up to {2**63}"),
        (np.full(40, 1e19), "class '0' has 0 rows, though labels go up to 10000000000000000000"),
        (np.arange(40) % 2 == 0, "labels must be integers, got bool"),
        ((np.arange(40) % 2).astype(str), "labels must be integers, got <U21"),
        (np.arange(40) % 2 - 1, "labels must be 0 or more, got -1"),
        (np.arange(40) % 2 + 0.5, "labels must be integers, got float64 such as 0.5"),
        (np.arange(80).reshape(40, 2), "40 images but labels of shape (40, 2)"),
    ],
)
def test_labels_of_an_npz_file_that_cannot_be_are_one_line(digits, tmp_path, labels, message):
    np.savez(tmp_path / "a.npz", x=digits.images.pixels[:40, 0].numpy(), y=labels)
    with pytest.raises(SourceError) as caught:
        open_dataset(DataConfig(f"npz:{tmp_path / 'a.npz'}"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "dtype", "value", "message"),
    [
        (0x0C, ">i4", 2**31 - 1, f"class '2' has 0 rows, though labels go up to {2**31 - 1}"),
        (0x0C, ">i4", -1, "labels must be 0 or more, got -1"),
        (0x0D, ">f4", 0.5, "labels must be integers, got >f4 such as 0.5"),
        (0x0E, ">f8", 2.0**64, f"class '2' has 0 rows, though labels go up to {2**64}"),
        (0x0E, ">f8", np.nan, "labels must be integers, got >f8 such as nan"),
    ],
)
def test_labels_of_an_idx_file_that_cannot_be_are_one_line(digits, tmp_path, code, dtype, value, message):
    def write(name, kind, array):
        start = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (tmp_path / name).write_bytes(start + array.tobytes())

    labels = (digits.labels[:40] % 2).astype(dtype)
    labels[-1] = value
    write("train-images-idx3-ubyte", 0x08, digits.images.pixels[:40, 0].numpy().astype(np.uint8))
    write("train-labels-idx1-ubyte", code, labels)
    with pytest.raises(SourceError) as caught:
        open_dataset(DataConfig(f"idx:{tmp_path}"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([2**64 - 1, 0, 1], None),
        ([2**40, 0, 5], None),
        ([0.5, 1e300, -1.0], "infinite or beyond"),
        ([0.5, 1e30, -1.0], None),
        ([np.inf, 0.0, 1.0], "infinite"),
        ([True, False, True], None),
    ],
)
def test_tasks_of_a_table_are_sides_or_finite_margins(digits, tmp_path, values, message):
    rows = [values[row % 3] for row in range(len(digits))]
    column = pd.Series(rows, dtype="uint64") if 2**64 - 1 in rows else pd.Series(rows)
    pd.DataFrame({"id": digits.ids, "task": column}).to_parquet(tmp_path / "tasks.parquet")
    request, bench = WayRequest(labels=tmp_path / "tasks.parquet"), make_bench(digits, find_model("mlp"))
    if message is not None:
        with pytest.raises(MetadataError, match=message):
            given_tasks(bench, request)
        return
    margins = given_tasks(bench, request).margins[:, 0]
    order = np.argsort(np.array([float(value) for value in values]))
    assert np.all(np.diff(margins[:3][order]) >= 0)
    assert np.isfinite(margins).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.tensor([0, 1], dtype=torch.float64) * 1e19, "row 10000000000000000000 in test is out of range"),
        (torch.tensor([[1.0, 2.5]]), "test has 2.5, no row number"),
    ],
)
def test_positions_of_a_foreign_split_that_cannot_be_are_one_line(digits, tmp_path, rows, message):
    torch.save((torch.arange(5, 9), rows), tmp_path / "a.pt")
    with pytest.raises(RowsError, match=message):
        read_foreign_split(tmp_path / "a.pt", digits)
