"""The command as a user runs it: `make` on digits in a process of its own, and each bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import Done, run_command
from PIL import Image

from splitgen import cli, read_split, read_tasks

QUICK = ["--threads", "1", "--config", Path(__file__).parents[1] / "quick.toml"]
SMALL = [*QUICK, "--meta-steps", "3", "--refine-steps", "2", "--seeds", "2", "--epochs", "8"]


def splitgen_alone(*args: object, cwd: Path | None = None) -> Done:
    """The command in a new interpreter, with its own seed of hashes."""
    command = [sys.executable, "-m", "splitgen", *map(str, args)]
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "digits"
    done = run_command("make", "--out", out, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "verdict:" in done.stdout
    return out


def test_make_on_digits_writes_the_run_folder_with_every_figure(run_folder):
    files = {"split.parquet", "tasks.parquet", "run.json", "report.html", "checkpoint"}
    assert {path.name for path in run_folder.iterdir()} == files
    split = read_split(run_folder / "split.parquet")
    assert split.counts() == {"train": 899, "validation": 0, "test": 898, "reserve": 0}
    figures = split.metadata["verification"]["figures"]
    assert {"train_holdout_accuracy", "test_accuracy", "random_accuracy", "recoverable_accuracy"} <= set(figures)
    assert figures["fair_drop"]["mean"] == pytest.approx(
        figures["recoverable_accuracy"]["mean"] - figures["test_accuracy"]["mean"]
    )
    record = json.loads((run_folder / "run.json").read_text())
    assert record["verification"]["figures"] == figures
    assert record["discovery"]["meta_steps"] == 3
    assert record["refinement_steps"] == split.metadata["refinement_steps"] == 2
    assert [len(task["history"]) for task in record["refinement"]] == [2, 2]
    assert read_tasks(run_folder).metadata["agreement"][0]["task"] == "task 0"


def test_even_a_few_meta_steps_make_the_model_fail_on_test_but_not_under_the_control(run_folder):
    figures = read_split(run_folder / "split.parquet").metadata["verification"]["figures"]
    assert figures["recoverable_accuracy"]["mean"] - figures["test_accuracy"]["mean"] > 0.05


def test_a_split_goes_out_and_comes_back_as_the_same_rows(run_folder, tmp_path):
    done = run_command("export", run_folder, "--to", "csv", "--out", tmp_path / "split.csv")
    assert done.returncode == 0, done.stderr
    done = run_command("import", tmp_path / "split.csv", "digits", "--out", tmp_path / "back.parquet")
    assert done.returncode == 0, done.stderr
    split, back = read_split(run_folder / "split.parquet"), read_split(tmp_path / "back.parquet")
    assert np.array_equal(split.parts, back.parts)
    assert "imported" in run_command("show", tmp_path / "back.parquet").stdout
    judged = run_command("verify", tmp_path / "back.parquet", "--threads", "1", "--seeds", "2", "--epochs", "2")
    assert "verdict:" in judged.stdout, judged.stderr


def test_an_attribute_of_the_metadata_is_exported(run_folder, tmp_path):
    pd.DataFrame({"id": range(1797), "site": np.arange(1797) % 3}).to_csv(tmp_path / "sites.csv", index=False)
    common = ("export", run_folder, "--to", "wilds", "--out", tmp_path / "metadata.csv")
    done = run_command(*common, "--metadata", tmp_path / "sites.csv", "--attribute-column", "site")
    assert done.returncode == 0, done.stderr
    assert pd.read_csv(tmp_path / "metadata.csv")["attribute"].tolist() == (np.arange(1797) % 3).tolist()
    done = run_command(*common, "--attribute-column", "site")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_the_same_seed_gives_the_same_bytes(tmp_path, few_digits):
    few = ["--meta-steps", "2", "--refine-steps", "1", "--seeds", "2", "--epochs", "2", "--quiet"]
    for name in ("first", "second"):
        done = splitgen_alone("make", f"npz:{few_digits}", "--out", tmp_path / name, *QUICK, *few)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    first, second = (tmp_path / name / "split.parquet" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_split_makes_another_split_of_saved_tasks_and_show_prints_it(run_folder, tmp_path):
    options = ["--target", "0,1,2,3,4", "--test-fraction", "0.2", "--reserve-fraction", "0.3", "--seeds", "2"]
    options += ["--refine-steps", "0", *QUICK]
    done = run_command("split", run_folder, *options, "--epochs", "4", "--out", tmp_path / "other")
    assert done.returncode == 0, done.stderr
    split = read_split(tmp_path / "other" / "split.parquet")
    assert split.counts()["test"] == 359
    assert split.metadata["alignment"] == pytest.approx(1.0, abs=0.01)
    assert set(split.targets[split.labels < 5]) == {1}
    shown = run_command("show", tmp_path / "other")
    assert "target 0,1,2,3,4" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    machine = json.loads(run_command("show", tmp_path / "other", "--json").stdout)
    assert machine["counts"]["test"] == 359


def test_report_is_made_again_with_the_users_columns_and_show_draws_and_tells(run_folder, tmp_path):
    pd.DataFrame({"id": range(1797), "site": np.arange(1797) % 3}).to_csv(tmp_path / "sites.csv", index=False)
    page = tmp_path / "page.html"
    done = run_command("report", run_folder, "--metadata", tmp_path / "sites.csv", "--out", page)
    assert done.returncode == 0, done.stderr
    assert "<td>site</td><td>metadata</td>" in page.read_text()
    assert "<td>site</td>" not in (run_folder / "report.html").read_text()
    shown = run_command("show", run_folder, "--images", tmp_path / "sheets")
    assert "All image statistics together tell the side" in " ".join(shown.stdout.split())
    assert "Agreement score" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert len(list((tmp_path / "sheets").glob("class-*.png"))) == 10
    record = json.loads((run_folder / "run.json").read_text())
    again = record["command_line"]
    assert again[:2] == ["splitgen", "make"]
    assert record["explanations"][0]["sentences"][0] in " ".join(shown.stdout.split())


def test_verify_judges_a_file_with_another_model_and_prints_json(run_folder):
    done = run_command("verify", run_folder, "--model", "mlp", "--seeds", "2", "--epochs", "4", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verification"]["model"] == "mlp"


def test_verify_by_several_models_gives_one_table(run_folder):
    models = ["--model", "mlp", "--model", "conv"]
    done = run_command("verify", run_folder, *models, "--seeds", "2", "--epochs", "4")
    assert done.returncode == 0, done.stderr
    assert "judged by each model from scratch" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    machine = run_command("verify", run_folder, *models, "--seeds", "2", "--epochs", "4", "--json")
    transfer = json.loads(machine.stdout)["transfer"]
    assert [judged["model"] for judged in transfer] == ["mlp", "conv"]
    wrong = run_command("verify", run_folder, "--model", "conv", "--model", "nothing")
    assert wrong.returncode == 2
    assert "nothing" in wrong.stderr


def test_a_second_call_without_out_does_not_collide_and_config_yields_to_the_command_line(tmp_path, monkeypatch):
    (tmp_path / "fast.toml").write_text(
        "seed = 5\n[discovery]\nmeta_steps = 1\ninner_steps = 20\n[agreement]\nepochs = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        done = run_command("discover", "--config", "fast.toml", "--seed", "6")
        assert done.returncode == 0, done.stderr
    folders = sorted((tmp_path / "splitgen-runs").iterdir())
    assert [folder.name for folder in folders] == ["digits-001", "digits-002"]
    config = json.loads((folders[1] / "run.json").read_text())["config"]
    assert (config["seed"], config["discovery"]["meta_steps"]) == (6, 1)


@pytest.fixture(scope="module")
def timed_run(tmp_path_factory) -> Path:
    """Of a budget that is too small for any stage as it is asked for."""
    out = tmp_path_factory.mktemp("timed") / "digits"
    sharpens = out.parent / "sharpens.toml"
    sharpens.write_text(QUICK[-1].read_text().replace("rounds = 0", "rounds = 9"))
    few = ["--threads", "1", "--config", sharpens, "--seeds", "3", "--epochs", "2"]
    done = run_command("make", "--budget", "8s", "--verify-budget", "0.1s", "--out", out, *few)
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stderr.split())
    assert re.search(r"\b[1-8] s of the budget are left|budget of 8 s is short", told)  # opening takes some of the 8
    assert "verification: 2 seeds" in done.stderr
    assert "over 2 seeds instead of 3, for the time that it was given" in " ".join(done.stdout.split())
    return out


def test_what_a_budget_chose_is_recorded_apart_from_what_was_asked_for(timed_run):
    record = json.loads((timed_run / "run.json").read_text())
    asked, chosen = record["config"], record["chosen"]
    assert record["discovery"]["stopped_by"] == "budget"
    assert (asked["discovery"]["meta_steps"], asked["refinement"]["meta_steps"]) == (None, None)
    assert chosen["discovery"]["meta_steps"] == record["discovery"]["meta_steps"] >= 1
    assert chosen["refinement"]["meta_steps"] == record["refinement_steps"] >= 1
    assert asked["sharpening"]["rounds"] == 9 > chosen["sharpening"]["rounds"]
    assert (asked["verification"]["seeds"], chosen["verification"]["seeds"]) == (3, 2)
    split = read_split(timed_run / "split.parquet")
    assert split.metadata["chosen"]["sharpening"] == chosen["sharpening"]
    assert split.metadata["config"]["verification"]["seeds"] == 3  # what another verification of the file goes by


def test_a_replay_repeats_a_budget_to_the_same_bytes(timed_run, tmp_path):
    done = run_command("make", "--replay", timed_run, "--out", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    for name in ("tasks.parquet", "split.parquet", "checkpoint/encoder.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (timed_run / name).read_bytes()
    first, second = (json.loads((out / "run.json").read_text()) for out in (timed_run, tmp_path / "again"))
    assert first["chosen"] == second["chosen"]
    assert first["verification"] == second["verification"]


def test_a_replay_of_a_replay_and_of_discovery_alone_are_the_same_too(timed_run, tmp_path):
    fast = ["--epochs", "1", *QUICK]
    assert run_command("discover", "--budget", "3s", "--out", tmp_path / "timed", *fast).returncode == 0
    for before, after in (("timed", "once"), ("once", "twice")):
        done = run_command("discover", "--replay", tmp_path / before / "run.json", "--out", tmp_path / after)
        assert done.returncode == 0, done.stderr
    first, *others = ((tmp_path / name / "tasks.parquet").read_bytes() for name in ("timed", "once", "twice"))
    assert others == [first, first]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("make", "--budget", "9s"), "leave out --budget"),
        (("make", "--seed", "1", "--refine-steps", "3"), "leave out --seed, --refine-steps"),
        (("discover",), "it is a run of 'make'; repeat it by splitgen make"),
    ],
)
def test_a_replay_takes_no_other_settings_and_no_run_of_another_command(timed_run, command, says, tmp_path):
    done = run_command(*command, "--replay", timed_run, "--out", tmp_path / "x", COLUMNS="400")
    assert done.returncode == 2
    assert says in done.stderr
    assert not (tmp_path / "x").exists()
    done = run_command("make", "--replay", tmp_path)
    assert (done.returncode, "there is no run.json in it" in done.stderr) == (2, True)


def test_a_split_within_a_budget_is_replayed_and_lone_tasks_are_not_refined(run_folder, tmp_path):
    fast = ["--seeds", "2", "--epochs", "1", *QUICK]
    timed = run_command("split", run_folder, "--budget", "3s", "--out", tmp_path / "timed", *fast)
    assert timed.returncode == 0, timed.stderr
    assert json.loads((tmp_path / "timed" / "run.json").read_text())["refinement_steps"] >= 1
    again = run_command("split", run_folder, "--replay", tmp_path / "timed", "--out", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    first, second = ((tmp_path / name / "split.parquet").read_bytes() for name in ("timed", "again"))
    assert first == second

    lone = shutil.copy(run_folder / "tasks.parquet", tmp_path / "lone.parquet")
    done = run_command("split", lone, "--out", tmp_path / "plain", *fast)
    assert done.returncode == 0, done.stderr
    assert "not refined" in done.stderr
    assert not read_split(tmp_path / "plain" / "split.parquet").metadata["refined"]


def test_groups_stay_whole_and_the_split_is_judged_with_them_or_not_at_all(run_folder, tmp_path):
    table = pd.DataFrame({"id": range(1797), "writer": [i // 30 for i in range(1797)]})
    table.to_csv(tmp_path / "attrs.csv", index=False)
    options = ["--metadata", tmp_path / "attrs.csv", "--group-column", "writer"]
    options += ["--refine-steps", "0", "--seeds", "2", "--epochs", "4", *QUICK]
    done = run_command("split", run_folder, *options, "--out", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    assert "60 groups of 'writer' kept whole" in done.stderr
    split = read_split(tmp_path / "whole" / "split.parquet")
    assert (pd.Series(split.parts).groupby(table["writer"]).nunique() == 1).all()
    assert sum(map(abs, split.metadata["groups"]["miss"].values())) <= 60
    known = run_command("verify", tmp_path / "whole", "--seeds", "2", "--epochs", "4")
    assert known.returncode == 0, known.stderr  # run.json knows it
    (tmp_path / "whole" / "run.json").unlink()
    alone = run_command("verify", tmp_path / "whole", "--seeds", "2", "--epochs", "4")
    assert alone.returncode == 2
    assert "give --metadata FILE --group-column writer" in alone.stderr


def write_bad_inputs(folder: Path) -> None:
    """Files that are wrong in one way each."""
    x, y = np.zeros((40, 8, 8), np.float32), np.arange(40) % 2
    x[:, 0, 0] = y
    nan = x.copy()
    nan[3, 0, 0] = np.nan
    np.savez(folder / "nan.npz", x=nan, y=y)
    np.savez(folder / "oneclass.npz", x=x, y=np.zeros(40, int))
    np.savez(folder / "few.npz", x=x, y=np.array([1] * 3 + [0] * 37))
    np.savez(folder / "floats.npz", x=x, y=y + 0.5)
    np.savez(folder / "nox.npz", z=x)
    (folder / "broken.npz").write_text("no archive")
    for name in ("cat", "dog"):
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(np.full((9, 9), i, np.uint8)).save(folder / "photos" / name / f"{i}.png")
    (folder / "photos" / "dog" / "bad.png").write_text("not a picture")
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "run.json").write_text("{}")
    pd.DataFrame({"a": [1]}).to_parquet(folder / "other.parquet")
    pd.DataFrame({"id": range(1797), "site": 0}).to_csv(folder / "attrs.csv", index=False)
    (folder / "bad.toml").write_text("[discovery]\nsteps = 3\ntemperature = 'hot'\n")
    (folder / "list.toml").write_text("[[data]]\ndataset = 'digits'\n")
    (folder / "deep.toml").write_text(f"seed.{'.'.join(['a'] * 5_000)} = 1\n")
    (folder / "date.toml").write_text("seed = 2020-01-01\n")
    (folder / "usermodel.py").write_text("def wrong(n_classes, in_channels):\n    return 3\n")


BAD_INPUTS = [
    (["make", "dogits"], "unknown dataset"),
    (["make", "idx:nowhere"], "does not exist"),
    (["make", "idx:empty"], "no file train-images*"),
    (["make", "folder:nowhere"], "does not exist"),
    (["make", "folder:empty"], "no images"),
    (["make", "folder:photos"], "'dog/bad.png' is text, not an image"),
    (["make", "torchvision:Nothing"], "no such dataset"),
    (["make", "torchvision:MNIST"], "--download"),
    (["make", "npz:missing.npz"], "does not exist"),
    (["make", "npz:broken.npz"], "cannot be read"),
    (["make", "npz:nox.npz"], "lacks the arrays x and y"),
    (["make", "npz:nan.npz"], "NaN or infinite pixels (first: row 3)"),
    (["make", "npz:oneclass.npz"], "one class only"),
    (["make", "npz:few.npz"], "class '1' has 3 rows"),
    (["make", "npz:floats.npz"], "labels must be integers"),
    (["make", "--model", "transformer"], "unknown"),
    (["make", "--model", "torchvision:nothing"], "list_models"),
    (["make", "--model", "usermodel:missing"], "cannot be imported"),
    (["make", "--model", "usermodel:wrong"], "returned int"),
    (["make", "--test-fraction", "1.5"], "test_fraction must be above 0 and below 1"),
    (["make", "--test-fraction", "0.6", "--reserve-fraction", "0.5"], "must leave rows to train on"),
    (["make", "--target", "0,77"], "target names class 77"),
    (["make", "--target", "cats"], "target names class cats, the dataset has the classes 0..9"),
    (["make", "--budget", "soon"], "budget must be a time"),
    (["make", "--device", "tpu"], "device must be one of"),
    (["make", "--seeds", "1"], "seeds must be 2 or more"),
    (["make", "--meta-gradient", "rough"], "meta_gradient must be one of"),
    (["make", "--out", "full"], "holds another run"),
    (["make", "--config", "bad.toml"], "unknown setting 'discovery.steps'"),
    (["make", "--config", "missing.toml"], "cannot be read"),
    (["make", "--config", "list.toml"], "data must be a table, got [{'dataset': 'digits'}]"),
    (["make", "--config", "deep.toml"], "nested too deeply"),
    (["make", "--config", "date.toml"], "seed must be a whole number of at most 64 bits, got 2020-01-01"),
    (["make", "--seed", "99999999999999999999"], "seed must be a whole number of at most 64 bits"),
    (["make", "--resize", "stretch"], "resize must be one of crop, pad, squash, got 'stretch'"),
    (["make", "--group-column", "patient"], "given together with metadata"),
    (["make", "--metadata", "attrs.csv", "--group-column", "patient"], "no column 'patient'; its columns are site"),
    (["split", "empty"], "cannot be read"),
    (["verify", "other.parquet"], "no splitgen metadata"),
    (["show", "missing.parquet"], "cannot be read"),
    (["report", "missing.parquet"], "cannot be read"),
    (["report", "empty"], "it holds no run"),
    (["make", "--metadata", "nowhere.csv"], "cannot be read"),
    (["report", "full", "--out", "nowhere/page.html"], "there is no folder"),
    (["import", "attrs.csv", "--out", "full"], "it is a folder"),
    (["import", "attrs.csv", "--out", "x.parquet", "--format", ""], "unknown format ''"),
    (["make", "--tasks", "0"], "n_tasks must be 1 or more, got 0"),
    (["verify", "other.parquet", "--model", ""], "no splitgen metadata"),
]


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    write_bad_inputs(folder)
    return folder


@pytest.mark.parametrize(("args", "message"), BAD_INPUTS, ids=[" ".join(args) for args, _ in BAD_INPUTS])
def test_bad_input_gets_one_line_and_leaves_nothing(bad_folder, args, message, monkeypatch, capsys):
    monkeypatch.chdir(bad_folder)
    monkeypatch.setattr(sys, "argv", ["splitgen", *args])
    before = list_files(bad_folder)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert message in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert shown.out == ""
    assert list_files(bad_folder) == before


def list_files(folder: Path) -> list[Path]:
    """All but what Python compiled of a user's model."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


def test_bad_input_in_a_process_of_its_own_has_exit_code_2_and_no_traceback(tmp_path):
    done = splitgen_alone("make", "npz:nothing.npz", cwd=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr == "splitgen: dataset 'npz:nothing.npz': the file does not exist; give an .npz file with x and y\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["make", "--help"], ["check", "--help"]])
def test_help_and_version_load_nothing_that_is_slow(arguments):
    code = (
        f"import sys; sys.argv = ['splitgen', *{arguments!r}]\n"
        "from splitgen.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'torchvision', 'numpy', 'pandas', 'pyarrow', 'sklearn', 'scipy', 'matplotlib'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_the_help_names_version_and_every_command():
    assert run_command("--version").stdout.startswith("splitgen 0.")
    named = re.findall(r"^│ (\w+) ", run_command("--help").stdout, flags=re.MULTILINE)
    told = [
        "make",
        "discover",
        "split",
        "verify",
        "agreement",
        "compare",
        "report",
        "show",
        "settings",
        "cache",
        "export",
        "import",
        "check",
    ]
    assert named == told


def test_show_starts_without_torch(run_folder):
    code = (
        f"import sys; sys.argv = ['splitgen', 'show', {str(run_folder)!r}]\n"
        "from splitgen.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
