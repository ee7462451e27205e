"""A new run: from what the command line gave to an opened dataset, a model and an out folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from splitgen.cli.options import choose_settings, parse_budget, pick_device

if TYPE_CHECKING:
    from splitgen.runs.run import Run


def open_new_run(
    command: str, given: dict[str, Any], below: dict[str, Any] | None = None, default_out: bool = True
) -> Run:
    """Settings from file and command line, checked; then dataset, model and out folder."""
    from splitgen.models.registry import choose_model
    from splitgen.runs.run import open_run
    from splitgen.screen.console import Screen, tell_unknown
    from splitgen.splits.provenance import DISCOVERED
    from splitgen.tasks.ways.registry import choose_way

    chosen = choose_settings(given, below)
    config = chosen.config
    budget_seconds = parse_budget(given.get("budget"))
    device = pick_device(given["device"], given["threads"])
    screen = Screen(given["quiet"], given["as_json"])
    tell_unknown(screen, chosen.unknown)
    model = choose_model(config.model, is_named=chosen.names_model)
    labels = given.get("labels")
    way = choose_way(given["tasks_from"], labels) if "tasks_from" in given else DISCOVERED
    run = open_run(
        config,
        model,
        screen,
        device,
        given["out"],
        command,
        way=way,
        labels=labels,
        budget_seconds=budget_seconds,
        default_out=default_out,
    )
    run.record["command_line"] = ["splitgen", *sys.argv[1:]]
    return run
