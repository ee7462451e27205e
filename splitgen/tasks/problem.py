"""What discovery and refinement work on: the bench, and the settings, checked and filled in for its images."""

from __future__ import annotations

from dataclasses import dataclass

from splitgen.models.bench import Bench
from splitgen.settings.faults import check
from splitgen.settings.presets import settled
from splitgen.settings.stages import DiscoveryConfig, RefinementConfig, SelectionConfig
from splitgen.tasks.meta import LoopSettings


@dataclass(frozen=True)
class MetaProblem:
    """What objectives are made for. selection: for the sizes of train and test."""

    bench: Bench
    discovery: DiscoveryConfig
    refinement: RefinementConfig
    selection: SelectionConfig

    @property
    def discovery_loop(self) -> LoopSettings:
        config = self.discovery
        return self.choose_loop(settled(config.inner_steps), settled(config.batch_size), config.pool_size)

    @property
    def refinement_loop(self) -> LoopSettings:
        config = self.refinement
        return self.choose_loop(settled(config.inner_steps), config.batch_size, settled(config.pool_size))

    def choose_loop(self, inner_steps: int, batch_size: int, pool_size: int) -> LoopSettings:
        """The settings of the meta loop: those of discovery, with T, B and pool as a stage has them."""
        config = self.discovery
        return LoopSettings(
            inner_steps,
            batch_size,
            pool_size,
            config.held_out_size,
            config.inner_learning_rate,
            config.meta_gradient,
            config.epsilon,
            config.uniformity_weight,
            config.imbalance_weight,
            settled(config.crowding_weight),
            config.crowding_width,
        )


def pose_problem(
    bench: Bench,
    discovery: DiscoveryConfig | None = None,
    refinement: RefinementConfig | None = None,
    selection: SelectionConfig | None = None,
    *,
    is_timed: bool = False,
) -> MetaProblem:
    """The problem of a bench, for the model of it that finds tasks.

    is_timed: a budget of time is a stop, and meta-steps are one only where they are given.
    Raises `SettingError` for settings out of range.
    """
    discovery, refinement = discovery or DiscoveryConfig(), refinement or RefinementConfig()
    selection = selection or SelectionConfig()
    for stage in (discovery, refinement, selection):
        check(stage)
    size = bench.dataset.image_size
    return MetaProblem(
        bench.finder,
        discovery.for_images(size, is_timed=is_timed),
        refinement.for_images(size, is_timed=is_timed),
        selection,
    )
