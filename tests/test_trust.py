"""Reading somebody's file runs none of their code: a model that the user did not name is not imported."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import splitgen
from splitgen import cli
from splitgen.errors import ModelError
from splitgen.models.registry import choose_model, is_users_code

SPLIT = Path(__file__).parents[1] / "examples" / "ci_gate" / "splits" / "digits.parquet"
FAST = ["--threads", "1", "--seeds", "2", "--epochs", "1"]
FROM_FILE = "is not run unless you name it"
MARK = "import pathlib\npathlib.Path(__file__).with_name('mark').touch()\n"
BUILD = """
from torch import nn
def build(n_classes, in_channels):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(n_classes))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An index file, a tasks file and a run folder whose metadata names a module that leaves a mark when imported."""
    (tmp_path / "stranger.py").write_text(MARK + BUILD)
    split = splitgen.read_split(SPLIT)
    config = {**split.metadata["config"], "model": "stranger:build"}
    splitgen.write_split(split.with_metadata(config=config), tmp_path / "split.parquet")
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(tmp_path / "split.parquet", run)
    frame = pd.DataFrame({"index": range(split.n_points), "task_0": split.margins})
    metadata = {"tasks_schema_version": 1, "dataset": split.metadata["dataset"], "config": config}
    metadata |= {"agreement": [], "meta_steps": 1}
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table.replace_schema_metadata({b"splitgen": json.dumps(metadata).encode()}), run / "tasks.parquet")
    (run / "run.json").write_text(json.dumps({"config": {**config, "data": {"dataset": "digits"}}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])  # to which the folder is added
    yield tmp_path
    sys.modules.pop("stranger", None)


def call(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["splitgen", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "split.parquet"], 0, "Split of digits"),
        (["show", "run", "--images", "sheets"], 0, "Split of digits"),
        (["report", "run"], 0, "written to"),
        (["export", "split.parquet", "--to", "csv", "--out", "out.csv"], 0, "written to"),
        (["import", "out.jsonl", "digits", "--out", "back.parquet"], 0, "written to"),
        (["compare", "--split", "split.parquet", "--test-fraction", "2"], 2, "test_fraction"),
        (["check", "split.parquet", "--fail-under", "0", *FAST], 3, FROM_FILE),
        (["verify", "split.parquet", *FAST], 2, FROM_FILE),
        (["verify", "run", *FAST], 2, FROM_FILE),
        (["split", "run", *FAST], 2, FROM_FILE),
        (["split", "run/tasks.parquet", *FAST], 2, FROM_FILE),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_no_command_imports_a_model_that_a_file_names(folder, monkeypatch, capsys, arguments, code, words):
    monkeypatch.setenv("COLUMNS", "300")
    splitgen.export_split(splitgen.read_split("split.parquet"), "jsonl", "out.jsonl")
    assert call(monkeypatch, *arguments) == code
    said = capsys.readouterr()
    assert words in said.out + said.err
    assert not (folder / "mark").exists()
    assert "stranger" not in sys.modules


def test_compare_judges_a_file_by_the_users_own_model(folder, monkeypatch, capsys):
    fast = ["--meta-steps", 1, "--refine-steps", 0, "--config", "fast.toml", *FAST]
    (folder / "fast.toml").write_text("[agreement]\nepochs = 1\n[search]\nmax_trained = 1\nrows = [50]\nkeep = []\n")
    assert call(monkeypatch, "compare", "--split", "split.parquet", *fast) == 0
    assert "split.parquet" in capsys.readouterr().out
    assert not (folder / "mark").exists()


@pytest.mark.parametrize("how", ["command line", "TOML file"])
def test_a_model_that_the_user_names_is_imported(folder, monkeypatch, capsys, how):
    (folder / "mine.toml").write_text('model = "stranger:build"\n')
    named = ["--model", "stranger:build"] if how == "command line" else ["--config", "mine.toml"]
    assert call(monkeypatch, "verify", "split.parquet", *named, *FAST) == 0
    assert "Accuracy of stranger:build" in capsys.readouterr().out
    assert (folder / "mark").exists()


def test_built_ins_and_torchvisions_classifiers_are_no_code_of_users():
    for name in ("conv", "resnet18-small", "torchvision:resnet18", "nothing"):
        assert not is_users_code(name)
    for name in ("stranger:build", "os.path:join", "torchvision.models:resnet18"):
        assert is_users_code(name)
        with pytest.raises(ModelError, match="not run unless you name it"):
            choose_model(name, is_named=False)
    with pytest.raises(ModelError, match="unknown"):
        choose_model("nothing", is_named=False)
