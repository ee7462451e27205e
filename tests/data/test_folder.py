"""Folders as people have them: what is a class, what is a row, what is left out and told, what is refused in a line."""

from __future__ import annotations

import os
import shutil
import struct
import unicodedata
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splitgen import DataConfig, open_dataset
from splitgen.data.listings.pictures import FilePictures, list_suffixes
from splitgen.data.sources.folder import list_folder
from splitgen.errors import SourceError

N = 10  # the least rows of a class
CAFE_C, CAFE_D = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
NOT_UTF8 = b"caf\xe9"


def draw(path: Path | str, level: int = 0) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), level, np.uint8)).save(path, "PNG")


def draw_class(folder: Path, level: int = 0) -> None:
    for i in range(N):
        draw(folder / f"{i}.png", level + i)


def list_ids(*folders: str) -> list[str]:
    """Ids of what `draw_class` draws."""
    return [f"{folder}/{i}.png" for folder in folders for i in range(N)]


def write(path: Path, data: bytes = b"text") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


BASE = list_ids("cat", "dog")


@pytest.fixture
def root(tmp_path):
    """Two classes of ten images; "outside" lies beside them."""
    draw_class(tmp_path / "photos" / "cat")
    draw_class(tmp_path / "photos" / "dog", 100)
    return tmp_path / "photos"


def read(root: Path, **settings: object):
    return list_folder(str(root), DataConfig(f"folder:{root}", **settings))


# ---- what stands beside or among the images ----------------------------------------------------------------------


def add_files(*names: str):
    return lambda root: [write(root / name) for name in names]


def add_images(*names: str):
    return lambda root: [draw(root / name, 200 + i) for i, name in enumerate(names)]


def add_empty(*names: str):
    return lambda root: [(root / name).mkdir(parents=True) for name in names]


def add_classes(*names: str):
    return lambda root: [draw_class(root / name, 20 * i) for i, name in enumerate(names)]


def add_link(name: str, target: str):
    def add(root: Path) -> None:
        draw_class(root.parent / "outside", 50)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)

    return add


def both(*adds):
    return lambda root: [add(root) for add in adds]


def add_fifo(root: Path) -> None:
    os.mkfifo(root / "cat" / "pipe.png")


@dataclass
class Odd:
    """A folder with something odd in it. ids: beyond those of cat and dog. notes: all of them."""

    add: object
    ids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ("cat", "dog")
    notes: tuple[str, ...] = ()
    settings: dict | None = None


