"""`splitgen check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from splitgen.cli.options import collect_settings, pick_device
from splitgen.cli.output import print_json
from splitgen.cli.parameters import Given, takes


@takes(
    settings=("weights", "freeze", "seed", "data", "training", "verification"),
    call=("device", "threads", "quiet", "as_json"),
    recalls=True,
)
def check(
    given: Given,
    splits: Annotated[list[Path] | None, typer.Argument(help="run folders or split.parquet files")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="as in make, several times (default the split's own)", show_default=False)
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="of a model trained elsewhere: Parquet or CSV, columns index|id, prediction")
    ] = None,
    control_predictions: Annotated[
        Path | None, typer.Option(help="of the test rows, by models trained on random rows without them")
    ] = None,
    fail_under: Annotated[float | None, typer.Option(help="lowest test accuracy that passes")] = None,
    fail_under_class: Annotated[float | None, typer.Option(help="the same for the worst class")] = None,
    max_drop: Annotated[float | None, typer.Option(help="highest fair drop: recoverable - test accuracy")] = None,
    max_gap: Annotated[float | None, typer.Option(help="highest gap: held-out train - test accuracy")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="earlier JSON or run.json: fail where test accuracy fell beyond noise")
    ] = None,
    warn_only: Annotated[
        bool | None, typer.Option("--warn-only", help="failed thresholds do not fail the call", show_default=False)
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="write JUnit XML")] = None,
    out: Annotated[Path | None, typer.Option(help="write the result as JSON")] = None,
    dataset: Annotated[str | None, typer.Option(help="as in make (default the split's own)")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML with the table tool.splitgen.check (default pyproject.toml)")
    ] = None,
) -> None:
    """Fail where a model is not robust on a split: exit code 1 for a threshold, 3 where it could not be judged.

    What is not given is as the run that made the split recorded it.
    """
    from splitgen.check.gate import choose_judge, hold_gate
    from splitgen.check.settings import GATE_OPTIONS, choose_gate_settings
    from splitgen.screen.console import Screen

    gate = choose_gate_settings({GATE_OPTIONS[name]: given[name] for name in GATE_OPTIONS}, config)
    screen = Screen(given["quiet"], given["as_json"])
    models, judge = choose_judge(
        gate,
        screen,
        lambda: pick_device(given["device"], given["threads"]),
        collect_settings({**given, "model": None}),
    )
    exit_code, record = hold_gate(gate, models, judge, screen)
    print_json(given["as_json"], record)
    raise typer.Exit(exit_code)
