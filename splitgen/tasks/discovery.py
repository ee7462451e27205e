"""Task discovery: move an encoder until two networks trained on its tasks agree (docs/method.md, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from splitgen.models.bench import Bench
from splitgen.random import seed_global, stream_generator, stream_seed
from splitgen.settings.stages import DiscoveryConfig
from splitgen.settings.stop import Stop
from splitgen.tasks.encoder import build_encoder, copy_state
from splitgen.tasks.found import FoundTasks
from splitgen.tasks.meta import init_task, run_steps, snapshot_margins, take_up
from splitgen.tasks.objectives.registry import OBJECTIVES
from splitgen.tasks.problem import pose_problem


def discover_tasks(
    bench: Bench,
    config: DiscoveryConfig | None = None,
    *,
    budget_seconds: float | None = None,
    on_step: Callable[[Any], None] | None = None,
    objective: str = "agreement",
) -> FoundTasks:
    """Find `config.n_tasks` tasks on which two networks of the target architecture agree.

    budget_seconds: stop after this time, or after `config.meta_steps` where they are given and come first.
    on_step: called after each meta-step with what it measured; the bench's keeper has those of an earlier process, from
        where it goes on. objective: a name of `OBJECTIVES`.
    Raises `SettingError` for settings out of range, `ModelError` for a model that cannot be built.
    """
    problem = pose_problem(bench, config, is_timed=budget_seconds is not None)
    config = problem.discovery
    with seed_global(stream_seed(bench.seed, "encoder")):
        encoder = build_encoder(bench, config)
    generator = stream_generator(bench.seed, "discovery")
    task = init_task(OBJECTIVES[objective](problem, None), encoder, config.encoder_learning_rate, generator)

    def tell(steps: list[Any]) -> None:
        if on_step is not None:
            on_step(steps[0])

    slot, stop = bench.keeper.slot("discovery"), Stop(config.meta_steps, budget_seconds)
    kept = take_up([task], slot)
    stopped_by = kept.stopped_by or run_steps(
        bench, problem.discovery_loop, [task], stop, tell, slot=slot, elapsed=kept.elapsed
    )
    margins, average = snapshot_margins(bench, task)
    return FoundTasks("discovered", margins, tuple(task.history), stopped_by, copy_state(average))
