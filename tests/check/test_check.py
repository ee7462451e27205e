"""The gate as CI runs it: exit codes, what it prints and writes, and that predictions need no torch."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from commands import Done, run_command

import splitgen
from splitgen.errors import PredictionsError, SettingError

EXAMPLE = Path(__file__).parents[2] / "examples" / "ci_gate"
SPLIT = EXAMPLE / "splits" / "digits.parquet"
FAST = "--model mlp --fail-under 0 --threads 1 --seeds 2 --epochs 1"


def check(*args: object, cwd: Path, **environment: str) -> Done:
    return run_command("check", *args, cwd=cwd, **environment)


@pytest.fixture(scope="module")
def split() -> splitgen.Split:
    return splitgen.read_split(SPLIT)


@pytest.fixture(scope="module")
def predictions(split, tmp_path_factory) -> Path:
    """Every tenth test row is wrong: an accuracy of 0.9 but for the rounding of 898 / 10."""
    test = split.indices("test")
    classes = np.where(np.arange(len(test)) % 10 == 0, (split.targets[test] + 1) % 10, split.targets[test])
    path = tmp_path_factory.mktemp("predictions") / "model.parquet"
    pd.DataFrame({"index": test, "prediction": classes}).to_parquet(path)
    return path


def test_predictions_pass_or_fail_and_everything_asked_for_is_written(predictions, tmp_path):
    summary = tmp_path / "summary.md"
    outputs = ["--junit", "junit.xml", "--out", "check.json"]
    done = check(SPLIT, "--predictions", predictions, "--fail-under", "0.9", *outputs, cwd=tmp_path)
    assert done.returncode == 1  # 808 of 898 are right
    assert "FAILED  test_accuracy 0.8998, must be >= 0.9000" in done.stdout
    done = check(
        *(SPLIT, "--predictions", predictions, "--fail-under", "0.89", *outputs),
        cwd=tmp_path,
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert (done.returncode, "check passed: 1 checks" in done.stdout) == (0, True)
    record = json.loads((tmp_path / "check.json").read_text())
    assert record["thresholds"] == {"fail_under": 0.89}
    (result,) = record["results"]
    assert result["figures"]["test_accuracy"] == [808 / 898]
    assert result["split_hash"].startswith("sha256:")
    assert "| <code>model.parquet</code> |" in summary.read_text()


def test_warn_only_lets_a_threshold_fail_but_not_a_check_that_cannot_run(predictions, tmp_path):
    common = (SPLIT, "--predictions", predictions, "--warn-only")
    assert check(*common, "--fail-under", "0.99", cwd=tmp_path).returncode == 0
    assert check(*common, "--max-gap", "0.1", cwd=tmp_path).returncode == 3


def test_a_gate_on_predictions_answers_without_torch(predictions, tmp_path):
    code = f"""
import sys
from splitgen import cli
sys.argv = ["splitgen", "check", {str(SPLIT)!r}, "--predictions", {str(predictions)!r}, "--fail-under", "0.5"]
try:
    cli.main()
finally:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.splitlines()[-1] == "False"


def test_junit_is_read_by_its_consumers_library(predictions, tmp_path):
    junitparser = pytest.importorskip("junitparser")
    thresholds = ("--fail-under", "0.99", "--fail-under-class", "0.5", "--max-drop", "0.1")
    shutil.copy(SPLIT, tmp_path / "b<&>\x07.parquet")
    check("b<&>\x07.parquet", "--predictions", predictions, *thresholds, "--junit", "j.xml", cwd=tmp_path)
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml"))
    assert (suite.tests, suite.failures, suite.errors) == (3, 1, 1)
    cases = {case.name: case.result for case in suite}
    assert isinstance(cases["fail_under"][0], junitparser.Failure)
    assert "must be >= 0.990" in cases["fail_under"][0].text
    assert cases["fail_under_class"] == []
    assert isinstance(cases["max_drop"][0], junitparser.Error)
    assert {each.name: each.value for each in suite.properties()}["test_accuracy"] == repr(808 / 898)


