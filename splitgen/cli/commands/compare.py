"""`splitgen compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from splitgen.cli.opening import open_new_run
from splitgen.cli.output import print_json
from splitgen.cli.parameters import EVERYTHING, KEPT, Given, takes
from splitgen.errors import SettingError
from splitgen.settings.stages import EQUALITY

if TYPE_CHECKING:
    from splitgen.models.bench import Bench
    from splitgen.settings.stages import RunConfig
    from splitgen.splits.split import Split


@takes(settings=EVERYTHING, without=("search.task",), call=("budget", "labels", *KEPT))
def compare(
    given: Given,
    splits: Annotated[
        list[Path] | None, typer.Option("--split", help="an index file to judge too, several times", show_default=False)
    ] = None,
) -> None:
    """Set discovered tasks beside every baseline: same sizes, same search, same judge."""
    from splitgen.splits.split import find_index_file

    found: dict[str, Split] = {}

    def read_splits(bench: Bench, config: RunConfig) -> None:
        from splitgen.runs.compare import read_given
        from splitgen.runs.split import check_task_values

        check_task_values(config.discovery.task_values)
        if config.selection.rule == EQUALITY:
            raise SettingError(
                "compare sets splits of equal sizes beside each other; give --rule halves, or leave it out"
            )
        found.update({str(path): read_given(bench, path) for path in splits or []})

    files = {f"split {number}": find_index_file(path) for number, path in enumerate(splits or [])}
    run = open_new_run("compare", given, check_more=read_splits, files=files)
    from splitgen.runs.compare import compare as compare_splitters

    compare_splitters(run, found)
    print_json(given["as_json"], run.record)
