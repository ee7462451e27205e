"""Datasets of torchvision, opened by torchvision's own classes from made data in each one's own layout on disk.

Where a class checks the MD5 of the published files, that check alone is patched.
"""

from __future__ import annotations

import numpy as np
import pytest
import torchvision_layouts as layouts
from torchvision import datasets
from torchvision_layouts import LAYOUTS, OWN, TRAIN, colour, grey

from splitgen import DataConfig, Split, open_dataset
from splitgen.data.dataset import compute_fingerprint
from splitgen.data.images import MemoryImages
from splitgen.data.sources.torchvision_classes import find_kind
from splitgen.errors import SourceError

BY_ARRAY = ("KMNIST", "EMNIST@letters", "QMNIST", "USPS", "CIFAR100", "SVHN", "STL10", "SEMEION")


@pytest.fixture(autouse=True)
def _published_files(monkeypatch):
    monkeypatch.setattr("torchvision.datasets.utils.check_md5", lambda *_, **__: True)


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("nothing is fetched without --download")

    for name in ("_urlretrieve", "download_url", "download_and_extract_archive", "download_file_from_google_drive"):
        monkeypatch.setattr(f"torchvision.datasets.utils.{name}", refuse)


def open_made(spec, root, **settings):
    return open_dataset(DataConfig(f"torchvision:{spec}", root=str(root), **settings))


