"""Datasets of the user's own code: by name, with what they list of labels, classes and ids; never because a file names
them."""

from __future__ import annotations

import json
import pickle
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, Subset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

import splitgen
from splitgen import cli, open_dataset
from splitgen.data.cache import decoding, workers
from splitgen.data.sources.registry import mark_recorded
from splitgen.data.torch_dataset import ItemPictures
from splitgen.data.torch_items import list_labels
from splitgen.errors import SourceError
from splitgen.store.recall import recall_settings

NUMBER = iter(range(1000))
HEAD = """
import pathlib, numpy as np, torch
from sklearn.datasets import load_digits
from torch.utils.data import Dataset, Subset, IterableDataset
pathlib.Path(__file__).with_name('mark').touch()
bunch = load_digits()
class Digits(Dataset):
    classes = [f'digit {c}' for c in range(10)]
    def __len__(self): return len(bunch.target)
    def __getitem__(self, row): return torch.tensor(bunch.images[row][None]), bunch.target[row]
instance, nothing, number = Digits(), None, 7
def build(): return Digits()
def fail(): raise RuntimeError('no disk\\nat all')
def leave(): raise SystemExit(3)
def need(path): return Digits()
def endless():
    class Endless(IterableDataset):
        def __iter__(self): return iter([])
    return Endless()
def text(): return 'digits'
"""


@pytest.fixture
def module(tmp_path, monkeypatch) -> str:
    """The name of a module in the working folder, which leaves a mark where it is imported."""
    name = f"mine_{next(NUMBER)}"
    (tmp_path / f"{name}.py").write_text(HEAD)
    package = tmp_path / f"pack_{name}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "sets.py").write_text(HEAD)
    monkeypatch.chdir(tmp_path)
    return name


@pytest.mark.parametrize("what", ["Digits", "instance", "build"])
def test_a_class_an_instance_and_a_function_are_opened_by_name(module, what, digits, tmp_path):
    found = open_dataset(f"{module}:{what}")
    assert found.source == f"{module}:{what}"
    assert np.array_equal(found.labels, digits.labels)
    assert found.class_names[9] == "digit 9"
    assert found.ids == digits.ids
    assert torch.equal(found.images.take([5]), digits.images.take([5]))
    assert (tmp_path / "mark").exists()


