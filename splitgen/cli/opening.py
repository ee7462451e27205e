"""A new run: from what the command line gave to an opened dataset, a model and an out folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from splitgen.cli.options import check_repeats, choose_settings, parse_budget, pick_device
from splitgen.cli.output import check_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from splitgen.data.dataset import ImageDataset
    from splitgen.models.bench import Bench
    from splitgen.runs.run import Run
    from splitgen.settings.stages import RunConfig
    from splitgen.store.replay import Replay

    CheckMore = Callable[[Bench, RunConfig], object]


def read_replay(command: str, given: dict[str, Any]) -> Replay | None:
    """The run that is to be repeated, if one is. Raises `SettingError` for what would make it another run."""
    if given.get("replay") is None:
        return None
    from splitgen.store.replay import recall_replay

    check_repeats(given)
    return recall_replay(given["replay"], command)


def check_discovery_first(check_more: CheckMore | None, finds_tasks: bool) -> CheckMore:
    """What else is checked before the work, after a frozen trunk and, where tasks are found, labellings to avoid."""

    def check(bench: Bench, config: RunConfig) -> None:
        from splitgen.tasks.columns import read_avoided
        from splitgen.tasks.trunks import check_trunk

        check_trunk(bench, config.discovery)
        if finds_tasks and config.discovery.avoid_columns is not None:
            read_avoided(bench.dataset, config.discovery.avoid_columns)
        if check_more is not None:
            check_more(bench, config)

    return check


def open_new_run(
    command: str,
    given: dict[str, Any],
    below: dict[str, Any] | None = None,
    default_out: bool = True,
    check_more: CheckMore | None = None,
    dataset: ImageDataset | None = None,
    files: dict[str, Path] | None = None,
    more: dict[str, Any] | None = None,
) -> Run:
    """Settings from file and command line, checked; then dataset, model, what `check_more` reads, and out folder.

    dataset: that of the settings, where it is open already. files: those that the result depends on, by name, and
        more: values that it does, beside what all runs have.
    """
    from splitgen.claims import check_unclaimed

    if given["out"] is not None:
        check_unclaimed(given["out"])  # before what takes seconds to load
    from splitgen.models.registry import choose_model, start_model
    from splitgen.runs.folder import DEFAULT_PARENT
    from splitgen.runs.run import open_run
    from splitgen.screen.console import Screen, tell_unknown
    from splitgen.splits.provenance import DISCOVERED
    from splitgen.tasks.ways.registry import choose_way

    replay = read_replay(command, given)
    chosen = choose_settings(given, below if replay is None else replay.settings)
    config = chosen.config
    threads = given["threads"] if replay is None or given["threads"] is not None else replay.threads
    device = pick_device(given["device"], threads)
    screen = Screen(given["quiet"], given["as_json"])
    tell_unknown(screen, chosen.unknown)
    named_model = choose_model(config.model, is_named="model" in chosen.named)
    model = start_model(named_model, config.weights, config.freeze)
    finder = None
    if config.discovery_model is not None and "discovery_model" in given:  # else the command finds no tasks
        is_named = "discovery_model" in chosen.named
        finder = choose_model(config.discovery_model, is_named=is_named, option="--discovery-model")
    if "trunk" in given:
        if config.discovery.trunk is not None:
            choose_model(config.discovery.trunk, is_named="discovery.trunk" in chosen.named, option="--trunk")
        check_more = check_discovery_first(check_more, "avoid_columns" in given)
    if given["out"] is not None or default_out:
        check_folder(given["out"] or DEFAULT_PARENT)
    labels = given.get("labels")
    named = given.get("tasks_from") or (None if replay is None else replay.way)
    way = choose_way(named, labels) if "tasks_from" in given else DISCOVERED
    return open_run(
        config,
        model,
        screen,
        device,
        given["out"],
        command,
        way=way,
        labels=labels,
        budget_seconds=parse_budget(given.get("budget")),
        verify_seconds=parse_budget(given.get("verify_budget"), "verify-budget"),
        default_out=default_out,
        discovery_model=finder,
        check_more=check_more,
        dataset=dataset,
        chosen=None if replay is None else replay.chosen,
        resume=given.get("resume", False),
        command_line=given.get("command_line") or ["splitgen", *sys.argv[1:]],
        files=files,
        more=more,
    )