def check_pixels(image, part, row, value, is_grey):
    """The image [channels, side, side] is the one that was painted for a row."""
    wanted = [grey(part, row, value)] if is_grey else colour(part, row, value)
    middle = image[:, image.shape[1] // 2, image.shape[2] // 2].tolist()
    assert middle == pytest.approx(wanted, abs=0 if is_grey else 4)


@pytest.mark.parametrize("spec", LAYOUTS)
def test_a_dataset_has_the_rows_classes_test_set_and_pixels_that_were_written(spec, tmp_path):
    made = LAYOUTS[spec](tmp_path)
    found = open_made(spec, tmp_path, **made.settings)
    assert found.source == f"torchvision:{spec}"
    assert found.labels.tolist() == made.labels
    assert found.class_names == made.names
    assert found.ids[: len(made.ids)] == made.ids
    assert len(set(found.ids)) == found.n_points == len(made.labels)
    assert (None if found.own_test is None else found.own_test.labels.tolist()) == made.own
    assert found.notes == made.notes
    assert found.n_channels == (1 if made.is_grey else 3)
    if spec == "CelebA":  # whose parts are mixed
        return
    for row in (0, 1, len(made.labels) - 1):
        check_pixels(found.images.take([row])[0], "train", row, made.values[made.labels[row]], made.is_grey)
    if made.own is not None and spec != "DTD":  # which has a row more in between
        row = len(made.own) - 1
        check_pixels(found.own_test.images.take([row])[0], "test", row, made.values[made.own[row]], made.is_grey)
        assert found.own_test.images.shape == found.images.shape


@pytest.mark.parametrize("spec", BY_ARRAY)
def test_what_lies_in_one_array_keeps_its_very_pixels_and_size(spec, tmp_path):
    made = LAYOUTS[spec](tmp_path)
    found = open_made(spec, tmp_path)
    kind = find_kind(spec, DataConfig(root=str(tmp_path)))
    split = {"train": True} if kind.part_keyword == "train" else {}
    split = {kind.part_keyword: "train"} if kind.part_keyword in ("split", "what") else split
    own = kind.class_(root=tmp_path, **kind.choices, **split, **({"download": False} if spec == "SEMEION" else {}))
    assert isinstance(found.images, MemoryImages)
    for row in range(len(made.labels)):
        pixels = np.asarray(own[row][0])
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
        assert np.array_equal(found.images.pixels[row].numpy(), pixels)
    raw = [np.ascontiguousarray(own.data).tobytes()]  # as splits that earlier versions made of it have it
    assert found.fingerprint == compute_fingerprint(raw, [str(row) for row in range(len(own))], found.labels)


@pytest.mark.parametrize("spec", ["KMNIST", "OxfordIIITPet", "Flowers102", "GTSRB", "Food101", "DTD"])
def test_a_split_of_it_gives_a_subset_of_torchvisions_own_dataset(spec, tmp_path):
    made = LAYOUTS[spec](tmp_path)
    found = open_made(spec, tmp_path)
    parts = np.where(np.arange(found.n_points) < 10, "train", "test")
    zeros = np.zeros(found.n_points, np.float32)
    split = Split(found.ids, found.labels, found.labels, parts, zeros, zeros, {})
    own = getattr(datasets, spec)(root=tmp_path)
    assert [label for _, label in split.subset(own, "train")] == made.labels[:10]


def test_byte_identical_files_form_a_group(tmp_path):
    layouts.eurosat(tmp_path)
    folder = tmp_path / "eurosat" / "2750" / "Forest"
    (folder / "image_012.jpg").write_bytes((folder / "image_020.jpg").read_bytes())
    found = open_made("EuroSAT", tmp_path)
    assert found.groups.codes[12] == found.groups.codes[20] != found.groups.codes[11]
    assert "2 images are byte-identical" in found.notes[-1]


def test_the_faces_of_celeba_are_told_by_any_attribute_or_by_who_they_are(tmp_path):
    layouts.celeba(tmp_path)
    blond = open_made("CelebA", tmp_path, target_column="Blond_Hair")
    for row in (0, 1, 5):  # of 3 rows in the file, 2 are in train
        check_pixels(blond.images.take([row])[0], "train", row // 2 * 3 + row % 2, blond.labels[row], False)
    people = open_made("CelebA", tmp_path, target_column="identity", part="all")
    assert people.class_counts.tolist() == [12, 12, 12, 12]
    assert people.class_names == ("1", "2", "3", "4")
    assert people.n_points == 48
    for wanted, words in ((None, "its target is to be chosen"), ("Blonde", "it has no target 'Blonde'")):
        with pytest.raises(SourceError, match=f"{words}; .* 5_o_Clock_Shadow, Bald, Blond_Hair, identity"):
            open_made("CelebA", tmp_path, target_column=wanted)
    with pytest.raises(SourceError, match="it has one class only"):
        open_made("CelebA", tmp_path, target_column="Bald")


def test_kinds_of_targets_have_names_of_their_own(tmp_path):
    made = layouts.inaturalist(tmp_path)
    genus = open_made("INaturalist", tmp_path, target_column="genus")
    assert genus.class_names == ("Genus0", "Genus1")
    assert genus.labels.tolist() == made.labels
    with pytest.raises(SourceError, match="no target 'genera'; give --target-column, one of full, kingdom, .*genus"):
        open_made("INaturalist", tmp_path, target_column="genera")
    layouts.oxford_pets(tmp_path)
    species = open_made("OxfordIIITPet", tmp_path, target_column="binary-category")
    assert species.class_names == ("Cat", "Dog")
    layouts.dtd(tmp_path)
    with pytest.raises(SourceError, match="it has one target alone; leave out --target-column"):
        open_made("DTD", tmp_path, target_column="size")


def test_parts_are_those_of_the_class(tmp_path):
    layouts.flowers102(tmp_path)
    val = open_made("Flowers102", tmp_path, part="val")
    assert val.labels.tolist() == OWN
    assert val.ids[0] == "image_00025.jpg"
    assert val.own_test.labels.tolist() == OWN
    check_pixels(val.own_test.images.take([0])[0], "test", 0, 0, False)
    assert open_made("Flowers102", tmp_path, part="test").own_test is None
    with pytest.raises(SourceError, match="it has no part 'dev'; give --part train or val or test"):
        open_made("Flowers102", tmp_path, part="dev")
    layouts.kmnist(tmp_path)
    assert open_made("KMNIST", tmp_path, part="test").labels.tolist() == OWN
    layouts.eurosat(tmp_path)
    with pytest.raises(SourceError, match="it has no parts, and so no 'train'; leave out --part"):
        open_made("EuroSAT", tmp_path, part="train")
    layouts.stl10(tmp_path)
    with pytest.raises(SourceError, match="rows of its part 'unlabeled' have no class; give another --part"):
        open_made("STL10", tmp_path, part="unlabeled")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("EMNIST", "it needs its split; .*EMNIST@byclass, or one of bymerge, balanced, letters, digits, mnist"),
        ("EMNIST@greek", "its split cannot be 'greek'; .*byclass, or one of bymerge"),
        ("SVHN@extra", "'@extra' is not the way to its parts; give --part extra"),
        ("SVHN@split=extra", "'@split=extra' is not the way to its parts; give --part extra"),
        ("Places365@small=maybe", "its small cannot be 'maybe'; give true or false"),
        ("DTD@partition=two", "its partition cannot be 'two'; give a whole number"),
        ("Imagenette@size=10px", "its size cannot be '10px'; .*@size=full, or one of 320px, 160px"),
        ("Imagenette@colour=red", "it takes no choice 'colour=red'; give @KEYWORD=VALUE of size"),
        ("CIFAR10@x=1", "it takes no choice 'x=1'; leave it out"),
        ("NoSuch", "torchvision has no such dataset"),
        ("wrap_dataset_for_transforms_v2", "torchvision has no such dataset"),
        ("VisionDataset", "it is no dataset by itself"),
        ("DatasetFolder", "it is no dataset by itself"),
        ("CocoDetection", "it is for detection and captions"),
        ("VOCSegmentation", "it is for segmentation"),
        ("Flickr8k", "it is for captions"),
        ("Kinetics", "it is for video"),
        ("LFWPairs", "it is for pairs of images"),
        ("Sintel", "it is for pairs of images"),
    ],
)
def test_a_choice_that_a_class_lacks_or_does_not_have_is_one_line(spec, words, tmp_path):
    with pytest.raises(SourceError, match=words) as caught:
        open_made(spec, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in datasets.__all__ if name != "FakeData"])
