"""What a machine does to a command: disks that are full, read-only or broken, streams that are closed, folders that are
gone or hold traps, memory and threads that run out. All work, or end in one line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import Done, run_command
from PIL import Image

import splitgen
from splitgen import cli
from splitgen.cli.ending import NOT_DONE, tell_end
from splitgen.data.pixels.decode import DecodeError
from splitgen.errors import ModelError, SourceError
from splitgen.shortages import MEMORY, THREADS, find_shortage

ROOT = Path(__file__).parents[2]
SPLIT = ROOT / "examples" / "ci_gate" / "splits" / "digits.parquet"
QUICK = ROOT / "tests" / "quick.toml"
FAST = "--threads 1 --seeds 2 --epochs 1"
MAKE = f"make digits --model mlp --config {QUICK} --meta-steps 1 --refine-steps 0 {FAST} --quiet"
CHECK = f"check {SPLIT} --predictions right.parquet --fail-under 0.9"

AS_ROOT: tuple[list[str], ...] = ([], ["sudo", "-n"])  # the latter as CI has it
Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path) -> Iterator[Mount]:
    """Mounts a file system of its own, in memory and of some size, where this user may."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def do(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"mode=777,{options}", "tmpfs", str(folder)]
        if not any(succeeds(*prefix, *command) for prefix in AS_ROOT):
            pytest.skip("this user may not mount a file system")
        return folder

    yield do
    any(succeeds(*prefix, "umount", "--lazy", str(folder)) for prefix in AS_ROOT)