def test_control_predictions_give_the_fair_drop(split, predictions, tmp_path):
    test = split.indices("test")
    pd.DataFrame({"id": [split.ids[i] for i in test], "prediction": split.targets[test]}).to_csv(
        tmp_path / "control.csv", index=False
    )
    common = (SPLIT, "--predictions", predictions, "--control-predictions", "control.csv")
    assert check(*common, "--max-drop", "0.09", cwd=tmp_path).returncode == 1
    assert check(*common, "--max-drop", "0.11", cwd=tmp_path).returncode == 0


def test_training_gives_the_figures_of_the_verification(tmp_path):
    done = check(
        SPLIT, "--max-drop", "0.2", "--max-gap", "0.2", "--threads", "1", "--seeds", "2", "--json", cwd=tmp_path
    )
    assert done.returncode == 1
    figures = json.loads(done.stdout)["results"][0]["figures"]
    assert all(drop > 0.25 for drop in figures["fair_drop"])
    assert figures["gap"] == pytest.approx(
        [
            holdout - test
            for holdout, test in zip(figures["train_holdout_accuracy"], figures["test_accuracy"], strict=True)
        ]
    )


def tamper(path: Path, how: str) -> None:
    """Spoil an index file."""
    table = pq.read_table(path)
    frame, metadata = table.to_pandas(), dict(table.schema.metadata)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
        return
    if how == "overlapping":
        frame.loc[1, "index"] = 0
    elif how == "tampered":
        frame.loc[3, "split"] = "tset"
    elif how == "foreign":
        metadata[b"splitgen"] = metadata[b"splitgen"].replace(b"sha256:", b"sha256:0")
    frame.to_parquet(path)
    spoiled = pq.read_table(path).replace_schema_metadata(metadata)
    pq.write_table(spoiled, path)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "is not a Parquet file, or it is cut short"),
        ("overlapping", "row 0 stands twice"),
        ("tampered", "unknown part 'tset'"),
        ("foreign", "fingerprint sha256:0"),
    ],
)
def test_a_split_that_cannot_be_judged_is_exit_code_3_and_one_line(tmp_path, how, message):
    path = tmp_path / "split.parquet"
    shutil.copy(SPLIT, path)
    tamper(path, how)
    done = check("split.parquet", "--fail-under", "0.1", "--threads", "1", cwd=tmp_path, COLUMNS="300")
    assert done.returncode == 3
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("  error")]
    assert message in line
    assert "Traceback" not in done.stderr


def test_one_bad_split_does_not_keep_the_others_from_being_judged(predictions, tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.splitgen.check]\nsplits = ["{SPLIT}", "gone.parquet"]\nmodels = ["conv"]\nfail_under = 0.1\nseeds = 2\n'
    )
    done = check("--threads", "1", "--epochs", "2", cwd=tmp_path)
    assert done.returncode == 3
    assert "passed  test_accuracy" in done.stdout
    assert "gone.parquet" in done.stdout


@pytest.mark.parametrize(
    ("args", "table", "message"),
    [
        ((), "", "no split given"),
        ((SPLIT,), "", "no threshold given"),
        ((SPLIT, "--fail-under", "60"), "", "must be a fraction"),
        ((SPLIT, SPLIT, "--fail-under", "0.6", "--predictions", "p.csv"), "", "one model on one split"),
        ((SPLIT,), "fail_unter = 0.6", "unknown setting 'fail_unter'"),
        ((SPLIT,), 'models = "conv"\nfail_under = 0.6', "models must be a list of texts"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_line(tmp_path, args, table, message):
    (tmp_path / "pyproject.toml").write_text(f"[tool.splitgen.check]\n{table}\n")
    done = check(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"index": [0, 0], "prediction": [1, 1]}, "row 0 stands twice"),
        ({"index": [5000], "prediction": [1]}, "no row 5000"),
        ({"index": [0], "prediction": [11]}, "prediction 11 is no class"),
        ({"index": [0], "prediction": ["seven"]}, "no class numbers"),
        ({"index": [0], "guess": [1]}, "its columns are index, guess"),
        ({"index": [0], "prediction": [1]}, "898 of 898 test rows have no prediction|897 of 898"),
    ],
)
def test_predictions_that_do_not_serve_are_exit_code_3(tmp_path, frame, message):
    pd.DataFrame(frame).to_csv(tmp_path / "p.csv", index=False)
    done = check(SPLIT, "--predictions", "p.csv", "--fail-under", "0.1", cwd=tmp_path, COLUMNS="300")
    assert done.returncode == 3
    assert any(part in done.stdout for part in message.split("|"))


