"""Made data in the layouts that torchvision's classes read: each function writes one dataset, and tells what it wrote.

Every image is of one colour, which tells its part, row and class; rows go round the classes, unless a layout has them
class by class.
"""

from __future__ import annotations

import bz2
import csv
import json
import pickle
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

NO_LABELS = "its part 'test' is no own test set: rows of its part 'test' have no class"
ROWS, OTHER_ROWS = 24, 20  # of the train part, and of the others
CLASSES = 2


@dataclass(frozen=True)
class Made:
    """What was written. labels: of the opened part, as splitgen should have them. own: those of its test part.

    values: the numbers that `colour` had for the classes. ids: of the first rows. is_grey: the class gives grey images.
    """

    labels: list[int]
    names: tuple[str, ...]
    own: list[int] | None
    ids: tuple[str, ...] = ("0", "1")
    values: tuple[int, ...] = (0, 1)
    is_grey: bool = False
    notes: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


def colour(part: str, row: int, value: int) -> tuple[int, int, int]:
    return {"train": 40, "test": 150}.get(part, 90), 3 * row + 20, 60 * (value % 4) + 10


def grey(part: str, row: int, value: int) -> int:
    return {"train": 0, "test": 100}[part] + 3 * row + (value % 4)


def label(row: int) -> int:
    return row % CLASSES


def rows_of(part: str) -> range:
    return range(ROWS if part == "train" else OTHER_ROWS)


TRAIN, OWN = [label(row) for row in rows_of("train")], [label(row) for row in rows_of("test")]


