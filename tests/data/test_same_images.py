"""The same 300 images as a folder, as tables and as archives: the same dataset, but for the name of its source."""

from __future__ import annotations

import io
import json
import pickle
import tarfile

import datasets
import numpy as np
import pytest
import torch
from encoded_digits import NAMES, encode_digits, write_files

from splitgen import DataConfig, open_dataset
from splitgen.data.sources.csv import list_csv
from splitgen.data.sources.hf import list_hf
from splitgen.data.sources.jsonl import list_jsonl
from splitgen.data.sources.parquet import list_parquet
from splitgen.data.sources.webdataset import list_webdataset

IMAGES = encode_digits(300)
FEATURES = datasets.Features(
    {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES)), "id": datasets.Value("string")}
)


def make_dataset():
    """As Hugging Face's library has them."""
    rows = {
        "image": [{"bytes": content, "path": path} for path, content, _ in IMAGES],
        "label": [c for *_, c in IMAGES],
        "id": [path for path, *_ in IMAGES],  # as saving leaves of a path only the name
    }
    return datasets.Dataset.from_dict(rows, features=FEATURES)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Where they lie, by kind of source."""
    root = write_files(tmp_path_factory.mktemp("same") / "photos", IMAGES)
    home = root.parent
    datasets.disable_progress_bars()
    make_dataset().to_parquet(home / "train.parquet")
    make_dataset().save_to_disk(str(home / "saved"))
    (root / "table.csv").write_text("path,label\n" + "".join(f"{path},{NAMES[c]}\n" for path, _, c in IMAGES))
    lines = [json.dumps({"path": path, "label": NAMES[c]}) for path, _, c in IMAGES]
    (root / "table.jsonl").write_text("\n".join(lines))
    write_shards(home / "shards")
    return {
        "folder": root,
        "parquet": home / "train.parquet",
        "hf": home / "saved",
        "csv": root / "table.csv",
        "jsonl": root / "table.jsonl",
        "webdataset": home / "shards",
    }


def write_shards(folder):
    """Shards of 100 images, with the class by name."""
    folder.mkdir()
    for shard in range(3):
        with tarfile.open(folder / f"digits-{shard:03d}.tar", "w") as archive:
            for path, content, c in IMAGES[100 * shard : 100 * shard + 100]:
                key = path.removesuffix(".png")
                for extension, data in (("png", content), ("cls", NAMES[c].encode())):
                    info = tarfile.TarInfo(f"{key}.{extension}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))


LISTS = {
    "parquet": list_parquet,
    "hf": list_hf,
    "csv": list_csv,
    "jsonl": list_jsonl,
    "webdataset": list_webdataset,
}


def open_all(spec):
    return open_dataset(DataConfig(spec, image_size=8))


@pytest.mark.parametrize("kind", LISTS)
def test_pixels_labels_names_and_ids_are_those_of_the_folder(kind, places):
    folder, found = open_all(f"folder:{places['folder']}"), open_all(f"{kind}:{places[kind]}")
    rows = torch.arange(300)
    assert torch.equal(found.images.take(rows), folder.images.take(rows))
    assert np.array_equal(found.labels, folder.labels)
    assert found.class_names == folder.class_names == NAMES
    ids = [key.removesuffix(".png") for key in folder.ids] if kind == "webdataset" else folder.ids  # its keys end there
    assert found.ids == tuple(ids)


@pytest.mark.parametrize("kind", LISTS)
def test_bytes_are_those_of_the_files_and_listings_travel_to_other_processes(kind, places):
    found = LISTS[kind](str(places[kind]), DataConfig())
    contents = [content for _, content, _ in IMAGES]
    for pictures in (found.pictures, pickle.loads(pickle.dumps(found.pictures))):
        assert [pictures.read(row) for row in range(300)] == contents
        assert len(pictures) == 300
    assert found.pictures.stamp() == LISTS[kind](str(places[kind]), DataConfig()).pictures.stamp() != ""
