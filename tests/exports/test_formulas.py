"""Ids that a spreadsheet would run as formulas go out as harmless paths of the same files, and come back."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from splitgen import DataConfig, Split, export_split, open_dataset, read_foreign_split
from splitgen.check.judgement import read_predictions
from splitgen.data.metadata import read_metadata
from splitgen.errors import ExportError
from splitgen.exports.registry import EXPORTERS
from splitgen.ids import find_positions, guard_id

CLASSES = ("=cmd", "-1", "+1", "@sum", "\tx", "\rx", "plain")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    root = tmp_path_factory.mktemp("formulas")
    for c, name in enumerate(CLASSES):
        (root / name).mkdir()
        for i in range(12):
            Image.fromarray(np.full((8, 8), 20 * c + i, np.uint8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def dataset(images):
    return open_dataset(DataConfig(f"folder:{images}", image_size=8))


@pytest.fixture(scope="module")
def split(dataset):
    parts = np.array(["train", "validation", "test", "reserve"] * 21)
    margins = np.linspace(-1, 1, 84, dtype=np.float32)
    metadata = {"dataset": {"class_names": list(dataset.class_names)}, "target": "label"}
    return Split(dataset.ids, dataset.labels, dataset.labels, parts, margins, margins, metadata)


TABLES = {"csv": "id", "celeba": "image_id", "wilds": "id", "subpopbench": "filename", "group-dro": "img_filename"}


@pytest.mark.parametrize("consumer", TABLES)
def test_no_cell_is_a_formula_and_the_rows_come_back(split, dataset, images, tmp_path, consumer):
    export_split(split, consumer, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    texts = [row[header.index(TABLES[consumer])] for row in rows]
    assert not [text for text in texts if text[0] in "=+-@\t\r"]
    assert sum(text.startswith("./") for text in texts) == (54 if consumer in ("subpopbench", "group-dro") else 72)
    assert all((images / text).is_file() for text in texts)
    back = read_foreign_split(tmp_path / "out.csv", dataset)
    assert back.parts.tolist() == split.parts.tolist()
    assert back.ids == split.ids


def test_every_csv_export_is_tested_here():
    folders_and_binaries = {"jsonl", "huggingface", "sklearn", "imagefolder", "timm", "domainbed", "tensors"}
    assert set(EXPORTERS) == set(TABLES) | folders_and_binaries


def test_predictions_and_metadata_by_guarded_ids_are_those_of_the_rows(split, tmp_path):
    export_split(split, "csv", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv", dtype={"id": str}).sample(frac=1, random_state=0)
    table["prediction"] = table["label"]
    table[["id", "prediction"]].to_csv(tmp_path / "p.csv", index=False, quoting=csv.QUOTE_NONNUMERIC)
    assert read_predictions(tmp_path / "p.csv", split).tolist() == split.labels.tolist()
    table[["index", "id", "prediction"]].to_csv(tmp_path / "p.csv", index=False, quoting=csv.QUOTE_NONNUMERIC)
    assert read_predictions(tmp_path / "p.csv", split).tolist() == split.labels.tolist()
    found = read_metadata(tmp_path / "out.csv", split.ids)
    assert found["label"].tolist() == split.labels.tolist()
    assert tuple(found.index) == split.ids


def test_a_guard_is_taken_off_only_where_that_gives_an_id():
    assert [guard_id(key) for key in ("=x", "a=x", "", "./=x", "7")] == ["./=x", "a=x", "", "./=x", "7"]
    assert find_positions(["./=x"], ["=x"]).tolist() == [0]
    assert find_positions(["./=x"], ["=x", "./=x"]).tolist() == [1]
    assert find_positions(["./y"], ["=x"]).tolist() == [-1]
    assert find_positions(["./a", "b", "./c", "d"], ["b", "a"]).tolist() == [1, 0, -1, -1]


def test_a_control_character_is_no_text_of_a_csv_file_and_is_escaped_in_json_lines(split, tmp_path):
    spoiled = replace(split, ids=("\x1b[31mred/1.png", *split.ids[1:]))
    with pytest.raises(ExportError, match=r"'\\x1b\[31mred/1.png' has a control character; rename the file"):
        export_split(spoiled, "csv", tmp_path / "split.csv")
    assert list(tmp_path.iterdir()) == []
    export_split(spoiled, "jsonl", tmp_path / "split.jsonl")
    text = (tmp_path / "split.jsonl").read_text()
    assert "\x1b" not in text
    assert json.loads(text.splitlines()[0])["id"] == "\x1b[31mred/1.png"