def paint(path: Path, part: str, row: int, value: int) -> None:
    """One image file; its size differs from row to row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".ppm": "PPM", ".png": "PNG"}.get(path.suffix, "JPEG")
    options = {"quality": 95} if kind == "JPEG" else {}
    Image.new("RGB", (40 + row % 3, 36), colour(part, row, value)).save(path, kind, **options)


def tiles(part: str, size: int, first: int = 0) -> np.ndarray:
    """The images of a part in colour, uint8 [n, size, size, 3]. first: the number of the first class."""
    colours = [colour(part, row, label(row) + first) for row in rows_of(part)]
    return np.array(colours, np.uint8)[:, None, None].repeat(size, 1).repeat(size, 2)


def grey_tiles(part: str, size: int, first: int = 0) -> np.ndarray:
    values = [grey(part, row, label(row) + first) for row in rows_of(part)]
    return np.array(values, np.uint8)[:, None, None].repeat(size, 1).repeat(size, 2)


def write_lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {"u": 8, "i": 12}[array.dtype.kind]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    path.write_bytes(header + array.astype({8: "u1", 12: ">i4"}[kind]).tobytes())


def mnist(root: Path, folder: str = "MNIST") -> None:
    for part, stem in (("train", "train"), ("test", "t10k")):
        write_idx(root / folder / "raw" / f"{stem}-images-idx3-ubyte", grey_tiles(part, 28))
        write_idx(root / folder / "raw" / f"{stem}-labels-idx1-ubyte", np.array([*map(label, rows_of(part))], np.uint8))


def kmnist(root: Path) -> Made:
    mnist(root, "KMNIST")
    return Made(TRAIN, ("o", "ki"), OWN, is_grey=True)


def emnist_letters(root: Path) -> Made:
    """Labels count from 1: a is 1."""
    for part in ("train", "test"):
        stem = root / "EMNIST" / "raw" / f"emnist-letters-{part}"
        write_idx(Path(f"{stem}-images-idx3-ubyte"), grey_tiles(part, 28, first=1))
        write_idx(Path(f"{stem}-labels-idx1-ubyte"), np.array([label(row) + 1 for row in rows_of(part)], np.uint8))
    note = "labels 1 to 2 of the source are the classes 0 to 1"
    return Made(TRAIN, ("a", "b"), OWN, values=(1, 2), is_grey=True, notes=(note,))


def qmnist(root: Path) -> Made:
    for part in ("train", "test"):
        labels = np.zeros((len(rows_of(part)), 8), np.int32)
        labels[:, 0] = [label(row) for row in rows_of(part)]
        labels[:, 1] = 7
        write_idx(root / "QMNIST" / "raw" / f"qmnist-{part}-images-idx3-ubyte", grey_tiles(part, 28))
        write_idx(root / "QMNIST" / "raw" / f"qmnist-{part}-labels-idx2-int", labels)
    return Made(TRAIN, ("0 - zero", "1 - one"), OWN, is_grey=True)


def usps(root: Path) -> Made:
    for part, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
        lines = []
        for row, image in zip(rows_of(part), grey_tiles(part, 16).astype(float), strict=True):
            pixels = " ".join(f"{n + 1}:{(value + 0.5) / 255 * 2 - 1:.6f}" for n, value in enumerate(image.ravel()))
            lines.append(f"{label(row) + 1} {pixels}\n")
        (root / name).write_bytes(bz2.compress("".join(lines).encode()))
    return Made(TRAIN, ("0", "1"), OWN, is_grey=True)


def cifar100(root: Path) -> Made:
    folder = root / "cifar-100-python"
    folder.mkdir()
    for part in ("train", "test"):
        data = tiles(part, 32).transpose(0, 3, 1, 2).reshape(len(rows_of(part)), -1)
        entry = {"data": data, "fine_labels": [label(row) for row in rows_of(part)]}
        (folder / part).write_bytes(pickle.dumps(entry))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": ["apple", "bee"]}))
    return Made(TRAIN, ("apple", "bee"), OWN)


def svhn(root: Path) -> Made:
    """The digit 0 is written as 10."""
    for part in ("train", "test"):
        labels = np.array([[10 if label(row) == 0 else 1] for row in rows_of(part)], np.uint8)
        savemat(root / f"{part}_32x32.mat", {"X": tiles(part, 32).transpose(1, 2, 3, 0), "y": labels})
    return Made(TRAIN, ("0", "1"), OWN)


def stl10(root: Path) -> Made:
    folder = root / "stl10_binary"
    folder.mkdir()
    for part in ("train", "test"):
        (folder / f"{part}_X.bin").write_bytes(tiles(part, 96).transpose(0, 3, 2, 1).tobytes())
        (folder / f"{part}_y.bin").write_bytes(bytes(label(row) + 1 for row in rows_of(part)))
    (folder / "unlabeled_X.bin").write_bytes(tiles("test", 96).transpose(0, 3, 2, 1).tobytes())
    write_lines(folder / "class_names.txt", ["airplane", "bird"])
    return Made(TRAIN, ("airplane", "bird"), OWN)


def semeion(root: Path) -> Made:
    rows = []
    for row in rows_of("train"):
        pixels = np.full(256, grey("train", row, label(row)) / 255 + 1e-4)
        rows.append([*pixels, *np.eye(10)[label(row)]])
    np.savetxt(root / "semeion.data", np.array(rows), fmt="%.6f")
    return Made(TRAIN, ("0", "1"), None, is_grey=True)


def fer2013(root: Path) -> Made:
    """train.csv and test.csv: the latter has no labels."""
    (root / "fer2013").mkdir()
    for part in ("train", "test"):
        with (root / "fer2013" / f"{part}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["emotion", "pixels"] if part == "train" else ["pixels"])
            for row, image in zip(rows_of(part), grey_tiles(part, 48), strict=True):
                pixels = " ".join(map(str, image.ravel()))
                writer.writerow([label(row), pixels] if part == "train" else [pixels])
    return Made(TRAIN, ("0", "1"), None, is_grey=True, notes=(NO_LABELS,))


ATTRIBUTES = ["5_o_Clock_Shadow", "Bald", "Blond_Hair"]


def celeba(root: Path) -> Made:
    """Parts are mixed; the class of a face is whether it is blond."""
    folder, parts = root / "celeba", [row % 3 for row in range(2 * ROWS)]  # of three, train, train and test
    names, attributes, partition = [], [], []
    for row, place in enumerate(parts):
        name, blond, part = f"{row + 1:06d}.jpg", row // 3 % 2, "test" if place == 2 else "train"
        paint(folder / "img_align_celeba" / name, part, row, blond)
        names.append(name)
        attributes.append(f"{name}  1 -1 {1 if blond else -1}")
        partition.append(f"{name} {2 if part == 'test' else 0}")
    write_lines(folder / "list_attr_celeba.txt", [str(len(names)), " ".join(ATTRIBUTES), *attributes])
    write_lines(folder / "list_eval_partition.txt", partition)
    write_lines(folder / "identity_CelebA.txt", [f"{name} {row // 12 + 1}" for row, name in enumerate(names)])
    for stem, n in (("bbox", 4), ("landmarks_align", 10)):
        columns = [" ".join(f"c{k}" for k in range(n))]
        rows = [f"{name} {' '.join(['1'] * n)}" for name in names]
        write_lines(folder / f"list_{stem}_celeba.txt", [str(len(names)), *columns, *rows])
    labels = [row // 3 % 2 for row, place in enumerate(parts) if place != 2]
    own = [row // 3 % 2 for row, place in enumerate(parts) if place == 2]
    settings = {"target_column": "Blond_Hair"}
    return Made(labels, ("not Blond_Hair", "Blond_Hair"), own, ("000001.jpg", "000002.jpg"), settings=settings)


def oxford_pets(root: Path) -> Made:
    folder = root / "oxford-iiit-pet"
    for part in ("trainval", "test"):
        lines, like = [], "train" if part == "trainval" else "test"
        for row in rows_of(like):
            name = f"{('Abyssinian', 'american_bulldog')[label(row)]}_{row + (1 if like == 'train' else 100)}"
            paint(folder / "images" / f"{name}.jpg", like, row, label(row))
            lines.append(f"{name} {label(row) + 1} {label(row) + 1} 1")
        write_lines(folder / "annotations" / f"{part}.txt", lines)
    names = ("Abyssinian", "American Bulldog")
    return Made(TRAIN, names, OWN, ("Abyssinian_1.jpg", "american_bulldog_2.jpg"))


def places365(root: Path) -> Made:
    """Its test part has no labels: val is the own test set."""
    write_lines(root / "categories_places365.txt", ["/a/airfield 0", "/a/alley 1"])
    names, like = ("/a/airfield", "/a/alley"), {"train_standard": "train", "val": "test", "test": "other"}
    for part, folder in (("train_standard", "data_256_standard"), ("val", "val_256"), ("test", "test_256")):
        lines = []
        for row in rows_of(like[part]):
            inside = f"{names[label(row)]}/{row:08d}.jpg" if part == "train_standard" else f"Places365_{row:08d}.jpg"
            paint(root / folder / inside.lstrip("/"), like[part], row, label(row))
            lines.append(inside if part == "test" else f"{inside} {label(row)}")
        write_lines(root / f"places365_{part}.txt", lines)
    return Made(TRAIN, names, OWN, ("airfield/00000000.jpg", "alley/00000001.jpg"), notes=(NO_LABELS,))


def flowers102(root: Path) -> Made:
    """Images of all parts in one folder, told apart by numbers that count from 1; labels count from 1."""
    folder, numbers, labels = root / "flowers-102", {}, []
    for name, part in (("trnid", "train"), ("valid", "val"), ("tstid", "test")):
        numbers[name] = []
        for row in rows_of(part):
            labels.append(label(row) + 1)
            numbers[name].append(len(labels))
            paint(folder / "jpg" / f"image_{len(labels):05d}.jpg", part, row, label(row))
    savemat(folder / "setid.mat", numbers)
    savemat(folder / "imagelabels.mat", {"labels": labels})
    names = ("pink primrose", "hard-leaved pocket orchid")
    return Made(TRAIN, names, OWN, ("image_00001.jpg", "image_00002.jpg"))


def gtsrb(root: Path) -> Made:
    """Train by class folder; test by a table."""
    folder, row = root / "gtsrb" / "GTSRB", 0
    for c in range(CLASSES):
        for _ in range(ROWS // CLASSES):
            paint(folder / "Training" / f"{c:05d}" / f"{row:05d}.ppm", "train", row, c)
            row += 1
    lines = ["Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId"]
    for row in rows_of("test"):
        paint(folder / "Final_Test" / "Images" / f"{row:05d}.ppm", "test", row, label(row))
        lines.append(f"{row:05d}.ppm;40;36;0;0;1;1;{label(row)}")
    write_lines(root / "gtsrb" / "GT-final_test.csv", lines)
    return Made(sorted(TRAIN), ("0", "1"), OWN, ("00000/00000.ppm", "00000/00001.ppm"))


def dtd(root: Path) -> Made:
    """A class that the train part lacks makes the test part's numbers other ones."""
    folder = root / "dtd" / "dtd"
    names = ("banded", "dotted")
    for part in ("train", "val", "test"):
        lines = []
        for row in rows_of(part):
            inside = f"{names[label(row)]}/{part}_{row:04d}.jpg"
            paint(folder / "images" / inside, part, row, label(row))
            lines.append(inside)
        if part == "test":
            paint(folder / "images" / "blotchy" / "test_0099.jpg", part, 0, 0)
            lines.insert(3, "blotchy/test_0099.jpg")
        write_lines(folder / "labels" / f"{part}1.txt", lines)
    note = "1 rows of its part 'test' are of other classes, and left out"
    return Made(TRAIN, names, OWN, ("banded/train_0000.jpg", "dotted/train_0001.jpg"), notes=(note,))


