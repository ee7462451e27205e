"""Several splits out of one discovery: a run for each target of a file, or for each of its tasks, in one folder."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splitgen.cli.opening import open_new_run
from splitgen.cli.options import parse_budget
from splitgen.errors import SettingError
from splitgen.settings.layers import Settings, read_toml

if TYPE_CHECKING:
    from splitgen.models.bench import Bench
    from splitgen.runs.run import Run
    from splitgen.settings.stages import RunConfig
    from splitgen.tasks.tasks_file import SavedTasks

FOLDER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")  # one that is a name everywhere, and no path


@dataclass(frozen=True)
class Wanted:
    """One of the splits. name: of its folder. target: as `--target` has it. task: the one that it is made of, or None
    for the strongest."""

    name: str
    target: str
    task: int | None = None


def read_targets(path: Path) -> dict[str, str]:
    """Targets by name, of a TOML file with a line `name = "0,1,2"` for each. Raises `SettingError`."""
    found = read_toml(path)
    if not found:
        raise SettingError(f"targets '{path}' names none; give lines such as animals = \"2,3,4\"")
    for name, target in found.items():
        if not FOLDER_NAME.fullmatch(name):
            raise SettingError(f"targets '{path}': {name!r} is no name of a folder; use letters, digits, _, - and .")
        if not isinstance(target, str):
            raise SettingError(f"targets '{path}': {name} must be a text such as \"0,1,2\", got {target!r}")
    if len({name.casefold() for name in found}) < len(found):
        raise SettingError(f"targets '{path}': two names differ in capital letters alone; rename one")
    return found


def list_wanted(targets: dict[str, str], n_tasks: int, each_task: bool) -> list[Wanted]:
    """The splits: one a target, or one for each target and task."""
    if not each_task:
        return [Wanted(name, target) for name, target in targets.items()]
    return [Wanted(f"{name}-task-{k}", target, k) for name, target in targets.items() for k in range(n_tasks)]


def split_several(given: dict[str, Any], below: Settings, tasks: SavedTasks, tasks_path: Path) -> dict[str, Any]:
    """Make and verify all splits, each as `split --target ... --task ...` would by itself; the record of them.

    The budgets are shared evenly. Raises what is wrong with any target before the first is worked on.
    """
    from splitgen.claims import is_whole
    from splitgen.data.target import make_target
    from splitgen.runs import stages
    from splitgen.runs.folder import name_out
    from splitgen.runs.run import close_run
    from splitgen.runs.split import check_tasks
    from splitgen.screen.tables import print_several
    from splitgen.tasks.tasks_file import find_tasks_file

    if given["target"] is not None or given["task"] is not None or given["replay"] is not None:
        raise SettingError("--targets names each target; leave out --target, --task and --replay")
    wanted = list_wanted(read_targets(given["targets"]), tasks.n_tasks, given["each_task"])

    def check_all(bench: Bench, config: RunConfig) -> None:
        check_tasks(bench, config, tasks, tasks_path)
        for each in wanted:
            make_target(bench.dataset, each.target)

    files = {"tasks": find_tasks_file(tasks_path), "targets": given["targets"]}
    whole = open_new_run("split of targets", given, below=below, check_more=check_all, files=files)
    assert whole.out is not None
    with whole.at_work():
        described: list[dict[str, Any]] = []
        whole.record["splits"] = described
        for number, each in enumerate(wanted):
            whole.screen.note(f"-- {each.name}: target {each.target}")
            folder = whole.out / each.name
            if not is_whole(folder):
                shares = whole.keeper.decide(
                    f"budgets of {each.name}", partial(share_budgets, given, whole, number, len(wanted))
                )
                of_one = {**given, **shares, "target": each.target, "task": each.task, "out": folder}
                of_one["command_line"] = name_out(["splitgen", *sys.argv[1:]], whole.out)  # which goes on with all
                run = open_new_run("split", of_one, below=below, dataset=whole.dataset, files=files)
                stages.resplit(run, tasks, tasks_path)
            described.append(describe_one(each, folder))
        print_several(whole.screen, described)
        close_run(whole)
    return whole.record


def share_budgets(given: dict[str, Any], whole: Run, number: int, n_splits: int) -> dict[str, str]:
    """What the split of a number may take: of the budget, as much as each of those after it; of the verification's, as
    much as every other."""
    shares = {}
    if whole.clock.left is not None:
        shares["budget"] = f"{max(1.0, whole.clock.left / (n_splits - number)):.0f}s"
    if (seconds := parse_budget(given["verify_budget"], "verify-budget")) is not None:
        shares["verify_budget"] = f"{max(1.0, seconds / n_splits):.0f}s"
    return shares


def describe_one(wanted: Wanted, folder: Path) -> dict[str, Any]:
    """What the table tells of a split that is made. folder: its own."""
    from splitgen.splits.split import read_split

    metadata = read_split(folder).metadata
    described = metadata["verification"]
    return {
        "name": wanted.name,
        "target": metadata["target"],
        "task": metadata["task_name"],
        **{part: described[f"n_{part}"] for part in ("train", "test")},
        "figures": {name: figure["mean"] for name, figure in described["figures"].items()},
        "is_adversarial": described["is_adversarial"],
    }
