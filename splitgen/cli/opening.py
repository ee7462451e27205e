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
    from splitgen.runs.stages import without_stop
    from splitgen.screen.console import Screen, tell_unknown
    from splitgen.tasks.ways.registry import DISCOVERED, choose_way

    chosen = choose_settings(given, below)
    config = chosen.config
    if given.get("budget") is not None:
        parse_budget(given["budget"])
        for stage, option in (("discovery", "meta_steps"), ("refinement", "refine_steps")):
            if given.get(option) is None and "meta_steps" not in chosen.from_file.get(stage, {}):
                config = without_stop(config, stage)
    device = pick_device(given["device"], given["threads"])
    screen = Screen(given["quiet"], given["as_json"])
    tell_unknown(screen, chosen.unknown)
    model = choose_model(config.model, is_named=chosen.names_model)
    labels = given.get("labels")
    way = choose_way(given["tasks_from"], labels) if "tasks_from" in given else DISCOVERED
    run = open_run(
        config, model, screen, device, given["out"], command, way=way, labels=labels, default_out=default_out
    )
    run.record["command_line"] = ["splitgen", *sys.argv[1:]]
    return run
