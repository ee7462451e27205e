"""How commands end: every path to each exit code of `check`, as CI sees them, in processes of their own."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import Done, run_command

import splitgen
from splitgen.splits.split import hash_rows

SPLIT = Path(__file__).parents[2] / "examples" / "ci_gate" / "splits" / "digits.parquet"
FAST = "--threads 1 --seeds 2 --epochs 1"

USERS_MODELS = """
import sys, torch
from torch import nn

class Plain(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layer = nn.Linear(64, n)
    def forward(self, x):
        return self.layer(x.flatten(1))

class Exits(Plain):
    def forward(self, x):
        if self.training and len(x) > 3: sys.exit(0)
        return super().forward(x)

class ExitsAtOnce(Plain):
    def forward(self, x):
        sys.exit(0)

class TurnsNan(Plain):
    def forward(self, x):
        return super().forward(x) + (0 if self.training or len(x) <= 3 else float('nan'))

class Raises(Plain):
    def forward(self, x):
        if len(x) > 3: raise RuntimeError('no more')
        return super().forward(x)

ONE = Plain(10)

def plain(n_classes, in_channels): return Plain(n_classes)
def exits(n_classes, in_channels): return Exits(n_classes)
def exits_at_once(n_classes, in_channels): return ExitsAtOnce(n_classes)
def exits_when_built(n_classes, in_channels): sys.exit(0)
def turns_nan(n_classes, in_channels): return TurnsNan(n_classes)
def raises(n_classes, in_channels): return Raises(n_classes)
def always_the_same(n_classes, in_channels): return ONE
"""


@dataclass(frozen=True)
class Case:
    """A call of `check`, by shell, on the example's split ($SPLIT): exit code, and words that must be said.

    prepare: what is written into the folder first.
    """

    name: str
    code: int
    arguments: str
    says: str
    prepare: Callable[[Path], None] = field(default=lambda folder: None)


def write(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: void(folder / name, text)


def void(path: Path, text: str) -> None:
    path.write_text(text)


def write_earlier(**changes: object) -> Callable[[Path], None]:
    """An earlier result of right.parquet on the split, with some of it changed."""
    split = splitgen.read_split(SPLIT)
    case = {
        "split": "x",
        "model": "right.parquet",
        "rows_hash": hash_rows(split),
        "n_test": 898,
        "figures": {"test_accuracy": [0.5]},
        **changes,
    }
    return lambda folder: void(folder / "before.json", json.dumps({"results": [case]}))


RIGHT, WRONG, HALF = (f"$SPLIT --predictions {name}.parquet" for name in ("right", "wrong", "half"))
CASES = [
    # 0: every threshold was compared and met
    Case("a bound that is met", 0, f"{RIGHT} --fail-under 0.9", "check passed: 1 checks"),
    Case("a bound of 0 that any accuracy meets", 0, f"{WRONG} --fail-under 0", "test_accuracy 0.000, must be >= 0.000"),
    Case("the bound 1, exactly met", 0, f"{RIGHT} --fail-under 1", "test_accuracy 1.000, must be >= 1.000"),
    Case("warn only", 0, f"{WRONG} --fail-under 0.9 --warn-only", "check FAILED: 1 of 1"),
    Case("an earlier result on the same rows", 0, f"{RIGHT} --baseline before.json", "check passed", write_earlier()),
    Case("a model that is trained", 0, f"$SPLIT --model mlp --fail-under 0.2 {FAST}", "check passed: 1 checks"),
    Case("help", 0, "--help", "--fail-under"),
    # 1: a threshold was compared and failed
    Case("accuracy", 1, f"{WRONG} --fail-under 0.9", "FAILED  test_accuracy 0.000"),
    Case("worst class", 1, f"{HALF} --fail-under-class 0.9", "FAILED  worst_class_accuracy"),
    Case(
        "a drop where none is allowed",
        1,
        f"{HALF} --control-predictions right.parquet --max-drop 0",
        "FAILED  fair_drop 0.500, must be <= 0.000",
    ),
    Case("a gap where none is allowed", 1, f"$SPLIT --model mlp --max-gap 0 {FAST}0", "FAILED  gap"),
    Case(
        "zero in the TOML file",
        1,
        f"{HALF} --control-predictions right.parquet",
        "FAILED  fair_drop",
        write("pyproject.toml", "[tool.splitgen.check]\nmax_drop = 0\n"),
    ),
    Case(
        "zero above the TOML file's bound",
        1,
        f"{HALF} --control-predictions right.parquet --max-drop 0",
        "must be <= 0.000",
        write("pyproject.toml", "[tool.splitgen.check]\nmax_drop = 0.9\n"),
    ),
    Case(
        "a fall below an earlier result",
        1,
        f"{HALF} --baseline before.json",
        "FAILED  test_accuracy 0.500",
        write_earlier(model="half.parquet", figures={"test_accuracy": [0.9]}),
    ),
    # 2: wrong usage, found before anything is judged
    Case("no split", 2, "--fail-under 0.5", "no split given"),
    Case("no threshold", 2, RIGHT, "no threshold given"),
    Case("a bound that is no fraction", 2, f"{RIGHT} --fail-under 60", "must be a fraction"),
    Case("a bound that is no number", 2, f"{RIGHT} --fail-under nan", "must be a fraction"),
    Case("an unknown option", 2, "--fail-over 0.5", "No such option"),
    Case("no seeds", 2, "$SPLIT --fail-under 0.5 --seeds 0", "seeds must be 2 or more"),
    Case("no epochs", 2, "$SPLIT --fail-under 0.5 --epochs 0", "epochs must be 1 or more"),
    Case("no name of a model", 2, "$SPLIT --fail-under 0.5 --model ''", "a model's name is empty"),
    Case("an output in no folder", 2, f"{RIGHT} --fail-under 0.5 --out no/x.json", "there is no folder"),
    Case("an output that is a folder", 2, f"{RIGHT} --fail-under 0.5 --junit .", "it is a folder"),
    Case("two outputs in one", 2, f"{RIGHT} --fail-under 0.5 --junit a --out a", "are the same file"),
    Case("deep TOML", 2, RIGHT, "nested too deeply", write("pyproject.toml", "x = " + "[" * 10_000 + "]" * 10_000)),
    Case("no TOML", 2, RIGHT, "is not TOML", write("pyproject.toml", "x =")),
    Case("a table that is none", 2, RIGHT, "must be a table", write("pyproject.toml", "tool.splitgen.check = 3")),
    Case("tool that is no table", 2, RIGHT, "no threshold given", write("pyproject.toml", "tool = 3")),
    Case(
        "infinity in TOML",
        2,
        RIGHT,
        "must be a fraction",
        write("pyproject.toml", "[tool.splitgen.check]\nmax_drop = inf\n"),
    ),
    *(
        Case(f"{what} in TOML", 2, RIGHT, words, write("pyproject.toml", f"[tool.splitgen.check]\n{line}\n"))
        for what, line, words in (
            ("NaN", "fail_under = nan", "fail_under must be a fraction from 0 to 1, got nan"),
            ("a date", "max_gap = 2020-01-01", "max_gap must be a fraction from 0 to 1, got 2020-01-01"),
            ("a long number", "max_gap = 0x" + "f" * 5_000, "must be a fraction from 0 to 1, got a number too long"),
            ("a date for a file", "junit = 07:32:00", "junit must be a text, got 07:32:00"),
            ("a file that cannot be named", 'junit = "a\\u0000"', "junit must be a text without the character NUL"),
            ("a list in a list", "models = [['mlp']]", "models must be a list of texts, got [['mlp']]"),
            ("a table of tables", "seeds = [{a = 1}]", "seeds must be a whole number, got [{'a': 1}]"),
            ("deep names", f"seeds.{'.'.join(['a'] * 5_000)} = 1", "nested too deeply"),
        )
    ),
    # 3: it could not be judged, or the result could not be told
    Case("no such split", 3, "gone.parquet --predictions right.parquet --fail-under 0.5", "cannot be read"),
    Case("no such predictions", 3, "$SPLIT --predictions gone.csv --fail-under 0.5", "cannot be read"),
    Case("no such model", 3, f"$SPLIT --model nothing --fail-under 0.5 {FAST}", "model 'nothing': unknown"),
    Case("a figure that predictions do not give", 3, f"{RIGHT} --max-gap 0.5 --warn-only", "error   gap"),
    Case("no such baseline", 3, f"{RIGHT} --baseline gone.json", "cannot be read"),
    Case("a baseline that is no JSON", 3, f"{RIGHT} --baseline b", "holds no earlier result", write("b", "{")),
    Case("a deep baseline", 3, f"{RIGHT} --baseline b", "nested too deeply", write("b", "[" * 99_999 + "]" * 99_999)),
    Case("an empty baseline", 3, f"{RIGHT} --baseline b", "nothing in it was judged", write("b", '{"results": []}')),
    Case(
        "a baseline of another model", 3, f"{HALF} --baseline before.json", "no result of half.parquet", write_earlier()
    ),
    Case(
        "a baseline of another split",
        3,
        f"{RIGHT} --baseline before.json",
        "made on another split",
        write_earlier(rows_hash="sha256:0"),
    ),
    *(
        Case(f"a baseline with {what}", 3, f"{RIGHT} --baseline before.json", words, write_earlier(**changes))
        for what, words, changes in (
            ("text for numbers", "no list of fractions", {"figures": {"test_accuracy": ["0.5"]}}),
            ("NaN", "no JSON (NaN for a number)", {"figures": {"test_accuracy": [float("nan")]}}),
            ("no rows", "no count of rows", {"n_test": 0}),
            ("no hash", "rows_hash is no text", {"rows_hash": None}),
        )
    ),
    Case("a full stdout", 3, f"{RIGHT} --fail-under 0.5 > /dev/full", "No space left on device"),
    Case("a full stdout for a failure", 3, f"{WRONG} --fail-under 0.5 > /dev/full", "No space left on device"),
    Case("a full stdout for JSON", 3, f"{RIGHT} --fail-under 0.5 --json > /dev/full", "No space left on device"),
    Case("a full stdout for help", 3, "--help > /dev/full", "No space left on device"),
    Case("a closed stdout", 3, f"{RIGHT} --fail-under 0.5 >&-", "standard output is closed"),
    Case("a reader that has gone", 3, f"{RIGHT} --fail-under 0.5 > >(exec 0<&-; sleep 2)", "closed by its reader"),
    Case("an output that is full", 3, f"{RIGHT} --fail-under 0.5 --out /dev/full", "could not be written"),
    Case("a report that is full", 3, f"{RIGHT} --fail-under 0.5 --junit /dev/full", "check NOT REPORTED"),
    Case("exit(0) in forward", 3, f"$SPLIT --model mine:exits --fail-under 0 {FAST}", "by exit(0)"),
    Case("exit(0) in any forward", 3, f"$SPLIT --model mine:exits_at_once --fail-under 0 {FAST}", "SystemExit: 0"),
    Case("exit(0) when built", 3, f"$SPLIT --model mine:exits_when_built --fail-under 0 {FAST}", "SystemExit: 0"),
    Case("exit(0) when imported", 3, f"$SPLIT --model leaves:x --fail-under 0 {FAST}", "SystemExit: 0"),
    Case("an error in forward", 3, f"$SPLIT --model mine:raises --fail-under 0 {FAST}", "RuntimeError: no more"),
    Case("NaN logits", 3, f"$SPLIT --model mine:turns_nan --fail-under 0 {FAST}", "NaN or infinite logits"),
    Case("one module for all", 3, f"$SPLIT --model mine:always_the_same --fail-under 0 {FAST}", "share weights"),
    Case("a diverging training", 3, f"$SPLIT --fail-under 0 --learning-rate 1e30 {FAST}", "diverged"),
    Case(
        "a model that learned nothing",
        3,
        f"$SPLIT --max-drop 0.9 --max-gap 0.9 --learning-rate 1e-12 {FAST}",
        "has not learned",
    ),
    Case(
        "a control that learned nothing",
        3,
        f"{HALF} --control-predictions wrong.parquet --max-drop 0.5",
        "has not learned",
    ),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Predictions and models in a folder that cases copy from."""
    folder = tmp_path_factory.mktemp("files")
    split = splitgen.read_split(SPLIT)
    test = split.indices("test")
    right, wrong = split.targets[test], (split.targets[test] + 1) % 10
    for name, classes in (
        ("right", right),
        ("wrong", wrong),
        ("half", np.where(np.arange(len(test)) % 2, right, wrong)),
    ):
        pd.DataFrame({"index": test, "prediction": classes}).to_parquet(folder / f"{name}.parquet")
    (folder / "mine.py").write_text(USERS_MODELS)
    (folder / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    return folder


def run_in(folder: Path, line: str, **environment: str) -> Done:
    """The command `splitgen LINE`; by a shell where the line redirects something."""
    environment = {"COLUMNS": "400", **environment}
    if ">" not in line:
        return run_command(*shlex.split(line.replace("$SPLIT", str(SPLIT))), cwd=folder, **environment)
    command = ["bash", "-c", f"{sys.executable} -m splitgen {line}"]
    env = {**os.environ, "SPLIT": str(SPLIT), **environment}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.code}: {case.name}" for case in CASES])
def test_check_ends_with_the_exit_code_that_the_table_says(files, tmp_path, case):
    for path in files.iterdir():
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    case.prepare(tmp_path)
    done = run_in(tmp_path, f"check {case.arguments}")
    said = done.stdout + done.stderr
    assert done.returncode == case.code, said
    assert case.says in said
    assert (case.code == 1) == ("check FAILED" in said and "--warn-only" not in case.arguments)
    assert "check passed" not in said or case.code == 0
    if case.code == 2 and "No such option" not in said:
        assert len(said.strip().splitlines()) == 1


def test_models_after_one_that_exits_are_judged(files):
    models = "--model mine:exits --model leaves:x --model mlp"
    done = run_in(files, f"check $SPLIT {models} --fail-under 0 {FAST}")
    assert done.returncode == 3
    assert "mlp; worst class" in done.stdout
    assert done.stdout.count("passed  test_accuracy") == 1
    assert "check NOT JUDGED: 2 could not run, 0 failed of 1 checks" in done.stdout


def test_a_step_summary_that_cannot_be_written_is_told(files, tmp_path):
    done = run_in(files, f"check {RIGHT} --fail-under 0.5", GITHUB_STEP_SUMMARY=str(tmp_path / "no" / "summary.md"))
    assert done.returncode == 3
    assert "summary.md' could not be written (No such file or directory)" in done.stdout


@pytest.mark.parametrize(
    ("model", "words"), [("leaves:x", "SystemExit: 0"), ("mine:exits", "by exit(0)"), ("mine:always_the_same", "share")]
)
def test_other_commands_do_not_pass_either_where_a_model_ends_the_program(files, model, words):
    done = run_in(files, f"verify $SPLIT --model {model} {FAST}")
    assert done.returncode in (2, 3)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_with_its_code_and_leaves_nothing_half_written(files, tmp_path, number, code):
    """Caught while the temporary folder of an export is there."""
    (tmp_path / "slow.py").write_text(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in what a shell runs in the background
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # ignored below nohup
        "from splitgen import cli\n"
        "from splitgen.exports import huggingface\n"
        "write = huggingface.find_parts\n"
        "def wait(split):\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(120)\n"
        "huggingface.find_parts = wait\n"
        f"sys.argv = ['splitgen', 'export', {str(SPLIT)!r}, '--to', 'huggingface', '--out', 'out/parts']\n"
        "cli.main()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "slow.py"], cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert len(list((tmp_path / "out").iterdir())) == 1  # the temporary folder
        process.send_signal(number)
        _, said = process.communicate(timeout=50)
    assert process.returncode == code
    assert said == "splitgen: stopped\n"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["show", "nowhere"], 2)])
def test_the_process_ends_when_all_is_told_and_takes_nothing_apart_that_the_system_takes_back(arguments, code):
    script = (
        "import atexit, sys\n"
        "class Part:\n"
        "    def __del__(self): print('taken apart')\n"
        "part = Part()\n"
        "atexit.register(print, 'registered for the end')\n"
        f"sys.argv = ['splitgen', *{arguments!r}]\n"
        "from splitgen.cli import run\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == "registered for the end"
    assert len(done.stdout.splitlines() + done.stderr.splitlines()) == 2
