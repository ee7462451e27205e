"""Every export is read by its real consumer, and yields exactly the split's rows."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from torchvision.datasets import ImageFolder

from splitgen import export_split
from splitgen.errors import ExportError, FingerprintError, RowsError
from splitgen.exports import huggingface, lightning, scikit_learn, wilds
from splitgen.exports.fiftyone import tag_samples
from splitgen.exports.registry import CALLS, EXPORTERS

USED = ("train", "validation", "test")


def ids_of(split, part: str) -> set[str]:
    return {split.ids[index] for index in split.indices(part)}


def below(path: str | Path, parts: int = 2) -> str:
    """The last parts of a path: an id."""
    return "/".join(Path(path).parts[-parts:])


def test_csv_and_json_lines_hold_every_row(split, tmp_path):
    export_split(split, "csv", tmp_path / "split.csv")
    export_split(split, "jsonl", tmp_path / "split.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "split.jsonl").read_text().splitlines()]
    for frame in (pd.read_csv(tmp_path / "split.csv"), pd.DataFrame(lines)):
        assert list(frame["id"]) == list(split.ids)
        assert list(frame["split"]) == split.parts.tolist()


def test_hugging_face_loads_the_parquet_files_and_decodes_their_images(split, images, tmp_path):
    datasets = pytest.importorskip("datasets")
    export_split(split, "huggingface", tmp_path / "hf", images=images)
    files = {part: str(tmp_path / "hf" / f"{part}.parquet") for part in USED}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert {part: set(loaded[part]["id"]) for part in USED} == {part: ids_of(split, part) for part in USED}
    row = loaded["test"][0]
    assert row["image"].size == (16, 16)
    assert row["label"] == split.labels[row["index"]]


def test_hugging_face_selects_the_rows_of_a_dataset_in_memory(split):
    datasets = pytest.importorskip("datasets")
    source = datasets.Dataset.from_dict({"key": list(split.ids), "label": split.labels.tolist()})
    parts = huggingface.make_dataset_dict(split, source, label_column="label")
    assert {part: set(parts[part]["key"]) for part in parts} == {part: ids_of(split, part) for part in USED}
    with pytest.raises(ExportError, match="the split has 300 rows, the dataset 10"):
        huggingface.make_dataset_dict(split, source.select(range(10)))
    with pytest.raises(ExportError, match="the dataset's label of row 0 is not"):
        huggingface.make_dataset_dict(split, source.select(range(len(source))[::-1]), label_column="label")


def wilds_classes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own imports warn
        module = pytest.importorskip("wilds.datasets.wilds_dataset")
        celeba = pytest.importorskip("wilds.datasets.celebA_dataset")
    return module.WILDSDataset, celeba.CelebADataset


def make_wilds(split):
    dataset_class, _ = wilds_classes()

    class Digits(dataset_class):
        _dataset_name, _y_size, _n_classes = "digits", 1, 10
        _split_array = np.zeros(split.n_points, dtype=np.int64)
        _y_array = torch.from_numpy(split.labels)
        _metadata_fields, _metadata_array = ["y"], torch.from_numpy(split.labels)[:, None]

        def __init__(self) -> None:
            pass

        def get_input(self, idx):
            return split.ids[idx]

    return Digits()


def test_wilds_follows_the_split_array(split):
    dataset = wilds.set_split_array(make_wilds(split), split)
    for name, part in (("train", "train"), ("val", "validation"), ("test", "test")):
        subset = dataset.get_subset(name)
        assert {subset[i][0] for i in range(len(subset))} == ids_of(split, part)


def test_wilds_of_other_labels_is_refused(split):
    dataset = make_wilds(split)
    dataset._y_array = dataset._y_array.flip(0)
    with pytest.raises(ExportError, match="the dataset's label of row 0 is not"):
        wilds.set_split_array(dataset, split)


def test_wilds_metadata_has_the_codes_that_wilds_uses(split, tmp_path):
    export_split(split, "wilds", tmp_path / "metadata.csv")
    frame = pd.read_csv(tmp_path / "metadata.csv")
    dataset = make_wilds(split)
    dataset._split_array = frame["split"].to_numpy()
    assert {x for x, _, _ in dataset.get_subset("test")} == ids_of(split, "test")
    assert list(frame["y"]) == split.targets.tolist()


def test_wilds_reads_the_celeba_partition(split, images, tmp_path):
    """The real CelebA class of WILDS, on a folder in CelebA's layout."""
    _, celeba_class = wilds_classes()
    root = tmp_path / "celebA_v1.0"
    root.mkdir()
    (root / "RELEASE_v1.0.txt").touch()
    attributes = pd.DataFrame({"image_id": split.ids, "Male": -1, "Wearing_Hat": 1, "Smiling": 1})
    attributes["Blond_Hair"] = np.where(split.labels % 2, 1, -1)
    attributes.to_csv(root / "list_attr_celeba.csv", index=False)
    export_split(split, "celeba", root / "list_eval_partition.csv")
    (root / "img_align_celeba").symlink_to(images)
    dataset = celeba_class(root_dir=str(tmp_path), download=False)
    for name, part in (("train", "train"), ("val", "validation"), ("test", "test")):
        subset = dataset.get_subset(name)
        assert {split.ids[index] for index in subset.indices} == ids_of(split, part)