def test_a_module_in_a_package_is_opened_and_a_kind_of_source_comes_first(module, tmp_path):
    assert open_dataset(f"pack_{module}.sets:build").n_points == 1797
    (tmp_path / "npz.py").write_text(HEAD)
    with pytest.raises(SourceError, match="npz:build': the file does not exist"):
        open_dataset("npz:build")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nothing", "it has no length or no items"),
        ("number", "it has no length or no items"),
        ("text", "item 0 is no pair but str"),
        ("fail", "its code failed: RuntimeError: no disk at all; it is called without arguments"),
        ("leave", "its code failed: SystemExit: 3"),
        ("need", "its code failed: need\\(\\) missing 1 required positional argument: 'path'"),
        ("endless", "it is an IterableDataset, whose rows cannot be asked for one by one"),
        ("missing", "cannot be imported \\(module 'mine_.*' has no attribute 'missing'\\)"),
    ],
)
def test_code_that_gives_no_dataset_is_one_line(module, what, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_dataset(f"{module}:{what}")
    assert "\n" not in str(caught.value)


def test_what_is_neither_a_kind_nor_a_module_is_told_with_all_kinds(module):
    for spec in ("no_such_module:build", "picutres:/a/b", "digit", "nothing"):
        with pytest.raises(SourceError, match="unknown dataset; use digits, .*npz:FILE.* or package.module:callable"):
            open_dataset(spec)
    with pytest.raises(SourceError, match="no_such.module:build': cannot be imported \\(No module named 'no_such'\\)"):
        open_dataset("no_such.module:build")


@pytest.fixture
def split_file(module, digits, tmp_path):
    """An index file and a run folder that name the user's module as their dataset."""
    spec = f"{module}:build"
    parts = np.where(np.arange(digits.n_points) % 2, "train", "test")
    zeros = np.zeros(digits.n_points, np.float32)
    metadata = {"dataset": {"source": spec, "fingerprint": "sha256:0", "class_names": list(digits.class_names)}}
    metadata |= {"target": "label", "seed": 0}
    run = tmp_path / "run"
    run.mkdir()
    split = splitgen.Split(digits.ids, digits.labels, digits.labels, parts, zeros, zeros, metadata)
    for path in (tmp_path / "split.parquet", run / "split.parquet"):
        splitgen.write_split(split, path)
    (run / "run.json").write_text(json.dumps({"config": {"data": {"dataset": spec}}}))
    return spec


def call(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["splitgen", *arguments])
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


FAST = ["--model", "mlp", "--threads", "1", "--seeds", "2", "--epochs", "1"]
COMMANDS = [
    (["verify", "split.parquet", *FAST], 2),
    (["verify", "run", *FAST], 2),
    (["report", "run"], 2),
    (["show", "run", "--images", "sheets"], 2),
    (["show", "split.parquet", "--images", "sheets"], 2),
    (["check", "run", "--fail-under", "0", *FAST], 3),
]


@pytest.mark.parametrize(("arguments", "code"), COMMANDS, ids=[" ".join(command[:2]) for command, _ in COMMANDS])
def test_no_command_imports_a_dataset_that_a_file_names(split_file, monkeypatch, capsys, tmp_path, arguments, code):
    assert call(monkeypatch, *arguments) == code
    said = " ".join("".join(capsys.readouterr()).split())
    assert f"dataset '{split_file}': stands in the file" in said
    assert f"is code, which is not run unless you name it; give the dataset {split_file} if you trust it" in said
    assert not (tmp_path / "mark").exists()
    assert split_file.partition(":")[0] not in sys.modules


@pytest.mark.parametrize("how", ["command line", "TOML file"])
def test_a_dataset_that_the_user_names_is_imported(split_file, monkeypatch, capsys, tmp_path, how):
    (tmp_path / "mine.toml").write_text(f'[data]\ndataset = "{split_file}"\n')
    named = [split_file] if how == "command line" else ["--config", "mine.toml"]
    assert call(monkeypatch, "verify", "split.parquet", *named, *FAST) == 2
    assert "fingerprint" in capsys.readouterr().err  # it was opened, and the made file is not of its data
    assert (tmp_path / "mark").exists()


def test_a_recorded_spec_is_marked_where_it_can_be_code(split_file, tmp_path):
    for spec in (split_file, "pack.sets:build", "dataset:Digits", "os:system"):
        assert mark_recorded(spec) == f"recorded:{spec}"
    for spec in ("digits", "idx:fashion", "npz:a", "torchvision:CIFAR10", "folder:cats", "stripes:6", "recorded:a"):
        assert mark_recorded(spec) == spec
    assert recall_settings(tmp_path / "run", {})["data"] == {"dataset": f"recorded:{split_file}"}


class Items(Dataset):
    """Items of digits, in whatever form; attributes as given."""

    def __init__(self, digits, form=lambda image, label: (image, label), **attributes):
        self.digits, self.form, self.asked = digits, form, 0
        vars(self).update(attributes)

    def __len__(self):
        return 300

    def __getitem__(self, row):
        self.asked += 1
        return self.form(self.digits.images.pixels[row], int(self.digits.labels[row]))


@pytest.mark.parametrize(
    "form",
    [
        lambda image, label: {"image": image, "label": label},
        lambda image, label: {"img": image, "labels": torch.tensor(label), "path": "a"},
        lambda image, label: (image, torch.tensor(label)),
        lambda image, label: [image, torch.tensor([label])],
        lambda image, label: (image, np.int32(label), "more"),
        lambda image, label: (image.numpy(), np.array(label)),
    ],
)
def test_pairs_and_records_with_labels_of_any_kind_are_understood(digits, form):
    found = open_dataset(Items(digits, form))
    assert found.labels.tolist() == digits.labels[:300].tolist()
    assert torch.equal(found.images.take([7])[0], digits.images.pixels[7])
    assert found.images.dtype == torch.float32


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (lambda image, label: {"picture": image, "label": label}, "item 0 has the keys picture, label"),
        (lambda image, label: {"image": image}, "item 0 has the keys image"),
        (lambda image, label: (image, torch.eye(10)[label]), r"the label of item 0 has the shape \(10,\)"),
        (lambda image, label: (image + torch.rand(1), label), "image 0 is another one each time it is asked for"),
        (lambda image, label: (image[0, 0, :0], label), r"image 0 has the shape \(0,\)"),
    ],
)
def test_items_that_do_not_serve_are_one_line(digits, form, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_dataset(Items(digits, form))
    assert "\n" not in str(caught.value)


def test_lists_that_contradict_the_items_are_refused(digits):
    listed = digits.labels[:300].tolist()
    assert open_dataset(Items(digits, targets=listed)).labels.tolist() == listed
    with pytest.raises(SourceError, match="item 0 has the label 0, its list of labels says 1"):
        open_dataset(Items(digits, targets=[(label + 1) % 10 for label in listed]))
    transformed = Items(digits, lambda image, label: (image, label // 5), targets=listed, target_transform=abs)
    assert open_dataset(transformed).labels.tolist() == [label // 5 for label in listed]


def test_ids_are_those_that_the_dataset_lists(digits):
    ids = [f"patient {row}" for row in range(300)]
    assert open_dataset(Items(digits, ids=ids)).ids == tuple(ids)
    assert open_dataset(Items(digits, ids=torch.arange(300) * 2)).ids[:3] == ("0", "2", "4")
    assert open_dataset(Items(digits, ids=["one"])).ids[:2] == ("0", "1")  # of something else
    with pytest.raises(SourceError, match="id 'patient 0' stands twice"):
        open_dataset(Items(digits, ids=["patient 0", *ids[:299]]))
    paths = [(f"/data/set/{row % 10}/{row}.png", row % 10) for row in range(300)]
    assert open_dataset(Items(digits, samples=paths, root="/data")).ids[12] == "set/2/12.png"
    assert open_dataset(Items(digits, imgs=paths)).ids[12] == "2/12.png"
    assert open_dataset(Items(digits, samples=[(image, 0) for image in range(300)])).ids[12] == "12"


def test_names_of_classes_come_from_either_list(digits):
    by_number = {f"digit {c}": c for c in (3, 1, 2, 0, 5, 4, 9, 8, 7, 6)}
    assert open_dataset(Items(digits, class_to_idx=by_number)).class_names == tuple(f"digit {c}" for c in range(10))
    synonyms = [(f"digit {c}", "other") for c in range(9)] + [("digit 0",)]
    names = open_dataset(Items(digits, classes=synonyms)).class_names
    assert (names[0], names[1], names[9]) == ("digit 0 (0)", "digit 1", "digit 0 (9)")
    assert open_dataset(Items(digits, class_to_idx={"a": 0, "b": 7})).class_names[0] == "0"


def test_subsets_and_concatenations_are_looked_through(digits):
    names, ids = [f"digit {c}" for c in range(10)], [f"row {row}" for row in range(300)]
    whole = Items(digits, targets=digits.labels[:300], classes=names, ids=ids)
    subset = open_dataset(Subset(whole, range(299, 99, -1)))
    assert subset.labels.tolist() == digits.labels[299:99:-1].tolist()
    assert subset.ids[:2] == ("row 299", "row 298")
    assert subset.class_names == tuple(names)
    assert torch.equal(subset.images.take([0])[0], digits.images.pixels[299])
    halves = ConcatDataset([Subset(whole, range(150)), Subset(whole, range(150, 300))])
    assert open_dataset(halves).ids == tuple(ids)
    assert open_dataset(halves).labels.tolist() == digits.labels[:300].tolist()
    twice = open_dataset(ConcatDataset([whole, whole]))
    assert (twice.ids[0], twice.ids[300], len(set(twice.ids))) == ("0/row 0", "1/row 0", 600)
    assert open_dataset(Subset(whole, [*range(300), 5])).ids[300] == "300"
    other = Items(digits, targets=digits.labels[:300], classes=names[::-1])
    with pytest.raises(SourceError, match="its parts have other classes: digit 0, digit 1, digit 2, ... and digit 9"):
        open_dataset(ConcatDataset([whole, other]))


def test_listed_labels_of_a_subset_load_no_more_than_a_few_images(digits):
    whole = Items(digits, targets=digits.labels[:300])
    list_labels(Subset(whole, range(200)), "a")
    assert whole.asked <= 5


@pytest.fixture
def image_folder(digits, tmp_path):
    """Digits as grey PNG of two sizes, one folder a class."""
    for row in range(300):
        path = tmp_path / "set" / f"digit {digits.labels[row]}" / f"{row:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((digits.images.pixels[row, 0] * 15).byte().numpy())
        picture.resize((16, 16) if row % 2 else (20, 20), Image.Resampling.NEAREST).save(path)
    return tmp_path / "set"


def test_an_image_folder_has_its_paths_as_ids_and_its_pictures_at_one_size(image_folder, digits):
    mine = ImageFolder(image_folder)
    found = open_dataset(mine)
    assert found.ids == tuple(str(path).removeprefix(f"{image_folder}/") for path, _ in mine.samples)
    assert found.class_names == tuple(f"digit {c}" for c in range(10))
    assert found.labels.tolist() == mine.targets
    assert found.images.dtype == torch.uint8
    folder = open_dataset(f"folder:{image_folder}")
    assert found.ids == folder.ids
    assert found.images.shape[0] == 3  # as ImageFolder gives them
    assert torch.equal(found.images.take([9])[0, 0], folder.images.take([9])[0, 0])


def test_pictures_that_a_transform_makes_are_those_that_are_used(image_folder):
    red = ImageFolder(image_folder, transform=lambda picture: Image.new("RGB", (9, 9 + picture.width % 3), "red"))
    found = open_dataset(red)
    assert found.images.take([3])[0, :, 4, 4].tolist() == [255, 0, 0]


def test_floats_of_to_tensor_stay_floats(image_folder):
    steps = v2.Compose([v2.Grayscale(), v2.Resize((8, 8)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    mine = ImageFolder(image_folder, transform=steps)
    found = open_dataset(mine)
    assert found.images.dtype == torch.float32
    assert torch.equal(found.images.take([4])[0], torch.Tensor(mine[4][0]))
    assert found.ids[0].endswith(".png")


def test_labels_that_do_not_serve_are_told_before_a_picture_is_decoded(image_folder):
    mine = ImageFolder(image_folder)
    mine.targets = mine.samples = mine.imgs = [(path, 10**9) for path, _ in mine.samples]
    mine.targets = [10**9] * 300
    with pytest.raises(SourceError, match="though labels go up to 1000000000"):
        open_dataset(mine)


def test_pictures_are_read_again_in_another_process():
    pictures = ItemPictures([(Image.new("L", (3, 3), row), 0) for row in range(9)], "a", kept=np.array([8, 2]))
    again = pickle.loads(pickle.dumps(pictures))
    assert len(again) == 2
    assert again.read(1).getpixel((0, 0)) == 2
    assert again.name(0) == "row 8"
    named = pickle.loads(pickle.dumps(ItemPictures([lambda: 1], "a", make=list)))  # the items themselves stay behind
    assert named.made is None


SHUFFLED = """
import os, random
import numpy as np
from PIL import Image

class Squares:
    \"\"\"In another order in each process; the class is whether the square is bright.\"\"\"
    def __init__(self):
        self.rows = random.Random(os.getpid()).sample(range(400), 400)
        self.targets = [row % 2 for row in self.rows]
    def __len__(self):
        return 400
    def __getitem__(self, row):
        value = 200 * (self.rows[row] % 2) + self.rows[row] % 50
        return Image.fromarray(np.full((8 + row % 2, 9), value, np.uint8)), self.targets[row]
"""


def test_workers_read_the_very_dataset_that_tells_the_labels(tmp_path, monkeypatch):
    (tmp_path / "shuffled_squares.py").write_text(SHUFFLED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(decoding, "WORKERS_PAY", 0)
    monkeypatch.setattr(decoding, "CHUNK_SECONDS", 0.001)
    crew = workers.Crew

    class Patient(crew):
        @property
        def is_ready(self):
            return self.idle.qsize() == len(self.workers)  # all work is theirs

    monkeypatch.setattr(workers, "Crew", Patient)
    read, read_here = workers.read_chunk, []

    def read_slowly(pictures, order):
        read_here.append(order)
        time.sleep(0.05)
        return read(pictures, order)

    monkeypatch.setattr(workers, "read_chunk", read_slowly)
    found = open_dataset("shuffled_squares:Squares")
    bright = found.images.take(range(400))[:, 0, 4, 4].numpy() >= 200
    assert np.array_equal(bright, found.labels == 1)
    assert len(read_here) < 300  # the others by the workers


def test_pictures_of_other_colours_have_other_digests():
    """The indices of their palettes are the same."""
    pictures = []
    for row in range(40):
        picture = Image.new("P", (9 + row % 2, 9), 3)
        picture.putpalette([row * 6] * 768)
        pictures.append((picture, row % 2))
    found = open_dataset(pictures)
    assert len({bytes(digest) for digest in found.digests}) == 40
    assert not any("byte-identical" in note for note in found.notes)


def test_an_iterable_dataset_is_refused_in_one_line():
    class Endless(IterableDataset):
        def __iter__(self):
            return iter([])

    with pytest.raises(SourceError, match="it is an IterableDataset, .*; give a map-style dataset"):
        open_dataset(Endless())