SUFFIXES = (".jfif", ".jpe", ".avif", ".gif", ".webp", ".tif", ".bmp", ".ppm", ".jp2", ".tga", ".ico", ".apng", ".mpo")
ODD = {
    "plain": Odd(both()),
    "junk folders with images": Odd(
        add_images(".ipynb_checkpoints/0.png", "__MACOSX/cat/0.png", ".git/x.png", "@eaDir/0.png", "cat/@eaDir/0.png")
    ),
    "junk deep in a class": Odd(add_images("cat/deep/.ipynb_checkpoints/0-checkpoint.png", "cat/deep/__MACOSX/a.png")),
    "junk files": Odd(add_files("cat/.DS_Store", "cat/Thumbs.db", "dog/desktop.ini", "dog/ehThumbs.db", ".DS_Store")),
    "doubles of a Mac": Odd(add_images("cat/._0.png", "._cat/0.png", "dog/deep/._1.png")),
    "hidden images are told": Odd(
        add_images("cat/.old.png", ".backup/0.png"),
        notes=("left out: 2 hidden files or folders (first: '.backup')",),
    ),
    "own run folders": Odd(
        both(
            add_files("run-001/run.json", "run-001/split.parquet", "cat/tried/run.json", "cat/tried/tasks.parquet"),
            add_images("run-001/sheets/0.png", "cat/tried/sheet.png", "splitgen-runs/photos-001/sheet.png"),
        )
    ),
    "a run.json alone is no run": Odd(
        both(add_files("cat/deep/run.json"), add_images("cat/deep/a.png")),
        ids=("cat/deep/a.png",),
        notes=("left out: 1 file that is no image by its suffix (first: 'cat/deep/run.json')",),
    ),
    "nested folders are of their class": Odd(
        add_images("cat/young/a.png", "cat/old/very/b.png"), ids=("cat/old/very/b.png", "cat/young/a.png")
    ),
    "suffixes in capitals": Odd(add_images("cat/A.PNG", "cat/B.Png"), ids=("cat/A.PNG", "cat/B.Png")),
    "every suffix that Pillow reads": Odd(
        add_files(*(f"cat/x{suffix}" for suffix in SUFFIXES)), ids=tuple(f"cat/x{suffix}" for suffix in SUFFIXES)
    ),
    "suffixes of which Pillow knows only the name": Odd(
        add_files("cat/a.pdf", "cat/b.h5", "cat/c.mpg", "cat/d.grib"),
        notes=("left out: 4 files that are no images by their suffix (first: 'cat/a.pdf')",),
    ),
    "other files in a class, and one without a suffix": Odd(
        add_files("cat/labels.csv", "dog/0", "dog/photo.heic"),
        notes=("left out: 3 files that are no images by their suffix (first: 'cat/labels.csv')",),
    ),
    "other files beside the classes say nothing": Odd(add_files("README.md", "labels.csv", "LICENSE")),
    "loose images": Odd(
        add_images("b.png", "a.png"), notes=("left out: 2 loose images beside the class folders (first: 'a.png')",)
    ),
    "an empty class folder": Odd(add_empty("fox"), notes=("folders without images are no classes: 'fox'",)),
    "many empty ones, one with other files": Odd(
        both(add_empty("a/b", "e", "f"), add_files("docs/x.txt")),
        notes=(
            "folders without images are no classes: 'a', 'docs', 'e' and 1 more",
            "left out: 1 file that is no image by its suffix (first: 'docs/x.txt')",
        ),
    ),
    "a broken link and a link to itself": Odd(
        both(add_link("cat/gone.png", "nowhere.png"), add_link("cat/self.png", "self.png")),
        notes=("left out: 2 broken links (first: 'cat/gone.png')",),
    ),
    "a broken link for a class": Odd(add_link("fox", "nowhere"), notes=("left out: 1 broken link (first: 'fox')",)),
    "a link to an image of another class": Odd(add_link("dog/same.png", "../cat/3.png"), ids=("dog/same.png",)),
    "a class that is a link to a class": Odd(
        add_link("elk", "cat"), ids=tuple(list_ids("elk")), classes=("cat", "dog", "elk")
    ),
    "a linked folder within the root": Odd(
        add_link("dog/cats", "../cat"),
        notes=("left out: 1 linked folder within a class (--follow-links reads it) (first: 'dog/cats')",),
    ),
    "a linked folder that is followed": Odd(
        add_link("dog/cats", "../cat"), ids=tuple(list_ids("dog/cats")), settings={"follow_links": True}
    ),
    "a linked folder outside that is followed": Odd(
        add_link("dog/more", "../../outside"), ids=tuple(list_ids("dog/more")), settings={"follow_links": True}
    ),
    "two links to one folder are followed once": Odd(
        both(add_link("dog/b", "../../outside"), add_link("dog/a", "../../outside")),
        ids=tuple(list_ids("dog/a")),
        notes=("left out: 1 link to a folder that is read already (first: 'dog/b')",),
        settings={"follow_links": True},
    ),
    "links up the tree are no loops": Odd(
        both(add_link("dog/up", ".."), add_link("dog/here", "."), add_link("cat/top", "/"), add_link("loop", ".")),
        notes=("left out: 4 links to folders that are read already (first: 'cat/top')",),
        settings={"follow_links": True},
    ),
    "folders that link to each other": Odd(
        both(add_link("dog/out", "../../outside"), add_link("../outside/back", "../photos/dog")),
        ids=tuple(list_ids("dog/out")),
        notes=("left out: 1 link to a folder that is read already (first: 'dog/out/back')",),
        settings={"follow_links": True},
    ),
    "a link to the root itself": Odd(
        add_link("loop", "."), notes=("left out: 1 link to a folder that is read already (first: 'loop')",)
    ),
    "a pipe": Odd(add_fifo, notes=("left out: 1 thing that is no regular file (first: 'cat/pipe.png')",)),
    "a class called train among others": Odd(
        add_classes("train"), ids=tuple(list_ids("train")), classes=("cat", "dog", "train")
    ),
    "names with spaces, signs and other letters": Odd(
        add_images("cat/a b.png", "cat/[red]x[/red].png", f"dog/{CAFE_C}.png", "dog/#1,2.png"),
        ids=("cat/[red]x[/red].png", "cat/a b.png", "dog/#1,2.png", f"dog/{CAFE_C}.png"),
    ),
    "a name that is no UTF-8, of no image": Odd(
        lambda root: write(Path(os.fsdecode(os.fsencode(root / "cat") + b"/" + NOT_UTF8 + b".txt"))),
        notes=(r"left out: 1 file that is no image by its suffix (first: 'cat/caf\xe9.txt')",),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_folder_has_the_right_classes_rows_and_notes(root, name):
    odd = ODD[name]
    odd.add(root)
    found = read(root, **(odd.settings or {}))
    assert found.class_names == odd.classes
    assert sorted(found.ids) == sorted([*BASE, *odd.ids])
    assert [found.class_names[label] for label in found.labels] == [key.split("/")[0] for key in found.ids]
    assert list(found.ids) == sorted(found.ids, key=lambda key: (key.split("/")[0], key))
    assert found.notes == odd.notes
    assert found.own_test is None


def test_a_folder_that_may_not_be_read_is_told(root, monkeypatch):
    draw(root / "cat" / "locked" / "a.png")
    scan = os.scandir

    def refuse(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = read(root)
    assert list(found.ids) == BASE
    assert found.notes == ("left out: 1 folder that cannot be read (first: 'cat/locked')",)


# ---- what is refused ---------------------------------------------------------------------------------------------


def clear(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def cleared(add):
    return lambda root: (clear(root), add(root))


def add_cafes(root: Path) -> None:
    draw(root / "cat" / f"{CAFE_C}.png")
    draw(root / "cat" / f"{CAFE_D}.png")


REFUSED = {
    "no images": (cleared(add_empty("cat", "dog")), {}, "no images in it; put them in one folder a class"),
    "an empty folder": (clear, {}, "no images in it; put them in one folder a class"),
    "loose images alone": (
        cleared(add_images("a.png", "b.png")),
        {},
        "no images in class folders (left out: 2 loose images beside the class folders (first: 'a.png'))",
    ),
    "images that Pillow does not read": (
        cleared(add_files("cat/a.heic", "dog/b.heic")),
        {},
        "no images in class folders (left out: 2 files that are no images by their suffix (first: 'cat/a.heic'))",
    ),
    "a shell around the classes": (
        cleared(add_classes("photos/cat", "photos/dog")),
        {},
        "its only folder 'photos' holds folders with images ('cat', 'dog'); if these are the classes, give folder:PATH",
    ),
    "one class": (cleared(add_classes("cat")), {}, "it has one class only ('cat'); give two or more classes"),
    "a small class": (add_images("fox/a.png"), {}, "class 'fox' has 1 rows; every class needs at least 10"),
    "a link that leaves the folder": (
        add_link("cat/x.png", "../../outside/0.png"),
        {},
        "one link leaves the folder (first: 'cat/x.png'); give --follow-links",
    ),
    "a linked folder in a class that leaves it": (
        add_link("cat/more", "../../outside"),
        {},
        "one link leaves the folder (first: 'cat/more'); give --follow-links",
    ),
    "a linked class that leaves it": (add_link("fox", "../outside"), {}, "(first: 'fox'); give --follow-links"),
    "an image name that is no UTF-8": (
        lambda root: draw(os.fsdecode(os.fsencode(root / "cat") + b"/" + NOT_UTF8 + b".png")),
        {},
        r"1 file names are not UTF-8 (first: 'cat/caf\xe9.png'); rename them",
    ),
    "a class name that is no UTF-8": (
        lambda root: draw_class(Path(os.fsdecode(os.fsencode(root) + b"/" + NOT_UTF8))),
        {},
        r"1 file names are not UTF-8 (first: 'caf\xe9'); rename them",
    ),
    "two forms of one file name": (add_cafes, {}, "stands twice, in two Unicode normal forms of one name; rename one"),
    "two forms of one class name": (
        add_classes(CAFE_C, CAFE_D),
        {},
        "stands twice, in two Unicode normal forms of one name; rename one",
    ),
    "a part of a folder without parts": (
        both(),
        {"part": "train"},
        "it has no part 'train': it has no train, val or test folders; leave out --part",
    ),
    "parts and classes side by side": (
        add_classes("train/cat", "test/cat"),
        {},
        "'test', 'train' look like parts, 'cat', 'dog' beside them like classes; move the others away",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_cannot_be_is_refused_in_a_line(root, name):
    add, settings, message = REFUSED[name]
    add(root)
    with pytest.raises(SourceError) as caught:
        open_dataset(DataConfig(f"folder:{root}", image_size=4, **settings))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize(("name", "message"), [("none", "the folder does not exist"), ("a.zip", "it is a file")])
def test_what_is_no_folder_is_refused(tmp_path, name, message):
    write(tmp_path / "a.zip")
    with pytest.raises(SourceError, match=message):
        open_dataset(f"folder:{tmp_path / name}")


# ---- parts -------------------------------------------------------------------------------------------------------


def make_parts(root: Path, *names: str) -> None:
    clear(root)
    for i, name in enumerate(names):
        draw_class(root / name / "cat", 40 * i)
        draw_class(root / name / "dog", 40 * i + 20)


@pytest.mark.parametrize(
    ("names", "wanted", "part", "own", "note"),
    [
        (
            ("train", "val", "test"),
            None,
            "train",
            "test",
            "'train' is split, 'test' is its own test set; 'val' not used",
        ),
        (("train", "val"), None, "train", "val", "'train' is split, 'val' is its own test set (--part"),
        (("train",), None, "train", None, "'train' is split, there is no own test set (--part"),
        (("Training", "Testing"), None, "Training", "Testing", "'Training' is split, 'Testing' is its own test set"),
        (("TRAIN", "VALID"), "train", "TRAIN", "VALID", "'TRAIN' is split, 'VALID' is its own test set"),
        (("train", "validation", "test"), "val", "validation", "test", "'validation' is split, 'test' is its own"),
        (
            ("train", "val", "test"),
            "test",
            "test",
            "val",
            "'test' is split, 'val' is its own test set; 'train' not used",
        ),
        (("train", "test"), "test", "test", None, "'test' is split, there is no own test set; 'train' not used"),
        (("train", "training", "test"), "training", "training", "test", "'training' is split, 'test' is its own"),
    ],
)
def test_train_val_and_test_folders_are_parts(root, names, wanted, part, own, note):
    make_parts(root, *names)
    found = read(root, part=wanted)
    assert found.class_names == ("cat", "dog")
    assert list(found.ids) == list_ids(f"{part}/cat", f"{part}/dog")
    assert (found.own_test and list(found.own_test.ids)) == (own and list_ids(f"{own}/cat", f"{own}/dog"))
    assert found.notes[0].startswith("its folders are parts: ")
    assert note in found.notes[0]


def test_the_own_test_part_is_opened_with_the_classes_of_the_part_that_is_split(root):
    make_parts(root, "train", "test")
    shutil.rmtree(root / "test" / "cat")
    draw_class(root / "train" / "ant")
    dataset = open_dataset(DataConfig(f"folder:{root}", image_size=4))
    assert dataset.class_names == ("ant", "cat", "dog")
    assert dataset.own_test.labels.tolist() == [2] * N
    assert dataset.own_test.images.take([3])[0, 0, 0, 0] == 63
    draw(root / "test" / "fox" / "a.png")
    with pytest.raises(SourceError, match=r"'test' has classes that the part which is split has not \('fox'\)"):
        read(root)


def test_a_test_folder_without_folders_of_the_classes_is_not_the_own_test_set(root):
    make_parts(root, "train", "val")
    draw_class(root / "test")
    draw_class(root / "test" / "images")
    found = read(root)
    assert found.own_test.ids[0] == "val/cat/0.png"
    assert found.notes[0].endswith("(--part takes another); no folders of these classes in 'test'")
    assert found.notes[1] == "left out: 10 loose images beside the class folders (first: 'test/0.png')"


def test_folders_without_images_beside_parts_are_no_classes(root):
    make_parts(root, "train", "test")
    write(root / "annotations" / "a.xml")
    (root / "train" / "fox").mkdir()
    found = read(root)
    assert found.class_names == ("cat", "dog")
    assert "folders without images are no classes: 'annotations', 'train/fox'" in found.notes


@pytest.mark.parametrize(
    ("names", "wanted", "message"),
    [
        (("train", "test"), "val", "it has no part 'val'; give --part with one of those that it has: test, train"),
        (("train", "test"), "extra", "it has no part 'extra'; give --part with one of those that it has: test, train"),
        (("val", "test"), None, "it has no part 'train'; give --part with one of those that it has: test, val"),
        (("train", "training"), None, "'train', 'training' all mean 'train'"),
    ],
)
def test_a_part_that_is_not_there_is_refused_with_those_that_are(root, names, wanted, message):
    make_parts(root, *names)
    if "training" in names:
        (root / "train").rename(root / "Train")
        message = message.replace("'train',", "'Train',")
    with pytest.raises(SourceError) as caught:
        read(root, part=wanted)
    assert message in str(caught.value)


def test_parts_without_class_folders_are_refused(root):
    clear(root)
    draw_class(root / "train")
    draw_class(root / "test")
    with pytest.raises(SourceError, match=r"its folders are parts \(test, train\), and 'train' has no class folders"):
        read(root)


# ---- fingerprint, files ------------------------------------------------------------------------------------------


def encode_png(level: int) -> bytes:
    """A grey PNG of 2x2 pixels, byte by byte: an encoder's output would depend on its version."""
    rows = bytes([0, level, level + 1, 0, level + 2, level + 3])
    stored = struct.pack("<BHH", 1, len(rows), len(rows) ^ 0xFFFF) + rows
    packed = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def test_the_fingerprint_of_a_plain_folder_is_that_of_earlier_versions(tmp_path):
    """The value is that of the version before folders became listings, for the same files."""
    for c, name in enumerate(("b-cat", "a dog")):
        for i in range(N):
            write(tmp_path / name / ("deep" if i % 3 == 0 else ".") / f"{i}.png", encode_png(100 * c + 2 * i))
    dataset = open_dataset(DataConfig(f"folder:{tmp_path}", image_size=2))
    assert dataset.fingerprint == "sha256:3a849d0d9c06c709608f22ad3e1dcccb67194154b0c078cdc531a584ca794106"
    assert dataset.ids[:2] == ("a dog/1.png", "a dog/2.png")
    assert dataset.images.take([0])[0, 0].tolist() == [[102, 103], [104, 105]]


def test_suffixes_are_those_that_pillow_makes_pixels_of():
    suffixes = list_suffixes()
    assert set(SUFFIXES) | {".png", ".jpg", ".jpeg", ".tiff", ".pgm"} <= suffixes
    assert not suffixes & {".pdf", ".h5", ".hdf", ".mpg", ".mpeg", ".grib", ".bufr", ".wmf", ".emf", ".txt", ""}


def test_the_stamp_of_files_changes_with_whatever_changes_there(root):
    pictures = FilePictures(str(root), ("cat/0.png", "dog/1.png"))
    stamps = [pictures.stamp(), FilePictures(str(root), ("dog/1.png", "cat/0.png")).stamp()]
    assert pictures.stamp() == stamps[0]
    data = pictures.read(1)
    os.utime(root / "dog" / "1.png", ns=(1, 1))
    stamps.append(pictures.stamp())
    write(root / "cat" / "0.png", b"other")
    stamps.append(pictures.stamp())
    (root / "dog" / "1.png").unlink()
    stamps.append(pictures.stamp())
    write(root.parent / "copy" / "dog" / "1.png", data)
    stamps.append(FilePictures(str(root.parent / "copy"), ("cat/0.png", "dog/1.png")).stamp())
    assert len(set(stamps)) == len(stamps)


def test_the_stamp_sees_a_file_in_anothers_place_with_its_size_and_time(root):
    pictures, path = FilePictures(str(root), ("cat/0.png",)), root / "cat" / "0.png"
    os.utime(path, ns=(1, 1))
    stamp, size = pictures.stamp(), path.stat().st_size
    write(root / "new.png", b"x" * size)
    os.utime(root / "new.png", ns=(1, 1))
    os.replace(root / "new.png", path)
    assert pictures.stamp() != stamp


def test_an_absolute_path_of_files_stands_for_itself(root):
    pictures = FilePictures("elsewhere", (str(root / "cat" / "0.png"),))
    assert pictures.read(0) == (root / "cat" / "0.png").read_bytes()


def test_a_source_is_named_without_paths_of_the_machine(root, monkeypatch):
    assert read(root).source == "folder:photos"
    monkeypatch.chdir(root)
    assert read(Path()).source == "folder:photos"