def test_subpopbench_and_group_dro_read_rows_by_split_number(split, tmp_path):
    """Their own lines, as in subpopbench/dataset/datasets.py and group_DRO's confounder_utils / waterbirds class."""
    export_split(split, "subpopbench", tmp_path / "metadata.csv")
    df = pd.read_csv(tmp_path / "metadata.csv")
    for number, part in enumerate(USED):
        assert set(df[df["split"] == number]["filename"]) == ids_of(split, part)
    assert df["a"].tolist() == (split.margins[df["id"]] > 0).astype(int).tolist()

    attributes = np.arange(split.n_points) % 3
    export_split(split, "group-dro", tmp_path / "dro.csv", attributes=attributes)
    df = pd.read_csv(tmp_path / "dro.csv")
    split_array = df["split"].values
    for number, part in enumerate(USED):
        assert set(df["img_filename"].values[split_array == number]) == ids_of(split, part)
    assert df["place"].tolist() == attributes[df["img_id"]].tolist()


def test_scikit_learn_trains_on_train_and_scores_on_test(split, folder, tmp_path):
    fold, indices = scikit_learn.make_predefined_split(split)
    ((train, test),) = fold.split()
    assert {split.ids[indices[i]] for i in train} == ids_of(split, "train")
    assert {split.ids[indices[i]] for i in test} == ids_of(split, "test")
    pixels, labels = folder.images.pixels.flatten(1).numpy() / 255, folder.labels
    by_hand = LogisticRegression(max_iter=500).fit(pixels[split.indices("train")], labels[split.indices("train")])
    (score,) = cross_val_score(LogisticRegression(max_iter=500), pixels[indices], labels[indices], cv=fold)
    assert score == by_hand.score(pixels[split.indices("test")], labels[split.indices("test")])
    export_split(split, "sklearn", tmp_path / "folds.npz")
    with np.load(tmp_path / "folds.npz") as file:
        assert np.array_equal(file["index"], indices)
        assert np.array_equal(file["test_fold"], fold.test_fold)


def test_torchvision_reads_the_folders_of_links(split, images, folder, tmp_path):
    export_split(split, "imagefolder", tmp_path / "out", images=images)
    for part in USED:
        found = ImageFolder(tmp_path / "out" / part)
        assert {below(path) for path, _ in found.samples} == ids_of(split, part)
        assert found.classes == list(folder.class_names)
        for path, label in found.samples:
            assert label == split.labels[split.ids.index(below(path))]
            assert Path(path).is_symlink()
            assert not Path(path).readlink().is_absolute()


def test_the_folders_can_be_moved_together_with_their_images(split, images, tmp_path):
    (tmp_path / "a").mkdir()
    moved = tmp_path / "a" / "images"
    moved.symlink_to(images)
    copy = tmp_path / "a" / "real"
    copy.mkdir()
    for path in images.rglob("*.png"):
        target = copy / path.relative_to(images)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    export_split(split, "imagefolder", tmp_path / "a" / "out", images=copy)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len(ImageFolder(tmp_path / "b" / "out" / "test")) == split.counts()["test"]


