"""Bad input of every kind ends in its exit code and one line that says what is wrong, and leaves nothing behind."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import bad_baselines
import bad_exports
import bad_imports
import bad_index_files
import bad_labels
import bad_metadata
import bad_models
import bad_predictions
import bad_run_folders
import bad_settings
import bad_sources
import pytest
from bad_case import Case
from good_files import call, make_good

import splitgen

KINDS = {
    "source": bad_sources,
    "labels": bad_labels,
    "metadata": bad_metadata,
    "settings": bad_settings,
    "model": bad_models,
    "run folder": bad_run_folders,
    "index file": bad_index_files,
    "import": bad_imports,
    "predictions": bad_predictions,
    "baseline": bad_baselines,
    "export": bad_exports,
}
CASES = {f"{kind}: {case.name[:60]}": case for kind, module in KINDS.items() for case in module.CASES}
SECONDS = 20  # beyond which a case hangs


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that recipes spoil, and nothing wrong with it."""
    folder = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_good(folder)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, where the command runs."""
    copied = tmp_path / "here"
    shutil.copytree(good, copied)
    monkeypatch.chdir(copied)
    monkeypatch.syspath_prepend(copied)
    monkeypatch.setenv("COLUMNS", "1000")
    yield copied
    sys.modules.pop("mine", None)


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    def give_up(number: int, frame: object) -> None:
        raise TimeoutError(f"it hangs: still at work after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def list_files(folder: Path) -> dict[str, int]:
    """Everything below a folder, with what tells a changed file."""
    return {
        str(path.relative_to(folder)): path.lstat().st_mtime_ns
        for path in folder.rglob("*")
        if path.name != "__pycache__" and path.suffix != ".pyc"
    }


def list_errors(out: str, err: str) -> list[str]:
    """The lines that say what went wrong: of a command, or of one that a check could not judge."""
    return [line for line in err.splitlines() if line.startswith("splitgen: ")] + [
        line for line in out.splitlines() if line.startswith("  error ")
    ]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_bad_input_ends_in_one_line(folder, capsys, case: Case):
    case.recipe(folder)
    before = list_files(folder)
    code = call(case.command)
    said = capsys.readouterr()
    errors = list_errors(said.out, said.err)
    assert "Traceback" not in said.out + said.err, said.err[-2000:]
    assert len(errors) == 1, said.err
    assert case.words in errors[0]
    assert code == case.code
    assert list_files(folder) == before


def test_the_corpus_is_as_large_as_it_should_be():
    assert len(CASES) == sum(len(module.CASES) for module in KINDS.values()), "two cases of one name"
    assert len(CASES) >= 150


@pytest.mark.parametrize(
    "line",
    [
        "show run --json",
        "export run --to csv --out out.csv",
        "check run --predictions right.csv --fail-under 0.5",
        "check run --predictions right.csv --baseline run/run.json --warn-only",
        "report run",
        "import right.jsonl npz:digits.npz --out out.parquet",
    ],
)
def test_what_the_recipes_spoil_is_good(folder, line):
    splitgen.export_split(splitgen.read_split("run"), "jsonl", "right.jsonl")
    assert call(line) in ((0, 3) if "baseline" in line else (0,))
