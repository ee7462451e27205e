"""Datasets that cannot be opened, or that hold what no dataset does."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bad_case import (
    Case,
    Recipe,
    contradict,
    cut,
    delete,
    nest,
    nothing,
    spoil,
    write,
    write_arrays,
    write_lines,
    write_table,
)
from PIL import Image

LABELS = np.arange(40) % 2
IMAGES = np.zeros((40, 8, 8), np.uint8)


def pack(name: str, **members: bytes) -> Recipe:
    """A zip archive of raw members."""

    def recipe(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w") as archive:
            for member, data in members.items():
                archive.writestr(f"{member}.npy", data)

    return recipe


def dump(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def save_alone(folder: Path) -> None:
    """An .npy under the name of an .npz."""
    (folder / "bad.npz").write_bytes(dump(IMAGES))


def damage_pages(write_statistics: bool) -> Recipe:
    """A Parquet file whose images lie in pages that are no pages. Without statistics, all are looked through for rows
    that have none."""

    def recipe(folder: Path) -> None:
        path, images = folder / "bad.parquet", [picture() + os.urandom(400) for _ in range(40)]
        table = pa.table({"image": images, "label": LABELS})
        pq.write_table(table, path, compression="none", use_dictionary=False, write_statistics=write_statistics)
        data = bytearray(path.read_bytes())
        data[:200] = data[:4] + bytes([0x55] * 196)
        path.write_bytes(data)

    return recipe


def name_twice(name: str, values: list[float]) -> Recipe:
    """A Parquet file of images in which a column stands beside another of its name."""
    table = pa.table({"image": [picture()] * 40, "label": LABELS})
    return lambda folder: pq.write_table(table.append_column(name, pa.array(values)), folder / "bad.parquet")


def damage(folder: Path) -> None:
    """A member's CRC is not that of its bytes."""
    np.savez(folder / "bad.npz", x=IMAGES, y=LABELS)
    data = bytearray((folder / "bad.npz").read_bytes())
    data[300] ^= 255
    (folder / "bad.npz").write_bytes(data)


def name_in_latin(folder: Path) -> None:
    """A file whose name is no UTF-8."""
    source = folder / "pictures" / "0" / "0.png"
    os.rename(os.fsencode(source), os.fsencode(source.parent) + b"/\xe9.png")


def write_pictures(name: str, lines: list[object]) -> Recipe:
    return write_lines(name, *lines)


def make_shards(**members: bytes) -> Recipe:
    def recipe(folder: Path) -> None:
        with tarfile.open(folder / "bad.tar", "w") as archive:
            for row in range(20):
                for suffix, data in members.items():
                    info = tarfile.TarInfo(f"{row:03d}.{suffix}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))

    return recipe


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "png")
    return file.getvalue()


PATHS = [f"{c}/{i}.png" for c in range(2) for i in range(12)]
MAKE = "make {} --config quick.toml --out out"


def make(name: str, recipe: Recipe, source: str, words: str) -> Case:
    return Case(name, recipe, MAKE.format(source), words)


