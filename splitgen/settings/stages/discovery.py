"""Task discovery."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import choice_faults, fault, least_faults, positive_faults
from splitgen.settings.fields import by_size, described, setting
from splitgen.settings.presets import DISCOVERY_DEFAULTS, MAX_TASK_VALUES, fill_defaults


@described
@dataclass(frozen=True)
class DiscoveryConfig:
    """Task discovery (docs/method.md, section 3); the defaults are few strong tasks, which serve a split.

    What is None, `for_images` fills in.
    """

    dim: int | None = setting(
        None,
        "d of the embedding; with d = 1 the uniformity is empty and the class balance keeps a task balanced",
        "as many as tasks, of more than two values twice as many",
        option="--dim",
    )
    n_tasks: int = setting(1, "K, the tasks to discover, at most dim", option="--tasks")
    task_values: int = setting(
        2,
        "V, the values that a task has; of more than two, tasks take two dimensions each, and are found and scored by"
        " `discover` and `agreement`, and make no split",
        option="--task-values",
    )
    meta_steps: int | None = setting(
        None,
        "the stop of discovery; left open, a slow machine has fewer, and a budget of time is the only stop",
        by_size(DISCOVERY_DEFAULTS["meta_steps"]),
        option="--meta-steps",
    )
    inner_steps: int | None = setting(
        None, "T, the steps of plain SGD of the two networks", by_size(DISCOVERY_DEFAULTS["inner_steps"])
    )
    batch_size: int | None = setting(None, "B, the rows of such a step", by_size(DISCOVERY_DEFAULTS["batch_size"]))
    inner_learning_rate: float = setting(0.1, "eta of these steps")
    temperature: float = setting(5.0, "of the soft task labels")
    pool_size: int = setting(
        1024, "datapoints that the encoder sees in a meta-step; the T batches are drawn out of them"
    )
    held_out_size: int = setting(512, "datapoints on which the two networks are compared")
    encoder_width: int = setting(
        24, "channels of the task encoder's first layer; the next two have 2 and 4 times as many"
    )
    trunk: str | None = setting(
        None,
        "a model that the task encoder looks with, as it is, all but its head, of which a projection is trained: named"
        " as the target model is",
        "a small network that is trained",
        option="--trunk",
    )
    trunk_weights: str | None = setting(
        None, "file of tensors of the trunk, as in `weights`", "untrained", option="--trunk-weights"
    )
    trunk_seed: int | None = setting(None, "of an untrained trunk", "the run's; of saved tasks that of their run")
    avoid_columns: str | None = setting(
        None,
        "of the metadata, with commas between: labellings by people that discovered tasks are to be dissimilar to, two"
        " values or numbers each; weighted by `uniformity_weight`",
        "none",
        option="--avoid-columns",
    )
    encoder_learning_rate: float = setting(2e-3, "of the task encoder's Adam")
    centring: str = setting(
        "class", "`class` subtracts the mean of each source class from the projection, `none` the overall mean"
    )
    uniformity_weight: float = setting(1.0, "c, the weight of the uniformity in the objective")
    imbalance_weight: float = setting(10.0, "b, the weight of the class imbalance in the objective")
    crowding_weight: float | None = setting(
        None,
        "g, the weight of the boundary crowding in the objective",
        by_size(DISCOVERY_DEFAULTS["crowding_weight"]),
    )
    crowding_width: float = setting(0.5, "the margin within which a datapoint counts as near the boundary")
    meta_gradient: str = setting(
        "one-sided", "how discovery differentiates: `one-sided`, `central` or `exact`", option="--meta-gradient"
    )
    epsilon: float = setting(0.005, "length of the finite difference's shift as a fraction of |w|")

    def faults(self) -> Iterator[str]:
        yield from positive_faults(
            self,
            *("inner_learning_rate", "temperature", "held_out_size"),
            *("encoder_width", "encoder_learning_rate", "crowding_width", "epsilon"),
        )
        yield from choice_faults(self, "centring", ("class", "none"))
        yield from choice_faults(self, "meta_gradient", ("one-sided", "central", "exact"))
        yield from least_faults(self, 1, "dim", "n_tasks", "meta_steps", "inner_steps")
        yield from least_faults(self, 2, "pool_size", "batch_size")
        yield from least_faults(self, 0, "crowding_weight")
        for name in ("trunk_weights", "trunk_seed"):
            if self.trunk is None and getattr(self, name) is not None:
                yield fault(name, getattr(self, name), "given together with trunk, the model that it is of")
        yield from least_faults(self, 0, "trunk_seed")
        if not 2 <= self.task_values <= MAX_TASK_VALUES:
            yield fault("task_values", self.task_values, f"2 to {MAX_TASK_VALUES}")
        if self.dim is not None and self.dim < self.least_dim:
            allowed = f"at most dim ({self.dim}), as task directions are orthonormal"
            if self.task_values > 2:
                allowed = f"at most half of dim ({self.dim}), as a task of more than two values has a plane of its own"
            yield fault("n_tasks", self.n_tasks, allowed)

    @property
    def least_dim(self) -> int:
        """What the tasks take: a direction each, or, of more than two values, a plane."""
        return self.n_tasks if self.task_values == 2 else 2 * self.n_tasks

    def for_images(self, image_size: int, *, is_timed: bool = False) -> DiscoveryConfig:
        """The same settings with d, T, B, g and the stop filled in for images of that many pixels a side.

        Below `SMALL_IMAGE` pixels a training is cheap: batches of 128 make the inner networks fit
        better, in fewer steps. Above, keeping datapoints away from the boundary pays (on digits it costs 5 points).
        Small images are for a first look, which is to take a minute: fewer meta-steps (tests/benchmarks/refinement.md).

        is_timed: a budget of time is the stop; meta-steps that are open stay so.
        """
        found = fill_defaults(self, DISCOVERY_DEFAULTS, image_size, is_timed)
        return dataclasses.replace(self, **{**found, "dim": self.least_dim if self.dim is None else self.dim})