def test_any_class_of_torchvision_is_one_line_where_its_data_are_not_there(name, tmp_path):
    spec = f"{name}@letters" if name == "EMNIST" else name
    for root in (tmp_path, tmp_path / "none"):
        with pytest.raises(SourceError) as caught:
            open_made(spec, root)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "none").exists()


def test_a_root_that_is_not_there_is_told_with_what_to_do(tmp_path):
    with pytest.raises(SourceError, match="there is no folder '.*none'; give --root FOLDER, or --download"):
        open_made("CIFAR10", tmp_path / "none")
    with pytest.raises(SourceError, match="Dataset not found.*give --root FOLDER, or --download to fetch it"):
        open_made("MNIST", tmp_path)


def test_numbers_between_labels_that_have_no_rows_are_left_out(tmp_path):
    """Labels 0 and 1 of the letters' file become 3 and 7: c and g."""
    layouts.emnist_letters(tmp_path)
    for part, labels in (("train", TRAIN), ("test", OWN)):
        path = tmp_path / "EMNIST" / "raw" / f"emnist-letters-{part}-labels-idx1-ubyte"
        layouts.write_idx(path, np.array([3 + 4 * c for c in labels], np.uint8))
    found = open_made("EMNIST@letters", tmp_path)
    assert found.class_names == ("c", "g")
    assert found.labels.tolist() == TRAIN
    assert found.own_test.labels.tolist() == OWN
    assert found.notes == (
        "labels 3 to 7 of the source are the classes 0 to 1; 3 numbers between have no rows, and are left out",
    )


def test_a_missing_test_part_is_a_note_and_a_missing_image_an_error(tmp_path):
    layouts.gtsrb(tmp_path)
    (tmp_path / "gtsrb" / "GT-final_test.csv").unlink()
    found = open_made("GTSRB", tmp_path)
    assert found.own_test is None
    assert len(found.notes) == 1
    assert "its part 'test' is no own test set: " in found.notes[0]
    layouts.places365(tmp_path)
    (tmp_path / "val_256" / "Places365_00000000.jpg").unlink()
    notes = open_made("Places365@small=true", tmp_path).notes
    assert notes[-1] == "its part 'val' is no own test set: its images are not there"
    with pytest.raises(SourceError, match="its image 'airfield/00000000.jpg' is not there"):
        open_made("Places365", tmp_path)  # the large ones
