"""Packed files that ask for more than they are worth, or are damaged: one line, and no memory spent on them."""

from __future__ import annotations

import gzip
import io
import re
import struct
import tracemalloc
import zipfile
import zlib

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from splitgen import DataConfig, open_dataset, read_foreign_split
from splitgen.archives import PACKING, ArchiveError, check_memory, check_packing, physical_memory, tell_size
from splitgen.errors import RowsError, SettingError, SourceError, SplitFileError
from splitgen.parquet import read_parquet
from splitgen.settings.faults import check

BOMB = 300 * 2**20  # bytes, above the size up to which any packing will do
LITTLE = 30 * 2**20  # bytes that a refusal may take


def npy_header(shape, dtype="|u1", **extra):
    """The start of an npy file, as numpy writes it but without its checks."""
    described = {"descr": dtype, "fortran_order": False, "shape": shape, **extra}
    text = repr(described).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write_npz(path, method=zipfile.ZIP_DEFLATED, **members):
    """Members of bytes, or of a start and how many zeros follow it."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            start, zeros = content if isinstance(content, tuple) else (content, 0)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(start)
                for _ in range(zeros // 2**20):
                    file.write(bytes(2**20))
                file.write(bytes(zeros % 2**20))


def refuse(spec, **settings):
    """The line of the refusal, and that it costs little."""
    tracemalloc.start()
    try:
        with pytest.raises(SourceError) as caught:
            open_dataset(DataConfig(spec, **settings))
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    return str(caught.value)


LABELS = npy(np.arange(60) % 3)
PIXELS = npy(np.arange(60 * 64, dtype=np.uint8).reshape(60, 8, 8))


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused_with_both_sizes(tmp_path):
    path = tmp_path / "bomb.npz"
    write_npz(path, x=(npy_header((300, 1024, 1024)), BOMB), y=npy(np.arange(300) % 3))
    assert path.stat().st_size < BOMB / PACKING
    assert re.search(r"array x is 30\d\.\d kB that unpack to 314\.6 MB; if it is meant", refuse(f"npz:{path}"))


def test_an_archive_of_the_same_size_that_does_not_pack_is_read(tmp_path):
    check_packing("x", BOMB // 2, BOMB)
    with pytest.raises(ArchiveError, match=r"is 1.0 MB that unpack to 314.6 MB"):
        check_packing("x", 10**6, BOMB)


def test_labels_that_unpack_to_gigabytes_are_refused_before_they_are_read(tmp_path):
    write_npz(tmp_path / "a.npz", x=PIXELS, y=(npy_header((BOMB,)), BOMB))
    assert "array y is" in refuse(f"npz:{tmp_path / 'a.npz'}")
    write_npz(tmp_path / "b.npz", x=PIXELS, y=(npy_header((2**27,)), 2**27))  # small enough, yet not one an image
    assert "60 images but labels of shape (134217728,)" in refuse(f"npz:{tmp_path / 'b.npz'}")


def test_a_shape_that_no_memory_holds_or_that_is_not_the_members_is_refused(tmp_path):
    for shape, message in (
        ((2**20, 2**15, 2**15), "an array x of 1048576 x 32768 x 32768 needs 4.5 PB, the machine has"),
        ((60, 8, 9), "array x has 3840 bytes, its shape (60, 8, 9) needs 4320"),
        ((60, -8, -8), "array x has the shape (60, -8, -8)"),
    ):
        write_npz(tmp_path / "a.npz", x=(npy_header(shape), 3840), y=LABELS)
        assert message.removeprefix("an ") in refuse(f"npz:{tmp_path / 'a.npz'}")


def test_memory_is_counted_as_float32_at_least():
    n_values = physical_memory() // 4
    check_memory("x", (n_values,), 1)
    with pytest.raises(ArchiveError, match="the machine has"):
        check_memory("x", (n_values + 1,), 1)
    assert [tell_size(n) for n in (999, 2_600_000, 3_100_000_000)] == ["999 bytes", "2.6 MB", "3.1 GB"]


def damage(path, how):
    if how == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "flipped":  # a byte of the data, so that the checksum is wrong
        content = bytearray(path.read_bytes())
        content[content.index(b"\n") + 100] ^= 1
        path.write_bytes(content)
    elif how == "text":
        path.write_text("x,y\n1,2\n")
    elif how == "npy":
        path.write_bytes(PIXELS)
    elif how == "empty":
        path.write_bytes(b"")


@pytest.mark.parametrize("how", ["cut", "flipped", "text", "npy", "empty"])
def test_what_is_no_whole_archive_is_one_line(tmp_path, how):
    path = tmp_path / "data.npz"
    write_npz(path, zipfile.ZIP_STORED, x=PIXELS, y=LABELS)
    damage(path, how)
    assert "cannot be read as an npz archive" in refuse(f"npz:{path}")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (npy(np.array([{}] * 60, dtype=object)), "array x holds Python objects; save numbers with numpy.savez"),
        (npy_header((60, 8, 8), junk="x" * 50_000), "array x has no header of a plain array"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 2**25, "array x has no header of a plain array"),
        (b"\x93NUMPY\x01\x00" + struct.pack("<H", 9_000) + b"(" * 9_000, "array x has no header of a plain array"),
        (b"no array", "array x has no header of a plain array"),
        (npy(np.zeros((60, 8, 8), complex)), "x has the type complex128"),
        (npy(np.zeros(60)), "images have the shape (60,)"),
        (npy(np.float64(3)), "images have the shape ()"),
        (npy(np.zeros((60, 0, 8))), "images have the shape (60, 1, 0, 8)"),
    ],
)
def test_a_member_that_is_no_array_of_images_is_one_line(tmp_path, x, message):
    write_npz(tmp_path / "a.npz", x=x, y=LABELS)
    assert message in refuse(f"npz:{tmp_path / 'a.npz'}")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_whose_unpacking_has_no_bound_are_refused(tmp_path, method):
    write_npz(tmp_path / "a.npz", method, x=PIXELS, y=LABELS)
    assert "packed in a way that numpy does not use" in refuse(f"npz:{tmp_path / 'a.npz'}")


def test_plain_and_compressed_archives_of_any_order_are_read_as_numpy_reads_them(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 8, 8))
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", x=np.asfortranarray(x), y=np.arange(60) % 3)
        found = open_dataset(DataConfig(f"npz:{tmp_path / 'a.npz'}"))
        assert np.array_equal(found.images.pixels[:, 0].numpy(), x.astype(np.float32))


def write_idx(folder, images):
    folder.mkdir(exist_ok=True)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(images)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_header(60) + bytes([0, 1, 2] * 20)))
    return f"idx:{folder}"


def idx_header(*shape, kind=8):
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def pack_zeros(start, n_bytes):
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(start), *(packer.compress(bytes(2**20)) for _ in range(n_bytes // 2**20))]
    return b"".join([*parts, packer.flush()])


def test_a_gzipped_idx_file_is_unpacked_no_further_than_its_header_says(tmp_path):
    content = pack_zeros(idx_header(60, 8, 8), BOMB)
    assert "tells of 3840 bytes, it has more" in refuse(write_idx(tmp_path / "a", content))
    content = pack_zeros(idx_header(300, 1024, 1024), BOMB)
    assert "that unpack to 314.6 MB" in refuse(write_idx(tmp_path / "b", content))
    content = gzip.compress(idx_header(2**31, 2**15, 2**15), mtime=0)
    assert "unpack to 2305.8 PB" in refuse(write_idx(tmp_path / "c", content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(idx_header(60, 8, 8) + bytes(100), mtime=0), "tells of 3840 bytes, it has 100"),
        (gzip.compress(idx_header(60, 8, 8) + bytes(3840), mtime=0)[:-12], "is not an IDX file"),
        (gzip.compress(idx_header(60, 8, 8) + bytes(3840), mtime=0)[:-8] + b"\0" * 8, "is not an IDX file"),
        (gzip.compress(idx_header(60, 8, 8, kind=7), mtime=0), "is not an IDX file"),
        (gzip.compress(b"\0\0", mtime=0), "is not an IDX file"),
        (gzip.compress(b"\0\0\x08\xff\0", mtime=0), "is not an IDX file"),
        (b"no gzip", "is not an IDX file"),
    ],
)
def test_idx_files_that_are_damaged_are_one_line(tmp_path, content, message):
    assert message in refuse(write_idx(tmp_path / "a", content))


def fill_folder(root, mode="RGB", names=("cat", "dog")):
    """Ten small images in each of the class folders."""
    for name in names:
        (root / name).mkdir()
        for row in range(10):
            Image.effect_noise((64, 64), 90).convert(mode).save(root / name / f"{row}.png")
    return root / names[0] / "3.png"


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_image_with_more_pixels_than_is_safe_is_one_line(tmp_path, mode):
    bomb = fill_folder(tmp_path, mode)
    Image.new(mode, (10_001, 10_000)).save(bomb)
    assert "'cat/3.png' has 10,001 x 10,000 pixels, the limit is 100,000,000 in all" in refuse(f"folder:{tmp_path}")


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_images_that_break_while_they_are_decoded_are_one_line_that_names_them(tmp_path, mode):
    path = fill_folder(tmp_path, mode)
    content = path.read_bytes()
    for spoiled in (content[: len(content) // 2], content.replace(b"IDAT", b"IxxT"), content[:40]):
        path.write_bytes(spoiled)
        told = refuse(f"folder:{tmp_path}")
        assert "1 of 20 images cannot be used: 'cat/3.png'" in told
        assert "--skip-unreadable" in told


def test_images_that_are_to_be_made_too_large_for_the_machine_are_refused(tmp_path):
    fill_folder(tmp_path)
    with pytest.raises(SettingError, match="image_size must be at most 8192, got 1000000"):
        check(DataConfig(f"folder:{tmp_path}", image_size=10**6))


def test_imported_splits_cannot_ask_for_gigabytes(digits, tmp_path):
    write_npz(tmp_path / "a.npz", train=(npy_header((BOMB,)), BOMB), test=npy(np.arange(3)))
    with pytest.raises(SplitFileError, match="no npz file of arrays: array train is .* unpack to 314.6 MB"):
        read_foreign_split(tmp_path / "a.npz", digits)
    torch.save((torch.zeros(1, dtype=torch.int64).expand(10**12), torch.arange(3)), tmp_path / "b.pt")
    with pytest.raises(RowsError, match="train has 1000000000000 rows, the dataset 1797"):
        read_foreign_split(tmp_path / "b.pt", digits)
    write_npz(tmp_path / "packed.pt", data=(b"", BOMB))
    with pytest.raises(SplitFileError, match="'data.npy' is .* unpack to 314.6 MB"):
        read_foreign_split(tmp_path / "packed.pt", digits)
    endless: list[object] = []
    endless.append(endless)
    torch.save(endless, tmp_path / "c.pt")
    with pytest.raises(SplitFileError, match="no pair of index tensors"):
        read_foreign_split(tmp_path / "c.pt", digits)


def test_a_table_of_more_rows_than_memory_holds_is_refused(tmp_path, monkeypatch):
    pd.DataFrame({"index": np.zeros(10_000, int)}).to_parquet(tmp_path / "a.parquet")
    assert len(read_parquet(tmp_path / "a.parquet")[0]) == 10_000
    monkeypatch.setattr("splitgen.archives.physical_memory", lambda: 79_999)
    with pytest.raises(ValueError, match="10000 x 1 needs 80.0 kB, the machine has 80.0 kB"):
        read_parquet(tmp_path / "a.parquet")
