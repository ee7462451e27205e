"""What the stages of a run share out among them."""

from __future__ import annotations

import pytest

from splitgen.runs.stages import share_budget
from splitgen.settings.layers import build_config


@pytest.mark.parametrize(
    ("refinement", "budget", "shares"),
    [
        ({}, 100.0, (30, 70)),
        ({"budget_share": 0.2}, 100.0, (80, 20)),
        ({"meta_steps": 0}, 100.0, (100, None)),
        ({}, None, (None, None)),
    ],
    ids=["by default refinement has the larger share", "a share of refinement", "no refinement", "no budget"],
)
def test_a_budget_is_shared_between_discovery_and_refinement_in_this_order(refinement, budget, shares):
    assert share_budget(build_config({"refinement": refinement}), budget) == pytest.approx(shares)