@pytest.mark.parametrize(("content", "message"), [(None, "cannot be read"), ("[]", "holds no earlier result")])
def test_a_baseline_that_cannot_be_read_is_exit_code_3_and_one_line(predictions, tmp_path, content, message):
    if content is not None:
        (tmp_path / "before.json").write_text(content)
    done = check(SPLIT, "--predictions", predictions, "--baseline", "before.json", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert message in done.stderr


def test_a_model_of_the_user_that_breaks_in_training_is_exit_code_3_and_no_failed_threshold(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Linear):\n"
        "    def forward(self, images):\n"
        "        if len(images) > 3: raise ValueError('too many images')\n"
        "        return super().forward(images.flatten(1))\n"
        "def build(n_classes, in_channels): return Net(64, n_classes)\n"
    )
    common = ("--fail-under", "0.1", "--threads", "1", "--seeds", "2")
    done = check(SPLIT, "--model", "mine:build", *common, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "ValueError: too many images" in done.stdout


def test_an_earlier_result_is_a_baseline(split, predictions, tmp_path):
    common = (SPLIT, "--predictions", predictions)
    assert check(*common, "--fail-under", "0.1", "--out", "before.json", cwd=tmp_path).returncode == 0
    assert check(*common, "--baseline", "before.json", cwd=tmp_path).returncode == 0
    worse = tmp_path / predictions.name
    test = split.indices("test")
    pd.DataFrame({"index": test, "prediction": np.where(np.arange(len(test)) % 5, split.targets[test], 0)}).to_parquet(
        worse
    )
    done = check(SPLIT, "--predictions", worse, "--baseline", "before.json", cwd=tmp_path)
    assert done.returncode == 1
    assert "FAILED  test_accuracy" in done.stdout


@pytest.mark.parametrize(("name", "code"), [("neighbours", 0), ("logistic", 1)])
def test_the_example_project_passes_for_one_model_and_fails_for_the_other(tmp_path, name, code):
    shutil.copytree(EXAMPLE, tmp_path / "project")
    subprocess.run([sys.executable, "predict.py", name], cwd=tmp_path / "project", check=True)
    done = check(cwd=tmp_path / "project")
    assert done.returncode == code, done.stdout
    assert (tmp_path / "project" / "robustness.xml").is_file()


def test_the_example_project_passes_in_pytest_with_the_plugin(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "project")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path / "project", capture_output=True, text=True, check=False)
    assert "1 passed, 1 xfailed" in done.stdout, done.stdout


