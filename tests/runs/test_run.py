"""A run folder belongs to one run, however many begin at once."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import Command, run_command

from splitgen import read_tasks
from splitgen.claims import FolderClaim
from splitgen.errors import RunFolderError
from splitgen.runs.folder import claim_folder, claim_next

QUICK = Path(__file__).parents[1] / "quick.toml"
FAST = ["--threads", "1", "--meta-steps", "1", "--tasks", "1", "--epochs", "1", "--config", QUICK]


def test_four_runs_at_once_have_a_folder_each(tmp_path):
    runs = [Command("discover", "--seed", seed, *FAST, cwd=tmp_path) for seed in range(4)]
    done = [run.wait() for run in runs]
    assert [run.returncode for run in done] == [0, 0, 0, 0], done
    folders = sorted((tmp_path / "splitgen-runs").iterdir())
    assert [folder.name for folder in folders] == [f"digits-00{n}" for n in (1, 2, 3, 4)]
    assert sorted(json.loads((folder / "run.json").read_text())["config"]["seed"] for folder in folders) == [0, 1, 2, 3]
    for folder in folders:
        seed = json.loads((folder / "run.json").read_text())["config"]["seed"]
        assert read_tasks(folder).metadata["config"]["seed"] == seed


@pytest.mark.parametrize("is_there", [False, True], ids=["a new folder", "an empty folder"])
def test_of_two_commands_in_one_folder_the_second_is_refused(tmp_path, is_there):
    if is_there:
        (tmp_path / "out").mkdir()
    first = Command("make", "--out", "out", "--refine-steps", 0, "--seeds", 2, *FAST, cwd=tmp_path)
    second = Command("discover", "--out", "out", "--seed", 1, *FAST, cwd=tmp_path)
    done = [run.wait() for run in (first, second)]
    codes = [run.returncode for run in done]
    assert sorted(codes) == [0, 2], done
    assert "give another --out" in done[codes.index(2)].stderr
    seed = codes.index(0)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["config"]["seed"] == seed
    assert read_tasks(tmp_path / "out").metadata["config"]["seed"] == seed


def test_a_folder_is_free_again_after_its_process_was_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from splitgen.runs.folder import claim_folder\n"
        "claim = claim_folder(Path('out')); print('claimed', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    with pytest.raises(RunFolderError, match="another run writes into it"):
        claim_folder(tmp_path / "out")
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while True:
        try:
            claim_folder(tmp_path / "out")
            break
        except RunFolderError:
            assert time.monotonic() < deadline


def test_a_claim_ends_with_its_object_and_leaves_no_file(tmp_path):
    claim = FolderClaim(tmp_path)
    with pytest.raises(BlockingIOError):
        FolderClaim(tmp_path)
    del claim
    FolderClaim(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_are_taken_are_passed_over(tmp_path):
    (tmp_path / "digits-001").mkdir()
    (tmp_path / "digits-003").write_text("a file")
    claims = [claim_next(tmp_path, "digits") for _ in range(2)]
    assert [path.name for path, _ in claims] == ["digits-002", "digits-004"]


def test_the_encoder_may_be_read_by_whom_the_umask_lets(tmp_path):
    done = run_command("discover", "--out", "out", *FAST, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert set(modes) == {"tasks.parquet", "run.json", "report.html", "encoder.safetensors"}
    assert len(set(modes.values())) == 1