def aircraft(root: Path) -> Made:
    folder = root / "fgvc-aircraft-2013b" / "data"
    names = ("707-320", "Boeing 717")
    write_lines(folder / "variants.txt", list(names))
    for number, part in enumerate(("train", "val", "trainval", "test")):
        lines = []
        for row in rows_of(part):
            paint(folder / "images" / f"{number}{row:04d}.jpg", part, row, label(row))
            lines.append(f"{number}{row:04d} {names[label(row)]}")
        write_lines(folder / f"images_variant_{part}.txt", lines)
    return Made(TRAIN, names, OWN, ("00000.jpg", "00001.jpg"))


def food101(root: Path) -> Made:
    """Class by class, in the order of the file, which is not that of the names."""
    folder, names = root / "food-101", ("baklava", "apple_pie")
    for part in ("train", "test"):
        listed: dict[str, list[str]] = {name: [] for name in names}
        n_each = len(rows_of(part)) // CLASSES
        for row in rows_of(part):
            name = names[row // n_each]
            listed[name].append(f"{name}/{part}{row}")
            paint(folder / "images" / name / f"{part}{row}.jpg", part, row, 1 - row // n_each)
        (folder / "meta").mkdir(exist_ok=True)
        (folder / "meta" / f"{part}.json").write_text(json.dumps(listed))
    labels, own = sorted(TRAIN, reverse=True), sorted(OWN, reverse=True)
    return Made(labels, ("apple_pie", "baklava"), own, ("baklava/train0.jpg", "baklava/train1.jpg"))


def class_folders(folder: Path, names: tuple[str, ...], pattern: str, part: str = "train") -> None:
    """Class by class; the file of the k-th image of class c is `pattern` of both, counted from 1, and of the row."""
    rows, n_each = rows_of(part), len(rows_of(part)) // len(names)
    for row in rows:
        c = row // n_each
        paint(folder / names[c] / pattern.format(c=c + 1, k=row % n_each + 1, row=row), part, row, c)


def eurosat(root: Path) -> Made:
    names = ("AnnualCrop", "Forest")
    class_folders(root / "eurosat" / "2750", names, "image_{row:03d}.jpg")
    return Made(sorted(TRAIN), names, None, ("AnnualCrop/image_000.jpg", "AnnualCrop/image_001.jpg"))


def caltech101(root: Path) -> Made:
    names = ("accordion", "crab")
    class_folders(root / "caltech101" / "101_ObjectCategories", names, "image_{k:04d}.jpg")
    (root / "caltech101" / "101_ObjectCategories" / "BACKGROUND_Google").mkdir()
    return Made(sorted(TRAIN), names, None, ("accordion/image_0001.jpg", "accordion/image_0002.jpg"))


def caltech256(root: Path) -> Made:
    names = ("001.ak47", "002.american-flag")
    class_folders(root / "caltech256" / "256_ObjectCategories", names, "{c:03d}_{k:04d}.jpg")
    return Made(sorted(TRAIN), names, None, ("001.ak47/001_0001.jpg", "001.ak47/001_0002.jpg"))


def imagenette(root: Path) -> Made:
    """Classes by their first synonym; its other part is called val."""
    for part, like in (("train", "train"), ("val", "test")):
        class_folders(root / "imagenette2-160" / part, ("n01440764", "n02102040"), "{row:03d}.JPEG", like)
    for path in (root / "imagenette2-160").rglob("*.JPEG"):
        path.rename(path.with_suffix(".jpeg"))
    names = ("tench", "English springer")
    return Made(sorted(TRAIN), names, sorted(OWN), ("n01440764/000.jpeg", "n01440764/001.jpeg"))


def country211(root: Path) -> Made:
    for part in ("train", "valid", "test"):
        class_folders(root / "country211" / part, ("AD", "AE"), "{row:03d}.jpg", part)
    return Made(sorted(TRAIN), ("AD", "AE"), sorted(OWN), ("AD/000.jpg", "AD/001.jpg"))


def rendered_sst2(root: Path) -> Made:
    names = ("negative", "positive")
    for part, folder in (("train", "train"), ("val", "valid"), ("test", "test")):
        class_folders(root / "rendered-sst2" / folder, names, "{row:03d}.png", part)
    return Made(sorted(TRAIN), names, sorted(OWN), ("negative/000.png", "negative/001.png"))


def stanford_cars(root: Path) -> Made:
    folder = root / "stanford_cars"
    kind = [("fname", "U20"), ("class", "i4")]
    (folder / "devkit").mkdir(parents=True)
    for part, path in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        rows = [(f"{row + 1:05d}.jpg", label(row) + 1) for row in rows_of(part)]
        savemat(folder / path, {"annotations": np.array(rows, dtype=kind)})
        for row in rows_of(part):
            paint(folder / f"cars_{part}" / f"{row + 1:05d}.jpg", part, row, label(row))
    names = ("AM General Hummer SUV 2000", "Acura RL Sedan 2012")
    savemat(folder / "devkit" / "cars_meta.mat", {"class_names": np.array(names, dtype=object)})
    return Made(TRAIN, names, OWN, ("00001.jpg", "00002.jpg"))


def omniglot(root: Path) -> Made:
    folder = root / "omniglot-py"
    class_folders(folder / "images_background" / "Greek", ("character01", "character02"), "{row:04d}.png")
    (folder / "images_background.zip").touch()
    names = ("Greek/character01", "Greek/character02")
    return Made(sorted(TRAIN), names, None, ("character01/0000.png", "character01/0001.png"))


def inaturalist(root: Path) -> Made:
    names = tuple(f"{c:05d}_Animalia_Chordata_Aves_Order_Family{c}_Genus{c}_species" for c in range(CLASSES))
    for part, folder in (("train", "2021_train"), ("test", "2021_valid")):
        class_folders(root / folder, names, "{row:03d}.jpg", part)
    return Made(sorted(TRAIN), names, sorted(OWN), (f"{names[0]}/000.jpg",))


def imagenet(root: Path) -> Made:
    """Two classes are called crane; the number of each tells them apart."""
    wnids = ("n02012849", "n03126707")
    torch.save(({wnids[0]: ("crane", "bird"), wnids[1]: ("crane",)}, []), root / "meta.bin")
    for part, like in (("train", "train"), ("val", "test")):
        class_folders(root / part, wnids, "{row:03d}.JPEG", like)
    names = ("crane (0)", "crane (1)")
    return Made(sorted(TRAIN), names, sorted(OWN), (f"{wnids[0]}/000.JPEG", f"{wnids[0]}/001.JPEG"))


def sun397(root: Path) -> Made:
    """torchvision lists the files in the order that the file system has them."""
    names = ("abbey", "bakery/shop")
    for place, part in enumerate(("train", "test")):
        for row in rows_of(part):
            folder = root / "SUN397" / ("a/abbey", "b/bakery/shop")[place]
            paint(folder / f"sun_{row:03d}.jpg", "train", row + place * ROWS, place)
    write_lines(root / "SUN397" / "ClassName.txt", ["/a/abbey", "/b/bakery/shop"])
    labels = [0] * ROWS + [1] * OTHER_ROWS
    return Made(labels, names, None, ("a/abbey/sun_000.jpg", "a/abbey/sun_001.jpg"))


def clevr(root: Path) -> Made:
    """The class is how many objects there are: from 3 on; the test part has no labels, val serves."""
    folder = root / "clevr" / "CLEVR_v1.0"
    for part in ("train", "val", "test"):
        scenes = []
        for row in rows_of("train" if part == "train" else "test"):
            name = f"CLEVR_{part}_{row:06d}.png"
            paint(folder / "images" / part / name, {"val": "test"}.get(part, part), row, label(row) + 3)
            scenes.append({"image_filename": name, "objects": [{}] * (label(row) + 3)})
        (folder / "scenes").mkdir(exist_ok=True)
        (folder / "scenes" / f"CLEVR_{part}_scenes.json").write_text(json.dumps({"scenes": scenes}))
    ids = ("CLEVR_train_000000.png", "CLEVR_train_000001.png")
    notes = ("labels 3 to 4 of the source are the classes 0 to 1", NO_LABELS)
    return Made(TRAIN, ("3", "4"), OWN, ids, values=(3, 4), notes=notes)


LAYOUTS = {
    "KMNIST": kmnist,
    "EMNIST@letters": emnist_letters,
    "QMNIST": qmnist,
    "USPS": usps,
    "CIFAR100": cifar100,
    "SVHN": svhn,
    "STL10": stl10,
    "SEMEION": semeion,
    "FER2013": fer2013,
    "CelebA": celeba,
    "OxfordIIITPet": oxford_pets,
    "Places365@small=true": places365,
    "Flowers102": flowers102,
    "GTSRB": gtsrb,
    "DTD": dtd,
    "FGVCAircraft": aircraft,
    "Food101": food101,
    "EuroSAT": eurosat,
    "Caltech101": caltech101,
    "Caltech256": caltech256,
    "Imagenette@size=160px": imagenette,
    "Country211": country211,
    "RenderedSST2": rendered_sst2,
    "StanfordCars": stanford_cars,
    "Omniglot": omniglot,
    "INaturalist": inaturalist,
    "ImageNet": imagenet,
    "CLEVRClassification": clevr,
    "SUN397": sun397,
}
