"""`splitgen discover`."""

from __future__ import annotations

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import KEPT, Given, takes


@takes(
    settings=(
        *("model", "discovery_model", "weights", "freeze", "seed"),
        *("data", "training", "discovery", "agreement", "selection.target"),
    ),
    call=("budget", "replay", *KEPT),
)
def discover(given: Given) -> None:
    """Discover tasks and measure their agreement score; make no split."""
    run = open_new_run("discover", given)
    from splitgen.runs import stages

    stages.discover(run)
    print_json(given["as_json"], run.record)
