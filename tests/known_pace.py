"""A pace, a recipe and sizes whose seconds can be reckoned by hand."""

from __future__ import annotations

from splitgen.models.pace import Pace
from splitgen.runs.forecast import Sizes
from splitgen.search.candidates import CutPlan
from splitgen.settings.stages import TrainingConfig

PACE = Pace(
    step_seconds=0.01,
    row_seconds=0.0,
    batch_size=100,
    workers=2,
    look_seconds=0.0001,
    ridge_seconds=0.004,
    gradient_seconds=0.0002,
)
RECIPE = TrainingConfig(batch_size=100, epochs=10, steps=1_000)
SIZES = Sizes(train=5_000, validation=0, test=5_000)
CUTS = CutPlan(n_cuts=2, n_signs=2, by_confusion=True)
