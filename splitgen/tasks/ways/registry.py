"""All ways to find tasks, by name. `compare` and `make --tasks-from` run over this dict: add a way by a function and a
line here, or, from another package, by an entry of the dict."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from splitgen.errors import SettingError
from splitgen.models.bench import Bench
from splitgen.splits.provenance import DISCOVERED
from splitgen.tasks.discovery import discover_tasks
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.ways import baselines
from splitgen.tasks.ways.given import given_tasks
from splitgen.tasks.ways.request import Way, WayRequest

IMAGE_STATISTICS = "image statistics"
GIVEN = "given"


def discovered(bench: Bench, request: WayRequest) -> FoundTasks:
    """Tasks on which networks of the model that finds tasks agree, by the meta loop."""
    return discover_tasks(bench, request.discovery, budget_seconds=request.budget_seconds, on_step=request.on_step)


WAYS: dict[str, Way] = {
    "random": baselines.random_margins,
    "untrained network": baselines.untrained_network,
    "principal components": baselines.principal_components,
    IMAGE_STATISTICS: baselines.image_statistics,
    "clusters within class": baselines.clusters_within_class,
    "highest loss": baselines.highest_loss,
    DISCOVERED: discovered,
    GIVEN: given_tasks,
}
if importlib.util.find_spec("splytters") is not None:
    WAYS["splytters distance"] = baselines.splytters_distance
    WAYS["splytters minority grow"] = baselines.splytters_minority_grow


def find_way(name: str) -> str:
    """The name of a way as `WAYS` has it; hyphens stand for spaces, and the beginning is enough where it is one way's
    alone. Raises `SettingError`."""
    wanted = name.strip().lower().replace("-", " ").replace("_", " ")
    found = [wanted] if wanted in WAYS else [way for way in WAYS if wanted and way.startswith(wanted)]
    if len(found) != 1:
        known = ", ".join(way.replace(" ", "-") for way in WAYS)
        raise SettingError(f"tasks_from must be one of {known}, got {name!r}")
    return found[0]


def choose_way(tasks_from: str | None, labels: Path | None) -> str:
    """The way that a user asks for: by name, by a table of tasks, or discovery. Raises `SettingError` for an unknown
    name, and where the table and its use do not go together."""
    way = (DISCOVERED if labels is None else GIVEN) if tasks_from is None else find_way(tasks_from)
    if (way == GIVEN) != (labels is not None):
        raise SettingError("--labels FILE and --tasks-from given go together: the table of tasks, and its use")
    return way
