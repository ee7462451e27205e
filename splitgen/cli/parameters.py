"""The options of a command: those of the settings are made of the settings themselves, by `takes`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from splitgen.settings.catalogue import all_settings
from splitgen.settings.fields import ARGUMENT, Setting

Given = dict[str, Any]  # what the command line gave, by the names of a command's parameters; None: not given
OFFERED = tuple(setting for setting in all_settings() if setting.about.option is not None)
EVERYTHING = tuple(dict.fromkeys(setting.table or setting.name for setting in OFFERED))

# What belongs to a call and not to its result: the type of the option, and its default.
CALL_OPTIONS: dict[str, tuple[Any, Any]] = {
    "budget": (
        Annotated[
            str | None,
            typer.Option(help="time for all until the split is written: 90s, 10m; the only stop if no steps are given"),
        ],
        None,
    ),
    "verify_budget": (
        Annotated[
            str | None,
            typer.Option(help="time for the verification: of fewer seeds or rows where it would take longer"),
        ],
        None,
    ),
    "replay": (
        Annotated[
            Path | None,
            typer.Option(help="run folder whose run is repeated to the same bytes, with what its budget chose"),
        ],
        None,
    ),
    "tasks_from": (
        Annotated[
            str | None,
            typer.Option(
                help="discovered (default), untrained-network, principal-components, clusters-within-class, ..., given"
            ),
        ],
        None,
    ),
    "labels": (
        Annotated[Path | None, typer.Option(help="tasks of your own: Parquet or CSV, id and a column for each task")],
        None,
    ),
    "device": (Annotated[str, typer.Option(help="auto, cpu or cuda")], "auto"),
    "threads": (
        Annotated[
            int | None, typer.Option(help="CPU threads, on which the bytes of a result depend (default torch's)")
        ],
        None,
    ),
    "out": (
        Annotated[Path | None, typer.Option(help="run folder (default splitgen-runs/NAME-001, -002, ...)")],
        None,
    ),
    "resume": (
        Annotated[
            bool,
            typer.Option(
                "--resume",
                help="go on with the newest unfinished run of the same arguments (with its --out: always)",
            ),
        ],
        False,
    ),
    "config": (Annotated[Path | None, typer.Option(help="TOML file of settings; the command line wins")], None),
    "quiet": (Annotated[bool, typer.Option("--quiet", help="no progress, no notes")], False),
    "as_json": (Annotated[bool, typer.Option("--json", help="print the result as one JSON object")], False),
}
OF_RUN = ("device", "threads", "out", "config", "quiet", "as_json")
KEPT = (*OF_RUN, "resume")  # of a run that always has a folder


def takes(
    *, settings: Iterable[str] = (), without: Iterable[str] = (), call: Iterable[str] = (), recalls: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command its options beside the parameters of its own, which win where a name is the same.

    settings: tables such as "data", or single settings such as "selection.target"; of these, all that have an option
        and are not in `without`. call: names of `CALL_OPTIONS`. recalls: what is not given is as an earlier run
        recorded it, which the help says.
    The command's parameter `given`, if it has one, takes all that was given, own parameters included.
    """
    chosen = [make_parameter(setting, recalls) for setting in pick_settings(settings, without)]
    chosen += [keyword(name, *CALL_OPTIONS[name]) for name in call]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = dict(inspect.signature(command, eval_str=True).parameters)
        wants_all = own.pop("given", None) is not None
        shown = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own.values()]
        shown += [parameter for parameter in chosen if parameter.name not in own]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            arguments = {name: given[name] for name in own}
            command(**arguments, **({"given": given} if wants_all else {}))

        run.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
        run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        return run

    return decorate


def pick_settings(wanted: Iterable[str], without: Iterable[str]) -> Iterator[Setting]:
    """The settings with an option that the names mean, in the order of the catalogue.

    Raises `ValueError` for a name that means none.
    """
    named, left_out = set(wanted), set(without)
    unknown = (named | left_out) - {name for setting in OFFERED for name in (setting.place, setting.table)}
    if unknown:
        raise ValueError(f"no settings with an option: {', '.join(sorted(unknown))}")
    for setting in OFFERED:
        if named & {setting.place, setting.table} and setting.place not in left_out:
            yield setting


def make_parameter(setting: Setting, recalls: bool = False) -> inspect.Parameter:
    """The parameter of a setting: None where it is not given, so that what is below it counts."""
    about = tell_meaning(setting, recalls)
    if setting.about.option == ARGUMENT:
        information: Any = typer.Argument(help=about, show_default=False, metavar=ARGUMENT)
    else:
        panel = f"Settings of {setting.table}" if setting.table else None
        information = typer.Option(setting.about.option, help=about, show_default=False, rich_help_panel=panel)
    return keyword(str(setting.parameter), Annotated[setting.hint | None, information], None)


def keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def tell_meaning(setting: Setting, recalls: bool) -> str:
    """The help of an option: meaning and default, without the Markdown of the settings page."""
    default = tell_default(setting)
    told = f" (default {'as recorded, else ' if recalls else ''}{default})" if default else ""
    return f"{setting.about.meaning}{told}".replace("`", "")


def tell_default(setting: Setting) -> str:
    """The default in words; "" for a flag, which nobody has to ask for what it does when it is not given."""
    if isinstance(setting.default, bool):
        return ""
    if setting.default is None:
        return setting.about.left_open
    return f"{setting.default:g}" if isinstance(setting.default, float) else str(setting.default)
