"""A dataset of others whose rows are not those of the split, though its labels are, gives no part of it."""

from __future__ import annotations

import dataclasses
import shutil
import unicodedata
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Subset
from torchvision.datasets import ImageFolder

from splitgen.data.row_names import list_namings, sample_labels
from splitgen.errors import ExportError, FingerprintError, RowsError
from splitgen.exports import huggingface, wilds
from splitgen.exports.export import Export, find_spelling
from splitgen.exports.fiftyone import tag_samples
from splitgen.exports.lightning import make_data_module


class Lister:
    """A dataset with the attributes given, that cannot give an item."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __len__(self):
        return len(self.targets)


def swap(split):
    """Two rows of one label, one of them in train and one in test: a mistake that labels do not show."""
    label = split.labels[split.indices("test")[0]]
    rows = [int(next(row for row in split.indices(part) if split.labels[row] == label)) for part in ("train", "test")]
    order = list(range(split.n_points))
    order[rows[0]], order[rows[1]] = rows[1], rows[0]
    return order, min(rows)


def renamed(folder, images, path, old, new):
    """A copy of the images in which one is named otherwise, but sorted as before."""
    shutil.copytree(images, path)
    (path / old).rename(path / new)
    return path


def test_a_folder_whose_files_were_renamed_gives_no_subset(split, folder, images, tmp_path):
    assert len(split.subset(ImageFolder(images), "train")) == split.counts()["train"]
    moved = shutil.copytree(images, tmp_path / "moved")
    assert len(split.subset(ImageFolder(moved), "train")) == split.counts()["train"]
    old = split.ids[7]
    other = ImageFolder(renamed(folder, images, tmp_path / "other", old, old.replace(".png", "a.png")))
    assert other.targets == split.labels.tolist()
    row = next(row for row, (path, _) in enumerate(other.samples) if path.endswith("a.png"))
    first = min(row, 7)
    with pytest.raises(FingerprintError) as caught:
        split.subset(other, "train")
    assert f"the split has the id '{split.ids[first]}' in row {first}, the dataset '" in str(caught.value)
    assert "give the dataset that it was made of, in the same order" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("kind", ["samples", "imgs", "Subset", "Subset of a Subset", "ConcatDataset", "splitgen's own"])
def test_rows_in_another_order_give_no_subset(split, folder, images, kind):
    order, first = swap(split)
    source = ImageFolder(images)
    if kind in ("samples", "imgs"):
        source = Lister(**{kind: [source.samples[row] for row in order]}, targets=source.targets)
    elif kind == "ConcatDataset":
        source = ConcatDataset([Subset(source, order[:100]), Subset(source, order[100:])])
    elif kind == "splitgen's own":
        source = dataclasses.replace(folder, ids=tuple(folder.ids[row] for row in order))
    else:
        source = Subset(source, order)
        source = Subset(source, range(split.n_points)) if kind == "Subset of a Subset" else source
    message = f"the id '{split.ids[first]}' in row {first}, the dataset '.*{split.ids[order[first]]}'"
    with pytest.raises(FingerprintError, match=message):
        split.subset(source, "train")


def test_a_subset_that_puts_the_rows_in_order_is_the_splits_own(split, images):
    order, _ = swap(split)
    source = ImageFolder(images)
    source.samples = source.imgs = [source.samples[row] for row in order]
    back = Subset(source, order)  # a swap undoes itself
    chosen = split.subset(back, "test")
    paths = [source.samples[order[row]][0] for row in chosen.indices]
    assert [path.endswith(split.ids[row]) for path, row in zip(paths, split.indices("test"), strict=True)] == [
        True
    ] * len(paths)


def test_labels_that_count_from_one_or_leave_numbers_out_are_those_of_classes_numbered_anew(split):
    numbers = np.array([1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
    for others in (split.labels + 1, numbers[split.labels]):
        assert len(split.subset(Lister(targets=others.tolist()), "test")) == split.counts()["test"]
        assert len(split.subset([(None, int(label)) for label in others], "test")) == split.counts()["test"]
    swapped = numbers[[1, 0, *range(2, 10)]][split.labels]  # the same parts, but other classes
    with pytest.raises(FingerprintError, match="label of row"):
        split.subset(Lister(targets=swapped.tolist()), "test")
    one_wrong = (split.labels + 1).tolist()
    one_wrong[299] = one_wrong[299] % 10 + 1
    with pytest.raises(FingerprintError, match="label of row"):
        split.subset(Lister(targets=one_wrong), "test")


def test_labels_are_all_compared_through_a_subset_and_all_as_labels_or_all_as_targets(split, folder):
    labels = split.labels.tolist()
    labels[151] = (labels[151] + 1) % 10  # of a hundred items that are looked at, none is row 151
    source = Lister(targets=labels)
    rows, found = sample_labels(Subset(source, range(300)))
    assert (rows.tolist(), found.tolist()) == (list(range(300)), labels)
    with pytest.raises(FingerprintError, match="label of row 151 is not"):
        split.subset(Subset(source, range(300)), "train")
    halves = dataclasses.replace(split, targets=(split.labels < 5).astype(np.int64))
    as_targets = [(None, int(target)) for target in halves.targets]
    assert len(halves.subset(as_targets, "train")) == split.counts()["train"]
    mixed = [(None, int(halves.targets[row] if row % 2 else halves.labels[row])) for row in range(300)]
    with pytest.raises(FingerprintError, match="label of row"):
        halves.subset(mixed, "train")


def test_names_of_another_kind_say_nothing(split, images):
    positions = dataclasses.replace(split, ids=tuple(map(str, range(split.n_points))))
    assert len(positions.subset(ImageFolder(images), "train")) == split.counts()["train"]
    numbered = [(None, label) for label in split.labels]
    assert list_namings(numbered) == []
    assert len(split.subset(numbered, "train")) == split.counts()["train"]


def test_composed_and_decomposed_unicode_are_one_name(split, images, tmp_path):
    def spell(key, form):
        return unicodedata.normalize(form, key.replace("digit", "zifé"))

    for key in split.ids:
        (tmp_path / spell(key, "NFD")).parent.mkdir(exist_ok=True)
        shutil.copy(images / key, tmp_path / spell(key, "NFD"))
    composed = dataclasses.replace(split, ids=tuple(spell(key, "NFC") for key in split.ids))
    assert len(composed.subset(ImageFolder(tmp_path), "test")) == split.counts()["test"]
    paths = Export("imagefolder", composed, tmp_path / "out", images=tmp_path).image_paths()
    assert [str(path) for path in paths] == [spell(key, "NFD") for key in split.ids]
    assert str(find_spelling(tmp_path, "nowhere/é.png")) == "nowhere/é.png"


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (iter(()), RowsError, "a tuple_iterator has no length"),
        ([None] * 300, FingerprintError, "label of row 0 is None, no class"),
        ([(None, torch.ones(2))] * 300, FingerprintError, "labels have the shape (100, 2), not one a row"),
        ([(None, [1] * (row % 3)) for row in range(300)], FingerprintError, "label of row 0 is [], no class"),
        ([(None, 2**70)] * 300, FingerprintError, f"label of row 0 is {2**70}, no class"),
        ([(None, "digit0")] * 300, FingerprintError, "the dataset's label of row"),
        ([(None, "cat")] * 300, FingerprintError, "label of row 0 is 'cat', no class"),
    ],
)
def test_what_is_no_dataset_of_pairs_is_one_line(split, source, error, message):
    with pytest.raises(error) as caught:
        split.subset(source, "train")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_words_are_classes_by_name(split):
    named = [(None, f"digit{label}") for label in split.labels]
    assert len(split.subset(named, "train")) == split.counts()["train"]


def hub(split, images, order=None, **columns):
    """A Hugging Face dataset of the same images and labels; without columns, with nothing else."""
    datasets = pytest.importorskip("datasets")
    order = list(range(split.n_points)) if order is None else order
    pictures = [{"bytes": (images / split.ids[row]).read_bytes(), "path": None} for row in order]
    given = {"image": pictures, "label": [int(split.labels[row]) for row in order], **columns}
    return datasets.Dataset.from_dict(given).cast_column("image", datasets.Image())


def test_a_hub_dataset_is_compared_by_whatever_names_its_rows(split, images):
    order, first = swap(split)
    names = [split.ids[row] for row in order]
    message = f"the id '{split.ids[first]}' in row {first}, the dataset '{names[first]}'"
    for column in ("id", "path", "file_name"):
        good = huggingface.make_dataset_dict(split, hub(split, images, **{column: list(split.ids)}), "label")
        assert good["test"][column] == [split.ids[row] for row in split.indices("test")]
        for source in (
            hub(split, images, order, **{column: names}),
            hub(split, images, **{column: list(split.ids)}).select(order),
        ):
            with pytest.raises(ExportError, match=message):
                huggingface.make_dataset_dict(split, source, "label")
            with pytest.raises(FingerprintError, match=message):
                split.subset(source, "train")


def test_the_paths_of_a_hub_datasets_images_are_compared_and_no_image_is_decoded(split, images, tmp_path):
    datasets = pytest.importorskip("datasets")
    source = datasets.load_dataset("imagefolder", data_dir=str(images), cache_dir=str(tmp_path), split="train")
    given = [path.split(f"{images}/")[1] for path in list_namings(source)[0]]
    source = source.select([given.index(key) for key in split.ids])
    parts = huggingface.make_dataset_dict(split, source, label_column="label")
    assert {name: len(part) for name, part in parts.items()} == {n: c for n, c in split.counts().items() if n in parts}
    order, first = swap(split)
    with pytest.raises(
        ExportError, match=f"the id '{split.ids[first]}' in row {first}, the dataset '.*{split.ids[order[first]]}'"
    ):
        huggingface.make_dataset_dict(split, source.select(order))
    saved = hub(split, images)
    pictures = [{"bytes": b"no image", "path": key.split("/")[1]} for key in split.ids]
    bare = datasets.Dataset.from_dict({"image": pictures}).cast_column("image", datasets.Image())
    huggingface.make_dataset_dict(split, bare)
    with pytest.raises(ExportError, match=f"the id '{split.ids[first]}' in row {first}"):
        huggingface.make_dataset_dict(split, bare.select(order))
    assert list_namings(saved) == []
    assert len(huggingface.make_dataset_dict(split, saved.select(order))["test"]) == split.counts()["test"]


def test_a_hub_datasets_classes_are_compared_by_name(split, images):
    datasets = pytest.importorskip("datasets")
    names = sorted(split.class_names, reverse=True)
    numbers = [names.index(f"digit{label}") for label in split.labels]
    source = hub(split, images).remove_columns("label").add_column("label", numbers)
    named = source.cast_column("label", datasets.ClassLabel(names=names)).with_format("numpy", columns=["label"])
    assert len(huggingface.make_dataset_dict(split, named, "label")["test"]) == split.counts()["test"]
    assert len(split.subset(named, "test")) == split.counts()["test"]
    with pytest.raises(ExportError, match="the dataset's label of row 0 is not 0"):
        huggingface.make_dataset_dict(split, source, "label")
    words = source.remove_columns("label").add_column("label", [f"digit{label}" for label in split.labels])
    assert len(huggingface.make_dataset_dict(split, words, "label")["test"]) == split.counts()["test"]


def test_a_column_of_ids_that_is_named_is_compared_whatever_it_holds(split, images):
    keys = dataclasses.replace(split, ids=tuple(f"{row:04}" for row in range(split.n_points)))
    source = hub(split, images, key=[f" {row:04}" for row in range(split.n_points)])
    assert len(huggingface.make_dataset_dict(keys, source, id_column="key")["test"]) == split.counts()["test"]
    with pytest.raises(ExportError, match="column 'key' has ' 0000' in row 0, the split 'digit0/0.png'"):
        huggingface.make_dataset_dict(split, source, id_column="key")
    for option in ("id_column", "label_column"):
        with pytest.raises(ExportError, match="the dataset has no column 'name'; its columns are"):
            huggingface.make_dataset_dict(split, source, **{option: "name"})


def test_a_lightning_module_is_made_of_the_splits_own_rows_alone(split, images):
    pytest.importorskip("lightning")
    order, first = swap(split)
    with pytest.raises(FingerprintError, match=f"in row {first}"):
        make_data_module(split, Subset(ImageFolder(images), order))


def test_a_wilds_dataset_is_compared_by_the_files_that_it_lists(split):
    class Files:
        y_array = torch.from_numpy(split.labels)[:, None]

        def __init__(self, names):
            self._input_array = np.array(names)

        def __len__(self):
            return split.n_points

    order, first = swap(split)
    assert wilds.set_split_array(Files(split.ids), split)._split_array.tolist() == wilds.code_parts(split).tolist()
    with pytest.raises(ExportError, match=f"the split has the id '{split.ids[first]}' in row {first}"):
        wilds.set_split_array(Files([split.ids[row] for row in order]), split)


class Samples:
    """FiftyOne's calls that splitgen makes; its samples and their tags by file path."""

    def __init__(self, paths):
        self.tags = OrderedDict((path, []) for path in paths)
        self.chosen = list(paths)

    def values(self, field):
        assert field == "filepath"
        return list(self.tags)

    def select_by(self, field, values):
        assert field == "filepath"
        view = Samples([])
        view.tags, view.chosen = self.tags, [value for value in values if value in self.tags]
        return view

    def untag_samples(self, tags):
        for path in self.chosen:
            self.tags[path] = [tag for tag in self.tags[path] if tag not in tags]

    def tag_samples(self, tag):
        for path in self.chosen:
            self.tags[path].append(tag)


def test_samples_that_a_fiftyone_dataset_lacks_are_named_rather_than_left_out(split, images, tmp_path):
    (tmp_path / "link").symlink_to(images)
    for root in (images, tmp_path / "link"):
        whole = Samples([str(root / key) for key in split.ids])
        for part in ("train", "mine"):  # tags of an earlier split, and of the user
            whole.select_by("filepath", list(whole.tags)).tag_samples(part)
        tag_samples(split, whole, root)
        assert all(tags[0] == "mine" for tags in whole.tags.values())
        found = [tags[1] if len(tags) > 1 else "reserve" for tags in whole.tags.values()]
        assert found == split.parts.tolist()
    lacking = Samples([str(images / key) for row, key in enumerate(split.ids) if row != split.indices("test")[0]])
    with pytest.raises(ExportError, match=f"the dataset has no sample '.*{split.ids[split.indices('test')[0]]}'"):
        tag_samples(split, lacking, images)