def run_action(folder: Path, splits: str, arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script of the GitHub action, as the runner calls it."""
    yaml = pytest.importorskip("yaml")
    action = Path(__file__).parents[2] / ".github" / "actions" / "splitgen-check" / "action.yml"
    (step,) = yaml.safe_load(action.read_text())["runs"]["steps"]
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SPLITS": splits,
        "ARGUMENTS": arguments,
        "JUNIT": "junit.xml",
        "HERE": str(action.parent),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **environment,
    }
    command = ["bash", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("bound", "code"), [("0.5", 0), ("0.99", 1)])
def test_the_github_action_passes_on_the_exit_code_and_writes_the_summary(predictions, tmp_path, bound, code):
    done = run_action(tmp_path, str(SPLIT), f"--predictions {predictions} --fail-under {bound}")
    assert done.returncode == code, done.stderr
    assert (tmp_path / "output").read_text() == f"exit-code={code}\n"
    assert "splitgen check: " in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "junit.xml").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        "--predictions {p}\n--fail-under 0.5\n--fail-under-class 0.99",
        "--predictions {p}\n\n  --fail-under 0.5\r\n\t--fail-under-class 0.99\n\n",
        "--predictions {p} --fail-under 0.5 --fail-under-class 0.99",
    ],
    ids=["lines", "lines with spaces, tabs and empty ones", "one line"],
)
def test_the_github_action_reads_every_line_of_its_arguments(predictions, tmp_path, arguments):
    done = run_action(tmp_path, f"\n{SPLIT}\n", arguments.format(p=predictions).replace("\r", ""))
    assert done.returncode == 1, done.stderr
    assert "passed  test_accuracy" in done.stdout
    assert "FAILED  worst_class_accuracy" in done.stdout


def test_the_github_action_reads_every_line_of_its_splits(tmp_path):
    for name in ("first", "second", "third"):
        shutil.copy(SPLIT, tmp_path / f"{name}.parquet")
    done = run_action(tmp_path, "first.parquet\nsecond.parquet third.parquet\ngone.parquet\n", FAST)
    assert done.returncode == 3, done.stderr
    for name in ("first", "second", "third"):
        assert f"{name}.parquet, mlp; worst class" in done.stdout
    assert "'gone.parquet': cannot be read" in done.stdout
    assert (tmp_path / "output").read_text() == "exit-code=3\n"


def test_an_installation_that_fails_in_the_github_action_is_no_failed_threshold(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "pip").chmod(0o755)
    done = run_action(tmp_path, str(SPLIT), "--fail-under 0", PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert done.returncode == 3
    assert (tmp_path / "output").read_text() == "exit-code=3\n"


def test_names_in_the_step_summary_are_text_and_nothing_else(predictions, tmp_path):
    name = "@team ![x](http:evil) <img> |`*_~ www.evil.com #1 :x: \n::error::.parquet"
    shutil.copy(SPLIT, tmp_path / name)
    done = check(
        *(name, "--predictions", predictions, "--fail-under", "0.5"),
        cwd=tmp_path,
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
        COLUMNS="30",
    )
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stdout.splitlines() if line.startswith("::")]
    (row,) = [line for line in (tmp_path / "summary.md").read_text().splitlines() if "passed |" in line]
    cell = row.split("|")[1].strip()
    assert cell.startswith("<code>")
    assert cell.endswith("</code>")
    inside = cell.removeprefix("<code>").removesuffix("</code>")
    assert html.unescape(inside) == name.replace("\n", "\\n")
    assert not [sign for sign in ("www.", " #1", *"@![]<>`*_~:") if sign in inside]


def test_a_failed_assertion_tells_every_figure(split):
    test = split.indices("test")
    wrong = np.where(np.arange(len(test)) % 4, split.targets[test], (split.targets[test] + 1) % 10)
    with pytest.raises(AssertionError, match="not robust on this split") as caught:
        splitgen.assert_robust(split, wrong, fail_under=0.9)
    assert "test_accuracy 0.749, must be >= 0.900" in str(caught.value)
    assert "worst class: " in str(caught.value)
    everywhere = np.full(split.n_points, 0)
    everywhere[test] = split.targets[test]
    assert splitgen.assert_robust(split, everywhere, fail_under=1.0).means["test_accuracy"] == 1.0


def test_an_assertion_that_cannot_be_made_is_an_error(split, digits):
    with pytest.raises(SettingError, match="give a threshold"):
        splitgen.assert_robust(split, split.targets)
    with pytest.raises(SettingError, match="give predictions, or a model"):
        splitgen.assert_robust(split, fail_under=0.5)
    with pytest.raises(SettingError, match="thresholds are fail_under"):
        splitgen.assert_robust(split, split.targets, fail_over=0.5)
    with pytest.raises(PredictionsError, match="the split has 898 test rows of 1797"):
        splitgen.assert_robust(split, [1, 2, 3], fail_under=0.5)