def succeeds(*command: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


@pytest.fixture
def judged(tmp_path) -> Path:
    """A folder with right predictions of the example's split."""
    split = splitgen.read_split(SPLIT)
    test = split.indices("test")
    pd.DataFrame({"index": test, "prediction": split.targets[test]}).to_parquet(tmp_path / "right.parquet")
    return tmp_path


def run(folder: Path, line: str, **environment: str) -> Done:
    return run_command(*shlex.split(line), cwd=folder, **environment)


def told(done: Done) -> str:
    """The one line that a command said of its end."""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("splitgen: ")
    return done.stderr.removeprefix("splitgen: ").rstrip()


def list_temporaries(folder: Path) -> list[Path]:
    return list(folder.rglob(".*"))


def leave_room(disk: Path, n_kib: int) -> None:
    """Fill a disk but for so many KiB."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    (disk / "filling").write_bytes(bytes(free - n_kib * 1024))


# Disks


def test_a_run_on_a_disk_that_is_full_tells_the_file_and_goes_on_when_there_is_room(mount, tmp_path):
    disk = mount("size=64k")
    done = run(tmp_path, f"{MAKE} --out disk/run")
    assert done.returncode == 3
    first = "disk/run/states/discovery.safetensors"  # which has 800 kB
    fault, kept = told(done).split("; what is done is kept in ")
    assert fault == f"'{first}': No space left on device; make room, then give the same command again"
    assert kept == f"'disk/run': go on with it by splitgen {MAKE} --out disk/run"
    assert list_temporaries(disk) == []
    mount("remount,size=16m")
    for out in ("disk/run", "whole"):
        assert run(tmp_path, f"{MAKE} --out {out}").returncode == 0
    assert (disk / "run/split.parquet").read_bytes() == (tmp_path / "whole/split.parquet").read_bytes()


@pytest.mark.parametrize(
    ("line", "path", "n_kib"),
    [
        (f"export {SPLIT} --to csv --out disk/out.csv --quiet", "disk/out.csv", 16),
        (f"export {SPLIT} --to huggingface --out disk/parts --quiet", "disk/parts", 16),
        (f"report {SPLIT} --quiet --out disk/report.html", "disk/report.html", 16),
        ("import split.csv digits --quiet --out disk/back.parquet", "disk/back.parquet", 8),
        (f"show {SPLIT} --images disk/sheets", "disk/sheets/class-1-1.png", 16),
    ],
    ids=lambda value: str(value).split()[0],
)
def test_an_output_that_a_disk_has_no_room_for_is_named_and_not_left_half_written(mount, tmp_path, line, path, n_kib):
    if line.startswith("import"):
        splitgen.export_split(splitgen.read_split(SPLIT), "csv", tmp_path / "split.csv")
    disk = mount("size=1m")
    leave_room(disk, n_kib)
    done = run(tmp_path, line)
    assert done.returncode == 3
    assert told(done) == f"'{path}': No space left on device; make room, then give the same command again"
    assert list_temporaries(disk) == []
    assert not (tmp_path / path).exists()
    for sheet in disk.rglob("*.png"):
        Image.open(sheet).load()  # those before it are whole


@pytest.mark.parametrize("option", ["--junit", "--out"])
def test_check_finds_a_full_disk_before_it_judges(mount, judged, option):
    leave_room(mount("size=64k"), 0)
    done = run(judged, f"{CHECK} {option} disk/result")
    assert done.returncode == 2
    assert "the folder" in told(done)
    assert "takes no file (No space left on device)" in told(done)
    assert done.stdout == ""


def test_no_result_says_passed_where_another_could_not_be_written(mount, judged):
    """The step summary, which is the last, is told of the JUnit file that filled up, and the record of both."""
    leave_room(mount("size=64k"), 0)
    lines = f"{CHECK} --junit /dev/full --out result.json"
    done = run(judged, lines, GITHUB_STEP_SUMMARY=str(judged / "summary.md"))
    assert done.returncode == 3
    assert "check NOT REPORTED: 1 results" in done.stdout
    assert "### splitgen check: NOT REPORTED" in (judged / "summary.md").read_text()
    done = run(judged, f"{CHECK} --out result.json", GITHUB_STEP_SUMMARY=str(judged / "disk" / "summary.md"))
    assert done.returncode == 3
    assert "check NOT REPORTED: 1 results" in done.stdout
    assert json.loads((judged / "result.json").read_text())["exit_code"] == 3


@pytest.mark.parametrize(
    "line",
    [
        "make npz:none.npz --out disk/run",
        "make npz:none.npz --cache ../cache",
        f"{CHECK} --junit disk/junit.xml",
        f"{CHECK} --out disk/result.json",
        f"show {SPLIT} --images disk/sheets",
        f"report {SPLIT} --out disk/report.html",
        f"export {SPLIT} --to huggingface --out disk/parts",
        f"export {SPLIT} --to csv --out disk/split.csv",
        f"import {SPLIT} npz:none.npz --out disk/back.parquet",
    ],
)
def test_a_disk_that_may_only_be_read_is_found_before_anything_is_opened(mount, judged, line):
    disk = mount("size=64k")
    mount("remount,ro")
    done = run(disk if "--cache" in line else judged, line)  # the latter without --out: in a folder that is read-only
    assert done.returncode == 2
    assert "takes no file (Read-only file system); give another path" in told(done)
    assert "none.npz" not in told(done)


def test_a_limit_of_a_files_size_is_told_as_a_full_disk_is(tmp_path):
    done = shell(tmp_path, "ulimit -f 16; splitgen export $SPLIT --to csv --out out.csv --quiet")
    assert done.returncode == 3
    assert told(done).startswith("'out.csv': File too large; raise the limit of a file's size (ulimit -f), then")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "'a/b': No space left on device; make room, then"),
        (
            OSError(errno.EDQUOT, "Disk quota exceeded", "a/b"),
            "'a/b': Disk quota exceeded; make room within your quota",
        ),
        (OSError(errno.EROFS, "Read-only", "a/b"), "'a/b': Read-only; give a path that is not mounted to be read only"),
        (OSError(errno.EACCES, "Denied", "a/b"), "'a/b': Denied; give a path that you may write"),
        (OSError(errno.EIO, "Input/output error", "a/b"), "'a/b': Input/output error; the disk failed: see the system"),
        (OSError(errno.EFBIG, "File too large", "a/b"), "'a/b': File too large; raise the limit of a file's size"),
        (OSError(errno.EMFILE, "Too many", "a/b"), "'a/b': Too many; raise the limit of open files (ulimit -n)"),
        (OSError(errno.ENOSPC, "full", "from", None, "to"), "'to': full; make room"),
        (OSError(errno.ENODEV, "No such device", "a/b"), "'a/b': No such device; the result is not whole"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "Cannot allocate memory; out of memory; give fewer"),
    ],
    ids=lambda value: errno.errorcode[value.errno] if isinstance(value, OSError) else None,
)
def test_a_fault_of_a_disk_is_one_line_with_the_path_and_what_to_do(error, words, capfd):
    assert tell_end(error) == NOT_DONE
    said = capfd.readouterr().err
    assert said.startswith(f"splitgen: {words}")
    assert said.count("\n") == 1


# Streams and terminals


def shell(folder: Path, line: str, **environment: str) -> Done:
    """A line of bash, in which `splitgen` is a new interpreter's."""
    script = f'splitgen() {{ "{sys.executable}" -m splitgen "$@"; }}\n{line}'
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SPLIT": str(SPLIT), **environment}
    command = ["bash", "-c", script]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_a_closed_standard_output_is_told_and_the_others_are_not_missed(tmp_path):
    done = shell(tmp_path, "splitgen show $SPLIT >&-")
    assert done.returncode == 3
    assert told(done) == "standard output is closed; the result would be lost; leave it open"
    done = shell(tmp_path, "splitgen show $SPLIT <&- 2>&-")
    assert done.returncode == 0
    assert "Split of digits" in done.stdout


def test_a_file_does_not_get_the_number_of_a_stream_that_is_closed(tmp_path):
    """What libraries print to stream 2 would be written into it."""
    code = "import os; from splitgen.cli.ending import settle_surroundings as s; s(); print(os.open('x', os.O_CREAT))"
    done = shell(tmp_path, f'"{sys.executable}" -c "{code}" 0<&- 2>&-')
    assert int(done.stdout) > 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("splitgen show $SPLIT > /dev/full", "standard output could not be written (No space left on device)"),
        ("splitgen settings > >(true)", "standard output could not be written (closed by its reader)"),
    ],
)
def test_a_standard_output_that_takes_no_more_is_told(tmp_path, line, words):
    done = shell(tmp_path, line)
    assert done.returncode == 3
    assert told(done) == f"{words}; the result is not whole"


