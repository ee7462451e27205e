"""A run that is killed goes on by the same command, and ends in the same bytes and figures."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from commands import Command, run_command

from splitgen.store import states

SMALL = """
model = "mlp"
seed = 4
[training]
epochs = 2
[discovery]
meta_steps = 4
inner_steps = 5
n_tasks = 2
dim = 3
[refinement]
meta_steps = 5
inner_steps = 5
first_round = 2
candidates = 2
new_tasks = 1
[agreement]
epochs = 2
max_rows = 200
[search]
max_trained = 4
rows = [80, 120]
keep = [2]
[tangent]
starts = 3
steps = [2, 3]
rows = [40, 60]
keep = [2]
[sharpening]
rounds = 2
[verification]
seeds = 2
"""
CLOCKED = {"seconds", "seconds_before", "resumed", "foretold_seconds", "peak_memory_bytes", "command_line"}
CLOCKED |= {"elapsed_seconds", "cpu_seconds"}
EVERY = 5  # batches and meta-steps between two states


def drop_clocked(value):
    if isinstance(value, dict):
        return {name: drop_clocked(each) for name, each in value.items() if name not in CLOCKED}
    return [drop_clocked(each) for each in value] if isinstance(value, list) else value


def read_figures(folder: Path):
    return drop_clocked(json.loads((folder / "run.json").read_text()))


def read_bytes(folder: Path):
    kept = (path for path in folder.rglob("*") if path.suffix in (".parquet", ".safetensors"))
    return {path.name: path.read_bytes() for path in kept if path.name != "comparison.parquet"}


def write_inputs(folder, few_digits):
    """A few digits, and small settings."""
    shutil.copy(few_digits, folder / "few.npz")
    (folder / "small.toml").write_text(SMALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory, few_digits):
    folder = tmp_path_factory.mktemp("runs")
    write_inputs(folder, few_digits)
    return folder


@pytest.fixture(scope="module")
def run(place):
    """A command in that folder, which went well."""

    def run(*command, **environment):
        done = run_command(*command, "--quiet", cwd=place, **environment)
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def made(place, run):
    run("make", "npz:few.npz", "--config", "small.toml", "--out", "made")
    return place / "made"


@pytest.fixture
def kill_at(monkeypatch):
    """Have the commands that are begun from now on killed when they write a state for the nth time."""

    def arm(n_written, number=signal.SIGKILL):
        written, offered, write = itertools.count(1), itertools.count(1), states.write_state

        def write_or_die(state, path):
            if next(written) == n_written:
                os.kill(os.getpid(), number)
            write(state, path)

        monkeypatch.setattr(states, "write_state", write_or_die)
        monkeypatch.setattr(states.Spacing, "is_due", property(lambda spacing: next(offered) % EVERY == 0))

    yield arm
    monkeypatch.undo()


COMMANDS = {
    "split": ("split", "made", "--target", "0,1,2", "--config", "small.toml"),
    "verify": ("verify", "made", "--seeds", "3", "--model", "mlp", "--model", "linear"),
    "agreement": ("agreement", "npz:few.npz", "--tasks", "made", "--config", "small.toml"),
    "compare": ("compare", "npz:few.npz", "--config", "small.toml", "--split", "made"),
}


@pytest.mark.parametrize("moment", [2, 8, 16, 50])
def test_a_make_that_is_killed_goes_on_to_the_same_bytes(moment, made, place, run, kill_at, monkeypatch):
    command = ("make", "npz:few.npz", "--config", "small.toml", "--out", f"killed-{moment}")
    kill_at(moment)
    assert run_command(*command, "--quiet", cwd=place).returncode == -signal.SIGKILL
    assert not (place / f"killed-{moment}/split.parquet").exists()
    monkeypatch.undo()
    run(*command)
    assert read_bytes(place / f"killed-{moment}") == read_bytes(made)
    assert read_figures(place / f"killed-{moment}") == read_figures(made)
    assert {path.name for path in (place / f"killed-{moment}").iterdir()} == {path.name for path in made.iterdir()}


def test_a_make_that_is_killed_again_and_again_comes_to_its_end(made, place, kill_at):
    command, codes = ("make", "npz:few.npz", "--config", "small.toml", "--quiet", "--out", "often"), []
    kill_at(12)  # of each process
    while (done := run_command(*command, cwd=place)).returncode == -signal.SIGKILL:
        codes.append(done.returncode)
        assert len(codes) < 40
    assert done.returncode == 0, done.stderr
    assert len(codes) > 3
    assert read_bytes(place / "often") == read_bytes(made)
    assert json.loads((place / "often/run.json").read_text())["resumed"] == len(codes)


@pytest.mark.parametrize("name", COMMANDS)
def test_other_commands_go_on_too(name, made, place, run, kill_at, monkeypatch):
    run(*COMMANDS[name], "--out", f"{name}-whole")
    kill_at(4)
    killed = (*COMMANDS[name], "--out", f"{name}-killed")
    assert run_command(*killed, "--quiet", cwd=place).returncode == -signal.SIGKILL
    monkeypatch.undo()
    run(*killed)
    assert read_bytes(place / f"{name}-killed") == read_bytes(place / f"{name}-whole")
    assert read_figures(place / f"{name}-killed") == read_figures(place / f"{name}-whole")
    assert not (place / f"{name}-killed/states").exists()


def test_many_splits_go_on_with_the_one_that_was_killed(made, place, run, kill_at, monkeypatch):
    (place / "targets.toml").write_text('low = "0,1,2"\nhigh = "7,8,9"\n')
    command = ("split", "made", "--targets", "targets.toml", "--config", "small.toml", "--refine-steps", "0")
    run(*command, "--out", "targets-whole")
    kill_at(14, signal.SIGTERM)
    done = run_command(*command, "--out", "targets-killed", "--quiet", cwd=place)
    assert done.returncode == 143
    assert f"go on with it by splitgen {' '.join(command)} --out targets-killed" in done.stderr
    monkeypatch.undo()
    run(*command, "--out", "targets-killed")
    for name in ("low", "high"):
        assert read_bytes(place / "targets-killed" / name) == read_bytes(place / "targets-whole" / name)
    assert read_figures(place / "targets-killed") == read_figures(place / "targets-whole")


def test_what_a_budget_chose_before_the_kill_is_what_the_run_goes_on_with(place, run, kill_at, monkeypatch):
    budgets = ("--budget", "6s", "--verify-budget", "5s")
    command = ("make", "npz:few.npz", "--config", "small.toml", *budgets, "--out", "timed")
    kill_at(14)
    assert run_command(*command, "--quiet", cwd=place).returncode == -signal.SIGKILL
    before = states.read_state(place / "timed/states/decisions.safetensors").told
    monkeypatch.undo()
    run(*command)
    record = json.loads((place / "timed/run.json").read_text())
    assert record["resumed"] == 1
    assert record["seconds_before"] >= before["attempt"]["elapsed"] > -1
    run("make", "npz:few.npz", "--replay", "timed", "--out", "replayed")
    assert read_bytes(place / "replayed") == read_bytes(place / "timed")


def test_a_signal_is_told_how_to_go_on_and_what_was_done_is_kept(made, place, run, kill_at, monkeypatch):
    command = ("make", "npz:few.npz", "--config", "small.toml", "--out", "stopped")
    kill_at(10, signal.SIGTERM)
    assert run_command(*command, "--quiet", cwd=place).returncode == 143
    monkeypatch.undo()
    kill_at(10, signal.SIGHUP)
    assert run_command(*command, "--quiet", cwd=place).returncode == 129
    monkeypatch.undo()
    kill_at(10, signal.SIGINT)
    done = run_command(*command, "--quiet", cwd=place)
    assert done.returncode == 130
    heard, told = done.stderr.splitlines()
    assert heard == "splitgen: stopping, once what is done is kept; a second signal stops at once"
    assert told.startswith("splitgen: stopped; what is done is kept in 'stopped': go on with it by splitgen make npz:")
    monkeypatch.undo()
    run(*command)
    assert read_bytes(place / "stopped") == read_bytes(made)


def test_an_unfinished_folder_is_known_as_such_and_other_arguments_are_refused(made, place, kill_at, monkeypatch):
    command = ("make", "npz:few.npz", "--config", "small.toml", "--out", "unfinished")
    kill_at(10)
    run_command(*command, cwd=place)
    monkeypatch.undo()
    readers = {"show": (), "report": (), "verify": (), "export": ("--to", "indices", "--out", "x")}
    for reader, options in readers.items():
        done = run_command(reader, "unfinished", *options, cwd=place)
        assert done.returncode == 2, reader
        assert "its run of 'make' is not finished; go on with it by splitgen make npz:few.npz" in done.stderr
    done = run_command("check", "unfinished", "--fail-under", "0.5", cwd=place, COLUMNS="300")
    assert done.returncode == 3  # nothing was judged
    assert "its run of 'make' is not finished" in done.stdout
    for other, words in (
        (("--seed", 5), "seed 4 there, 5 here"),
        (("--budget", "9m"), "budget None there, 540.0 here"),
    ):
        done = run_command(*command, *other, cwd=place)
        assert done.returncode == 2
        assert f"an unfinished run of other arguments ({words}" in done.stderr
    done = run_command("discover", *command[1:], cwd=place)
    assert "other arguments ('make' there, 'discover' here)" in done.stderr
    done = run_command("make", "npz:few.npz", "--config", "small.toml", "--out", "made", cwd=place)
    assert "it holds another run, which is whole" in done.stderr


def test_without_an_out_folder_the_newest_unfinished_run_of_the_same_arguments_is_offered(
    made, tmp_path, few_digits, kill_at, monkeypatch
):
    write_inputs(tmp_path, few_digits)
    command = ("make", "npz:few.npz", "--config", "small.toml")
    assert "no unfinished run of these arguments" in run_command(*command, "--resume", cwd=tmp_path).stderr
    kill_at(12)
    for seed in (4, 4, 5):
        run_command(*command, "--seed", seed, cwd=tmp_path)
    offered = run_command(*command, cwd=tmp_path)
    assert "few-002 holds an unfinished run of the same arguments: --resume goes on" in offered.stderr.replace("\n", "")
    monkeypatch.undo()
    done = run_command(*command, "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "going on with the run in splitgen-runs/few-004" in done.stderr
    assert read_bytes(tmp_path / "splitgen-runs/few-004") == read_bytes(made)


def test_of_two_runs_on_one_folder_the_second_is_refused_until_the_first_is_dead(made, place, run):
    command = ("make", "npz:few.npz", "--config", "small.toml", "--out", "shared")
    first = Command(*command, cwd=place)
    while not (place / "shared/states/run.json").exists():
        assert first.process.is_alive()
    second = run_command(*command, cwd=place)
    first.process.kill()
    assert first.wait().returncode == -signal.SIGKILL
    assert second.returncode == 2
    assert "another run writes into it" in second.stderr
    run(*command)
    assert read_bytes(place / "shared") == read_bytes(made)
