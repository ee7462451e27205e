"""Files are written whole or not at all, and what is no regular file is written through."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from safetensors import SafetensorError

from splitgen.parquet import find_folder_fault, find_output_fault, replacing, write_text


def test_a_link_stays_a_link_and_the_file_that_it_names_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to("there/target")
    write_text("new", link)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["link", "target", "there"]


def test_a_link_to_no_file_yet_makes_it(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write_text("new", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_fifo_is_written_through(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "fifo").read_text()))
    reader.start()
    write_text("through", tmp_path / "fifo")
    reader.join(10)
    assert read == ["through"]
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


def test_a_device_is_written_through_by_way_of_a_link_too(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    for path in (Path("/dev/null"), tmp_path / "null"):
        write_text("nothing", path)
        assert stat.S_ISCHR(path.stat().st_mode)
    with pytest.raises(OSError, match="No space left"):
        write_text("x", Path("/dev/full"))


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"])
def test_the_file_behind_a_descriptor_is_written_to_and_not_replaced(tmp_path, name):
    code = (
        "import sys; from pathlib import Path; from splitgen.parquet import write_text\n"
        f"print('before', flush=True); write_text('through\\n', Path({name!r})); print('after')"
    )
    with (tmp_path / "log").open("ab") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True)
        number = os.fstat(log.fileno()).st_ino
    assert (tmp_path / "log").stat().st_ino == number
    assert (tmp_path / "log").read_text() == "before\nthrough\nafter\n"


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def stop_half_way() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_may_be_as_long_as_the_disk_takes(tmp_path):
    for name in ("n" * 255, "ü" * 127):
        assert find_output_fault(tmp_path / name) is None
        write_text("x", tmp_path / name)
        assert (tmp_path / name).read_text() == "x"


def test_the_umask_decides_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        write_text("x", tmp_path / "file")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_an_output_that_cannot_be_written_is_found_before(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    found = {
        tmp_path: "is a folder",
        tmp_path / "no" / "x": "no folder",
        tmp_path / "a": "leads nowhere",
        tmp_path / ("n" * 300): "leads nowhere (File name too long)",
        tmp_path / "a\0b": "leads nowhere (embedded null byte)",
    }
    for path, words in found.items():
        fault = find_output_fault(path)
        assert fault is not None
        assert words in fault
        if "leads" in words:
            assert find_folder_fault(path) is not None
    assert find_output_fault(tmp_path / "x") is None
    assert find_output_fault(Path("/dev/stdout")) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def raise_of_pyarrow(path: Path) -> None:
    raise OSError("Error writing bytes to file. Detail: [errno 28] No space left on device")


def raise_of_rust(path: Path) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def raise_unnamed(path: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def raise_of_the_temporary(path: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


@pytest.mark.parametrize("write", [raise_of_pyarrow, raise_of_rust, raise_unnamed, raise_of_the_temporary])
def test_a_disk_that_does_not_serve_is_an_error_of_the_system_that_names_the_file(tmp_path, write):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left on device") as told, replacing(path) as temporary:
        write(temporary)
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fails_as_the_bytes_are_made_safe_is_told_of_the_file(tmp_path, monkeypatch):
    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error") as told:
        write_text("x", tmp_path / "file")
    assert told.value.filename == str(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_errors_of_other_files_and_of_no_disk_are_left_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError) as told, replacing(tmp_path / "file"):
        (tmp_path / "gone").read_bytes()
    assert told.value.filename == str(tmp_path / "gone")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file"):
        raise ZeroDivisionError


def test_a_folder_that_takes_no_file_whatever_its_permissions_is_found_before(tmp_path):
    """No file can be made in /proc by anybody, though the system grants root the right to write there."""
    if not Path("/proc/self").is_dir():
        pytest.skip("there is no /proc")
    fault = find_folder_fault(Path("/proc/x/y"))
    assert fault is not None
    assert "the folder '/proc' takes no file" in fault
    assert find_folder_fault(tmp_path / "x" / "y") is None
    assert list(tmp_path.iterdir()) == []
