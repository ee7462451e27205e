"""Tasks in the tangent space of the model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import fault, least_faults, positive_faults
from splitgen.settings.fields import by_size, described, setting
from splitgen.settings.presets import FEW_POINTS, TANGENT_STARTS
from splitgen.settings.stages.training import TrainingConfig

LEAST_RIDGE = 0.01  # below it, single precision does not solve the regression


@described
@dataclass(frozen=True)
class TangentConfig:
    """New tasks for few datapoints, refined where a network is linear in its weights and the target's training is a
    ridge regression (docs/method.md, section 4); tests/benchmarks/refinement.md has what that gained.

    What is None, `for_points` fills in.
    """

    starts: int | None = setting(
        None,
        "how many tasks begin, at random; 0 leaves them out, as `[refinement] meta_steps` of 0 does",
        by_size(TANGENT_STARTS, FEW_POINTS, "datapoints"),
    )
    steps: tuple[int, ...] = setting((60, 100, 200), "of each round; the better tasks go on to the next")
    rows: tuple[int, ...] = setting((300, 450, 600), "that a step trains and judges the target on, in each round")
    keep: tuple[int, ...] = setting((4, 4), "tasks that go on after each round but the last")
    networks: int = setting(4, "how many have a tangent space each, of which all together make one")
    dim: int = setting(2048, "random projections of the networks' gradients in all, in which a task is linear")
    epochs: int = setting(2, "of each network's training on the target, before it is taken as linear")
    learning_rate: float = setting(0.3, "of a task's weights")
    ridge: float = setting(0.1, "penalty of the ridge regression, where a row's own kernel value is 1")

    def faults(self) -> Iterator[str]:
        yield from positive_faults(self, "networks", "epochs", "learning_rate")
        yield from least_faults(self, max(1, self.networks), "dim", prefix="tangent ")
        yield from least_faults(self, 0, "starts", prefix="tangent ")
        yield from least_faults(self, LEAST_RIDGE, "ridge", prefix="tangent ")
        for name in ("steps", "rows", "keep"):
            if any(value < 1 for value in getattr(self, name)):
                yield fault(f"tangent {name}", list(getattr(self, name)), "1 or more each")
        if not (len(self.steps) == len(self.rows) == len(self.keep) + 1):
            yield "tangent steps and rows need one number a round, and keep one fewer"

    def for_points(self, n_points: int) -> TangentConfig:
        """The same settings with the starts filled in for a dataset of that many datapoints: with their square the
        kernel grows."""
        few, many = TANGENT_STARTS
        starts = (few if n_points < FEW_POINTS else many) if self.starts is None else self.starts
        return dataclasses.replace(self, starts=starts)

    def shorten(self, recipe: TrainingConfig) -> TrainingConfig:
        """The recipe of a network's training."""
        return dataclasses.replace(recipe.for_trials(), epochs=self.epochs)

    def share_dim(self) -> list[int]:
        """Projections of each network's gradients."""
        return [(self.dim + which) // self.networks for which in range(self.networks)]

    def count_running(self) -> list[int]:
        """Tasks in each round."""
        counts = [self.starts or 0]
        for keep in self.keep:
            counts.append(min(keep, counts[-1]))
        return counts
