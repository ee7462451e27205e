"""The app, its commands in the order of the help, and the console script."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from splitgen._version import __version__
from splitgen.cli.commands.agreement import agreement
from splitgen.cli.commands.cache import cache
from splitgen.cli.commands.check import check
from splitgen.cli.commands.compare import compare
from splitgen.cli.commands.discover import discover
from splitgen.cli.commands.exchange import export, import_
from splitgen.cli.commands.make import make
from splitgen.cli.commands.report import report
from splitgen.cli.commands.settings import print_settings
from splitgen.cli.commands.show import show
from splitgen.cli.commands.split import split
from splitgen.cli.commands.verify import verify
from splitgen.cli.ending import NOT_DONE, flush_output, leave, settle_surroundings, tell_end, tell_keeping
from splitgen.heap import keep_freed_memory
from splitgen.shortages import try_threads
from splitgen.stopping import terminated_by

MOST_TRIED = 16  # threads that reading files takes, about; those of trainings are tried by their number
COMMANDS = {
    "make": make,
    "discover": discover,
    "split": split,
    "verify": verify,
    "agreement": agreement,
    "compare": compare,
    "report": report,
    "show": show,
    "settings": print_settings,
    "cache": cache,
    "export": export,
    "import": import_,
    "check": check,
}


class Command(TyperCommand):
    """A command whose every end has its exit code: whatever it raises is told in one line, where typer would let Python
    end with 1, which here means that a threshold failed."""

    def invoke(self, ctx: Any) -> Any:  # of typer's own class, which has no public name
        try:
            try_threads(min(os.cpu_count() or 1, MOST_TRIED))
            super().invoke(ctx)
            flush_output()
        except typer.Exit:
            flush_output()
            raise
        except BaseException as error:
            raise typer.Exit(tell_end(error)) from error


app = typer.Typer(
    name="splitgen",
    help="Find a train-test split of a labelled image dataset on which a model fails.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"splitgen {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True)] = False,
) -> None:
    """Find a train-test split of a labelled image dataset on which a model fails."""


for name, command in COMMANDS.items():
    app.command(name, cls=Command)(command)


def main() -> None:
    """A command of the command line; it always ends by `SystemExit`."""
    with terminated_by(signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM), tell=tell_keeping):
        try:
            settle_surroundings()
            keep_freed_memory()
            app()
        except SystemExit as end:
            # typer ends with 1 for a broken pipe or closed input, too
            known = end.code != 1 or isinstance(end.__context__, typer.Exit)
            sys.exit(end.code if known else NOT_DONE)
        except BaseException as error:  # before or behind a command: in help and wrong usage, which are printed too
            sys.exit(tell_end(error))


def run() -> NoReturn:
    """The console script: `main` in a process of its own."""
    try:
        main()
    except SystemExit as end:
        leave(end.code)
    leave(0)