def test_timm_reads_the_folders_of_links(split, images, tmp_path):
    timm = pytest.importorskip("timm.data")
    export_split(split, "timm", tmp_path / "out", images=images)
    for name, part in (("train", "train"), ("validation", "test")):
        found = timm.create_dataset("", root=str(tmp_path / "out"), split=name)
        assert {below(found.filename(i, absolute=True)) for i in range(len(found))} == ids_of(split, part)


def test_domain_bed_sees_each_part_as_an_environment(split, images, tmp_path):
    """DomainBed's MultipleEnvironmentImageFolder: sorted folders, an ImageFolder each."""
    export_split(split, "domainbed", tmp_path / "out", images=images)
    environments = sorted(entry.name for entry in (tmp_path / "out").iterdir() if entry.is_dir())
    found = [ImageFolder(tmp_path / "out" / environment) for environment in environments]
    assert [{below(path) for path, _ in each.samples} for each in found] == [ids_of(split, part) for part in USED]


def test_lightning_has_loaders_of_the_parts(split, folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it pins memory where there is no GPU, too
        pytest.importorskip("lightning")
        module = lightning.make_data_module(split, folder, batch_size=32)
        loaders = module.train_dataloader(), module.val_dataloader(), module.test_dataloader()
        for loader, part in zip(loaders, USED, strict=True):
            assert [loader.dataset.indices[i] for i in range(len(loader.dataset))] == split.indices(part).tolist()
            pixels, labels = next(iter(loader))
            assert pixels.shape[1:] == (1, 16, 16)
            assert pixels.dtype == torch.float32
            assert len(labels) <= 32


def test_task_discovery_loads_its_pair_of_index_tensors(split, tmp_path):
    export_split(split, "tensors", tmp_path / "splits.pt")
    train, test = torch.load(tmp_path / "splits.pt", weights_only=True)[0][0]
    assert np.array_equal(train.numpy(), split.indices("train"))
    assert np.array_equal(test.numpy(), split.indices("test"))
    assert train.dtype == test.dtype == torch.int64


def test_a_subset_has_the_rows_of_its_part(split, folder, images):
    for source in (folder, ImageFolder(images)):
        subset = split.subset(source, "train")
        assert [split.labels[i] for i in split.indices("train")] == [int(label) for _, label in subset]


def test_fiftyone_finds_the_rows_by_their_tags(split, images):
    fiftyone = pytest.importorskip("fiftyone", reason="not among the extras: it brings a database server")
    dataset = fiftyone.Dataset.from_dir(str(images), dataset_type=fiftyone.types.ImageClassificationDirectoryTree)
    tag_samples(split, dataset, images)
    for part in USED:
        tagged = {below(path) for path in dataset.match_tags(part).values("filepath")}
        assert tagged == ids_of(split, part)
    dataset.delete()


def test_a_subset_of_other_data_is_refused(split, folder, digits, images):
    with pytest.raises(RowsError, match="300 rows, the dataset 1797"):
        split.subset(digits, "train")
    flipped = ImageFolder(images, target_transform=lambda label: 9 - label)
    flipped.targets = [9 - label for label in flipped.targets]
    with pytest.raises(FingerprintError, match="label of row 0"):
        split.subset(flipped, "train")
    bare = [(None, 9 - label) for label in split.labels]  # lists no labels: a hundred items are looked at
    with pytest.raises(FingerprintError, match="label of row 0"):
        split.subset(bare, "train")
    torn = [(None, torch.tensor(label + 0.5)) for label in split.labels]
    with pytest.raises(FingerprintError, match=f"label of row 0 is {split.labels[0] + 0.5}, no class"):
        split.subset(torn, "train")
    whole = [(None, torch.tensor(float(label))) for label in split.labels]
    assert len(split.subset(whole, "train")) == split.counts()["train"]
    flipped.targets = np.zeros((split.n_points, 3))
    with pytest.raises(FingerprintError, match=r"labels have the shape \(300, 3\)"):
        split.subset(flipped, "train")
    other = split.with_metadata(dataset={"fingerprint": "sha256:0"})
    with pytest.raises(FingerprintError, match="fingerprint sha256:0"):
        other.subset(folder, "train")


@pytest.mark.parametrize(
    ("consumer", "options", "message"),
    [
        ("imagefolder", {}, "give --images"),
        ("imagefolder", {"images": Path("/nowhere")}, "is no file in '/nowhere'"),
        ("excel", {}, "unknown consumer; use csv, jsonl"),
        ("lightning", {}, "make_data_module"),
        ("fiftyone", {}, "tag_samples"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_line_and_leaves_nothing(split, tmp_path, consumer, options, message):
    with pytest.raises(ExportError, match=message) as caught:
        export_split(split, consumer, tmp_path / "out", **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_not_written_over(split, images, tmp_path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ExportError, match="is there already"):
        export_split(split, "timm", tmp_path, images=images)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_id_that_leaves_its_folder_is_refused(split, images, tmp_path):
    sly = type(split)(
        ("../../etc/passwd", *split.ids[1:]),
        *(getattr(split, name) for name in ("labels", "targets", "parts", "scores", "margins", "metadata")),
    )
    with pytest.raises(ExportError, match="is no file in"):
        export_split(sly, "imagefolder", tmp_path / "out", images=images)


def test_every_consumer_is_named_once_and_torch_is_not_needed_to_choose():
    assert not set(EXPORTERS) & set(CALLS)
    code = "import sys, splitgen.exports.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_exporter_from_outside_the_package_is_one_function_and_one_line(split, monkeypatch, tmp_path):
    def write_test_ids(export):
        export.out.write_text("\n".join(export.split.ids[row] for row in export.split.indices("test")))

    monkeypatch.setitem(EXPORTERS, "test-ids", write_test_ids)
    export_split(split, "test-ids", tmp_path / "ids.txt")
    assert (tmp_path / "ids.txt").read_text().split("\n") == [split.ids[row] for row in split.indices("test")]


@pytest.mark.parametrize("consumer", ["imagefolder", "timm", "domainbed"])
def test_the_folder_that_is_the_class_goes_in_front_wherever_it_stands_in_the_ids(
    consumer, split, images, folder, tmp_path
):
    """As of a root that holds train and test."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "train").symlink_to(images)
    below_train = replace(split, ids=tuple(f"train/{key}" for key in split.ids))
    export_split(below_train, consumer, tmp_path / "out", images=tmp_path / "root")
    test = {"imagefolder": "test", "timm": "validation", "domainbed": "env2_test"}[consumer]
    found = ImageFolder(tmp_path / "out" / test)
    assert found.classes == list(folder.class_names)
    named = {Path(path).name: label for path, label in found.samples}
    assert named == {Path(split.ids[row]).name: split.labels[row] for row in split.indices("test")}


def test_ids_without_a_folder_that_is_the_class_are_refused(split, images, tmp_path):
    (tmp_path / "root").mkdir()
    for path in images.rglob("*.png"):
        (tmp_path / "root" / "all").mkdir(exist_ok=True)
        (tmp_path / "root" / "all" / path.name).symlink_to(path)
    flat = replace(split, ids=tuple(f"all/{key.rpartition('/')[2]}" for key in split.ids))
    with pytest.raises(ExportError, match="no folder of the ids is the class .first: 'all/"):
        export_split(flat, "imagefolder", tmp_path / "out", images=tmp_path / "root")
    assert not (tmp_path / "out").exists()


def test_labels_of_a_hub_dataset_are_compared_unasked(split):
    datasets = pytest.importorskip("datasets")
    source = datasets.Dataset.from_dict({"key": list(split.ids), "label": split.labels.tolist()})
    assert huggingface.make_dataset_dict(split, source)["test"].num_rows == split.counts()["test"]
    with pytest.raises(ExportError, match="the dataset's label of row 0 is not"):
        huggingface.make_dataset_dict(split, source.select(range(len(source))[::-1]))