CASES = [
    make("no such kind", nothing, "zarr:x", "unknown"),
    make("no name", nothing, "''", "dataset"),
    make("an unknown word", nothing, "digts", "unknown"),
    make("no such npz", nothing, "npz:gone.npz", "the file does not exist"),
    make("npz that is text", write("bad.npz", "hello"), "npz:bad.npz", "cannot be read as an npz archive"),
    make("an empty npz", write("bad.npz", ""), "npz:bad.npz", "cannot be read as an npz archive"),
    make("npz that is cut", cut("digits.npz", 3000), "npz:digits.npz", "cannot be read as an npz archive"),
    make("npz with a bad CRC", damage, "npz:bad.npz", "cannot be read as an npz archive"),
    make("a renamed npy", save_alone, "npz:bad.npz", "cannot be read as an npz archive"),
    make(
        "a member that is no array",
        pack("bad.npz", x=b"hello", y=b"hello"),
        "npz:bad.npz",
        "no header of a plain array",
    ),
    make(
        "a member cut short",
        pack("bad.npz", x=dump(IMAGES)[:-9], y=dump(LABELS)),
        "npz:bad.npz",
        "its shape (40, 8, 8) needs",
    ),
    make(
        "a member with more than it says",
        pack("bad.npz", x=dump(IMAGES) + b"more", y=dump(LABELS)),
        "npz:bad.npz",
        "needs",
    ),
    make(
        "an array of objects",
        write_arrays("bad.npz", x=np.array([{}] * 40), y=LABELS),
        "npz:bad.npz",
        "holds Python objects",
    ),
    make("no y", write_arrays("bad.npz", x=IMAGES), "npz:bad.npz", "it lacks the arrays x and y"),
    make("images of words", write_arrays("bad.npz", x=np.array(["a"] * 40), y=LABELS), "npz:bad.npz", "x has the type"),
    make(
        "images in two dimensions",
        write_arrays("bad.npz", x=IMAGES[0], y=LABELS[:8]),
        "npz:bad.npz",
        "images have the shape (8, 8)",
    ),
    make("images without pixels", write_arrays("bad.npz", x=IMAGES[:, :0], y=LABELS), "npz:bad.npz", "shape"),
    make("NaN pixels", write_arrays("bad.npz", x=IMAGES + np.nan, y=LABELS), "npz:bad.npz", "NaN or infinite pixels"),
    make(
        "infinite pixels", write_arrays("bad.npz", x=IMAGES + np.inf, y=LABELS), "npz:bad.npz", "NaN or infinite pixels"
    ),
    make(
        "pixels beyond float32",
        write_arrays("bad.npz", x=IMAGES + 1e300, y=LABELS),
        "npz:bad.npz",
        "NaN or infinite pixels",
    ),
    make(
        "complex pixels", write_arrays("bad.npz", x=IMAGES + 1j, y=LABELS), "npz:bad.npz", "x has the type complex128"
    ),
    make("no such folder", nothing, "folder:gone", "the folder does not exist"),
    make("a file for a folder", nothing, "folder:quick.toml", "it is a file"),
    make("a folder without images", lambda f: (f / "empty").mkdir(), "folder:empty", "no images"),
    make(
        "a folder of one class",
        lambda f: [p.unlink() for p in (f / "pictures/1").iterdir()],
        "folder:pictures",
        "one class only",
    ),
    make(
        "a class of few images",
        delete("pictures/0/0.png", "pictures/0/1.png", "pictures/0/2.png"),
        "folder:pictures",
        "has 9 rows",
    ),
    make("a picture that is text", write("pictures/0/0.png", "hello"), "folder:pictures", "0/0.png"),
    make("an empty picture", write("pictures/0/0.png", ""), "folder:pictures", "0/0.png"),
    make("a picture that is cut", cut("pictures/0/0.png", 30), "folder:pictures", "0/0.png"),
    make("a file name that is no UTF-8", name_in_latin, "folder:pictures", "file names are not UTF-8"),
    make(
        "a link out of the folder",
        lambda f: (f / "pictures/0/out.png").symlink_to("/etc/passwd"),
        "folder:pictures",
        "out.png",
    ),
    make("no such csv", nothing, "csv:gone.csv", "the file does not exist"),
    make("an empty csv", write("bad.csv", ""), "csv:bad.csv", "it is empty"),
    make("a csv of one column", write_lines("bad.csv", "path", *PATHS), "csv:bad.csv", "is one column"),
    make(
        "a csv without a header",
        write_lines("bad.csv", *(f"pictures/{p},a" for p in PATHS)),
        "csv:bad.csv",
        "no header",
    ),
    make("a csv with a NUL", write("bad.csv", b"path,label\na\0b,1\n"), "csv:bad.csv", "bad.csv"),
    make("a csv in latin-1", write("bad.csv", "path,label\né.png,1\n".encode("latin-1")), "csv:bad.csv", "not UTF-8"),
    make("a csv with an open quote", write_lines("bad.csv", "path,label", '"a.png,1'), "csv:bad.csv", "no CSV"),
    make("a csv with a long line", write_lines("bad.csv", "path,label", "a.png,1,2"), "csv:bad.csv", "3 fields"),
    make(
        "a csv of files that are not there",
        write_lines("bad.csv", "path,label", *(f"x{i}.png,{i % 2}" for i in range(20))),
        "csv:bad.csv",
        "x0.png",
    ),
    make(
        "a csv that leaves its folder",
        write_lines("bad.csv", "path,label", *(f"../{i}.png,{i % 2}" for i in range(20))),
        "csv:bad.csv",
        "../0.png",
    ),
    make(
        "a csv with one path for all",
        write_lines("bad.csv", "path,label", *(f"pictures/0/0.png,{i % 2}" for i in range(24))),
        "csv:bad.csv",
        "pictures/0/0.png",
    ),
    make(
        "a csv with empty labels",
        write_lines("bad.csv", "path,label", *(f"pictures/{p}," for p in PATHS)),
        "csv:bad.csv",
        "label",
    ),
    make(
        "a field larger than csv takes",
        write_lines("bad.csv", "path,label", "a" * 200_000 + ",1"),
        "csv:bad.csv",
        "bad.csv",
    ),
    make("an empty jsonl", write("bad.jsonl", ""), "jsonl:bad.jsonl", "it is empty"),
    make("records that are numbers", write_lines("bad.jsonl", 1, 2), "jsonl:bad.jsonl", "line 1 is no JSON object"),
    make("records that are lists", write_lines("bad.jsonl", ["a", 1]), "jsonl:bad.jsonl", "line 1 is no JSON object"),
    make("deep records", write("bad.jsonl", nest(100_000)), "jsonl:bad.jsonl", "line 1"),
    make(
        "a record with a key twice",
        write("bad.jsonl", '{"path": "a", "path": "b", "label": 1}'),
        "jsonl:bad.jsonl",
        "a key stands twice",
    ),
    make(
        "paths that are numbers",
        write_lines("bad.jsonl", *({"path": i, "label": i % 2} for i in range(20))),
        "jsonl:bad.jsonl",
        "line 1 names '0', which is no file",
    ),
    make(
        "paths that are lists",
        write_lines("bad.jsonl", *({"path": [i], "label": i % 2} for i in range(20))),
        "jsonl:bad.jsonl",
        "path",
    ),
    make(
        "a path with a NUL",
        write_lines("bad.jsonl", *({"path": f"a\0{i}", "label": i % 2} for i in range(20))),
        "jsonl:bad.jsonl",
        "",
    ),
    make(
        "a path of half a character",
        write_lines("bad.jsonl", *({"path": f"\ud800{i}", "label": i % 2} for i in range(20))),
        "jsonl:bad.jsonl",
        "",
    ),
    make(
        "a path of 5,000 characters",
        write_lines("bad.jsonl", *({"path": "a" * 5_000 + str(i), "label": i % 2} for i in range(20))),
        "jsonl:bad.jsonl",
        "",
    ),
    make(
        "labels that are objects",
        write_lines("bad.jsonl", *({"path": f"pictures/{p}", "label": {"a": 1}} for p in PATHS)),
        "jsonl:bad.jsonl",
        "label",
    ),
    make(
        "labels of half a character",
        write_lines("bad.jsonl", *({"path": f"pictures/{p}", "label": f"\ud800{p[0]}"} for p in PATHS)),
        "jsonl:bad.jsonl",
        "",
    ),
    make(
        "labels that are fractions",
        write_lines("bad.jsonl", *({"path": f"pictures/{p}", "label": 0.5} for p in PATHS)),
        "jsonl:bad.jsonl",
        "label",
    ),
    make("no such parquet", nothing, "parquet:gone.parquet", "gone.parquet"),
    make("parquet that is text", write("bad.parquet", "hello"), "parquet:bad.parquet", "bad.parquet"),
    make(
        "a large file's pointer",
        write("bad.parquet", "version https://git-lfs.github.com/spec/v1\n"),
        "parquet:bad.parquet",
        "pointer",
    ),
    make(
        "parquet whose footer contradicts itself",
        spoil(write_table("bad.parquet", image=[picture()] * 40, label=LABELS), contradict("bad.parquet")),
        "parquet:bad.parquet",
        "'bad.parquet' cannot be read",
    ),
    make(
        "features whose footer contradicts itself",
        spoil(write_table("bad.parquet", x=[0.5] * 40, label=LABELS), contradict("bad.parquet")),
        "features:bad.parquet --model mlp",
        "it cannot be read (Definition",
    ),
    make(
        "parquet with two columns of labels",
        name_twice("label", LABELS),
        "parquet:bad.parquet",
        "two columns named 'label'",
    ),
    make(
        "features with two columns of labels",
        name_twice("label", [0.5] * 40),
        "features:bad.parquet --model mlp",
        "two columns are named 'label'",
    ),
    make(
        "features whose ids are dates",
        write_table("bad.parquet", x=[0.5] * 40, label=LABELS, id=pa.array([2**62] * 40, pa.timestamp("us"))),
        "features:bad.parquet --model mlp",
        "column 'id' holds timestamp",
    ),
    make(
        "features beyond float32",
        write_table("bad.parquet", x=[1e300] * 40, label=LABELS),
        "features:bad.parquet --model mlp",
        "40 images have NaN or infinite pixels (first: row 0)",
    ),
    make("parquet without labels", write_table("bad.parquet", image=[picture()] * 40), "parquet:bad.parquet", "label"),
    make("parquet without images", write_table("bad.parquet", label=LABELS), "parquet:bad.parquet", "image"),
    make(
        "parquet of no rows",
        write_table("bad.parquet", image=pa.array([], pa.binary()), label=pa.array([], pa.int64())),
        "parquet:bad.parquet",
        "",
    ),
    make(
        "parquet images that are text",
        write_table("bad.parquet", image=[b"hello"] * 40, label=LABELS),
        "parquet:bad.parquet",
        "",
    ),
    make("parquet of broken pages", damage_pages(True), "parquet:bad.parquet", "40 of 40 images cannot be used"),
    make(
        "parquet of broken pages without statistics",
        damage_pages(False),
        "parquet:bad.parquet",
        "'bad.parquet' cannot be read",
    ),
    make(
        "parquet with empty labels",
        write_table("bad.parquet", image=[picture()] * 40, label=pa.array([None] * 40, pa.int64())),
        "parquet:bad.parquet",
        "label",
    ),
    make(
        "features that are words",
        write_table("bad.parquet", a=["x"] * 40, label=LABELS),
        "features:bad.parquet --model mlp",
        "no column of vectors",
    ),
    make(
        "features of two lengths",
        write_table("bad.parquet", v=[[1.0], [1.0, 2.0]] * 20, label=LABELS),
        "features:bad.parquet --model mlp",
        "v",
    ),
    make(
        "NaN features",
        write_table("bad.parquet", a=[float("nan")] * 40, b=[1.0] * 40, label=LABELS),
        "features:bad.parquet --model mlp",
        "NaN",
    ),
    make(
        "features without rows",
        write_arrays("bad.npz", x=np.zeros((0, 3)), y=np.zeros(0, int)),
        "features:bad.npz --model mlp",
        "no rows",
    ),
    make(
        "features in an image's shape",
        write_arrays("bad.npz", x=IMAGES, y=LABELS),
        "features:bad.npz --model mlp",
        "open images with npz:FILE",
    ),
    make(
        "ids twice",
        write_table("bad.parquet", id=["a"] * 40, a=[1.0] * 40, label=LABELS),
        "features:bad.parquet --model mlp",
        "id 'a' stands twice",
    ),
    make("no idx files", lambda f: (f / "idx").mkdir(), "idx:idx", "idx"),
    make(
        "idx that is text",
        lambda f: (
            (f / "idx").mkdir(),
            [(f / "idx" / n).write_bytes(b"hello") for n in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")],
        ),
        "idx:idx",
        "",
    ),
    make(
        "idx that is shorter than it says",
        lambda f: (
            (f / "idx").mkdir(),
            [
                (f / "idx" / n).write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 10**6, 28, 28))
                for n in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
            ],
        ),
        "idx:idx",
        "",
    ),
    make("a tar that is text", write("bad.tar", "hello"), "webdataset:bad.tar", "bad.tar"),
    make("a tar without labels", make_shards(png=picture()), "webdataset:bad.tar", ""),
    make(
        "a tar with labels of words that are JSON lists",
        make_shards(png=picture(), json=b"[1]"),
        "webdataset:bad.tar",
        "",
    ),
    make("a tar with deep JSON", make_shards(png=picture(), json=nest(100_000).encode()), "webdataset:bad.tar", ""),
    make("a tar with labels of words", make_shards(png=picture(), cls=b"\xff\xfe"), "webdataset:bad.tar", ""),
    make("no such hub dataset on disk", lambda f: (f / "hub").mkdir(), "hf:hub", ""),
    make("a name of torchvision's that is none", nothing, "torchvision:NoSuch", "NoSuch"),
    make("a dataset of torchvision's that is not there", nothing, "torchvision:MNIST --root nowhere", ""),
    make("code that is not there", nothing, "no_such_module:build", "unknown dataset"),
    make("code without the name", nothing, "json:build", "build"),
    make("code that gives no dataset", nothing, "json:JSONDecoder", ""),
    make("digits with a part", nothing, "digits --part test", "part"),
    make("a part that is not there", nothing, "folder:pictures --part test", "part"),
    make("a size of 0", nothing, "folder:pictures --image-size 0", "image_size must be"),
    make(
        "a background that is no colour",
        nothing,
        "folder:pictures --background nowhere",
        "background must be an opaque colour",
    ),
    make("an unknown way to resize", nothing, "folder:pictures --resize fold", "resize must be one of"),
    make("a cache that is a file", nothing, "folder:pictures --cache quick.toml", "cache"),
]
