"""What a way to find tasks is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from splitgen.models.bench import Bench
from splitgen.settings.stages import DiscoveryConfig
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.objectives.agreement import MetaStep


@dataclass(frozen=True)
class WayRequest:
    """Settings of all ways; each looks at its own.

    discovery: of the ways that have meta-steps, budget_seconds their time, on_step called after each.
    train_fraction: of all rows, for ways that give a partition. labels: the user's own table, for "given".
    """

    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)
    train_fraction: float = 0.5
    labels: Path | None = None
    budget_seconds: float | None = None
    on_step: Callable[[MetaStep], None] | None = None


Way = Callable[[Bench, WayRequest], FoundTasks]