@pytest.mark.parametrize(
    "changed",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii", "TERM": "dumb"},
        {"COLUMNS": "20"},
        {"COLUMNS": "0"},
        {"HOME": "/nonexistent"},
    ],
    ids=lambda changed: " ".join(f"{name}={value}" for name, value in changed.items()),
)
def test_whatever_the_terminal_all_of_a_split_is_shown(tmp_path, changed):
    done = shell(tmp_path, "splitgen show $SPLIT", **changed)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    words = " ".join(done.stdout.split())
    assert "Split of digits" in words
    assert "899" in words
    assert "898" in words


def test_no_home_at_all_is_no_fault(tmp_path):
    done = shell(tmp_path, "unset HOME XDG_CACHE_HOME; splitgen show $SPLIT --images sheets")
    assert done.returncode == 0
    assert len(list((tmp_path / "sheets").glob("*.png"))) == 11


# Folders

USERS_MODEL = """
import json, random, numpy, torch
def build(n_classes, in_channels):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(n_classes))
"""


@pytest.mark.parametrize("start", ["-m splitgen", "-c 'from splitgen.cli import main; main()'"])
def test_files_of_the_folder_are_not_taken_for_libraries_but_for_a_model_that_is_named(tmp_path, start):
    for name in ("torch", "numpy", "random", "json", "typer", "pandas"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a trap')\n")
    (tmp_path / "mine.py").write_text(USERS_MODEL)
    run_it = f'"{sys.executable}" {start}' if start.startswith("-m") else f'"{sys.executable}" -P {start}'
    done = shell(tmp_path, f"{run_it} check $SPLIT --model mine:build --fail-under 0 {FAST} --quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "check passed: 1 checks" in done.stdout


def test_a_folder_that_was_removed_is_told(tmp_path):
    (tmp_path / "gone").mkdir()
    done = shell(tmp_path, f"cd gone; rmdir ../gone; splitgen {MAKE} --out {tmp_path / 'run'}")
    assert done.returncode == 2
    assert told(done) == "this folder is there no more (No such file or directory); go to another one"


# Memory and threads

GREEDY = """
import resource, numpy, torch
from torch import nn

class Greedy(nn.Module):
    def __init__(self, ask, is_late):
        super().__init__()
        self.ask, self.is_late, self.layer = ask, is_late, nn.Linear(64, 10)
    def forward(self, images):
        if len(images) > 3 or not self.is_late:
            self.ask()
        return self.layer(images.flatten(1))

def ask_torch():
    with open("/proc/self/statm") as told:
        held = int(told.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**26, resource.RLIM_INFINITY))
    try:
        torch.ones(2**28)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

def ask_numpy(): numpy.empty(2**50)
def of_torch(n_classes, in_channels): return Greedy(ask_torch, True)
def of_numpy(n_classes, in_channels): return Greedy(ask_numpy, True)
def at_once(n_classes, in_channels): return Greedy(ask_torch, False)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell of its memory there")
@pytest.mark.parametrize("model", ["of_torch", "of_numpy", "at_once"])
def test_memory_that_runs_out_is_told_and_is_no_fault_of_the_model(tmp_path, model):
    (tmp_path / "mine.py").write_text(GREEDY)
    done = run(tmp_path, f"verify {SPLIT} --model mine:{model} {FAST} --quiet")
    assert done.returncode == 3
    assert told(done) == MEMORY
    done = run(tmp_path, f"check {SPLIT} --model mine:{model} --fail-under 0 {FAST} --quiet", COLUMNS="300")
    assert done.returncode == 3
    assert f"error   {MEMORY}" in done.stdout
    assert "Traceback" not in done.stderr


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "shortage"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), MEMORY),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory"), MEMORY),
        (RuntimeError("std::bad_alloc"), MEMORY),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), MEMORY),
        (RuntimeError("can't start new thread"), THREADS),
        (caused_by(ModelError("m", "fails", "use another"), MemoryError()), MEMORY),
        (ModelError("m", "fails", "use another"), None),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
        (ValueError("out of memory"), None),
        # one image is too large: which one is what helps
        (
            caused_by(SourceError("s", "'a.png' needs much", "take it out"), caused_by(DecodeError(), MemoryError())),
            None,
        ),
    ],
    ids=lambda value: f"{type(value).__name__}: {value}"[:40],
)
def test_what_has_run_out_is_known_by_what_libraries_say(error, shortage):
    assert find_shortage(error) == shortage


def test_real_errors_of_memory_are_known():
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(2**50)
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(2**50)
    assert find_shortage(of_torch.value) == find_shortage(of_numpy.value) == MEMORY


def test_threads_that_cannot_be_started_are_told_before_the_work(monkeypatch, capsys):
    start, begun = threading.Thread.start, []

    def start_few(thread: threading.Thread) -> None:
        if len(begun) == 20:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_few)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    line = ["splitgen", "check", str(SPLIT), "--fail-under", "0", "--threads", "40"]
    monkeypatch.setattr(sys, "argv", line)
    before = torch.get_num_threads()
    with pytest.raises(SystemExit) as end:
        cli.main()
    torch.set_num_threads(before)
    assert end.value.code == 3
    assert capsys.readouterr().err == f"splitgen: {THREADS}\n"
    for thread in begun:
        thread.join(10)
        assert not thread.is_alive()
