"""The one sink for what people read: results to stdout, progress and notes to stderr.

Names come from files and folders that others made: what goes to a terminal or to a CI log is cleaned here.
"""

from __future__ import annotations

import contextlib
import errno
import re
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from splitgen.screen.outlook import Outlook, tell_seconds

LOG_SECONDS = 15.0  # between two lines of progress where there is no terminal
# C0 and C1 controls, line separators, signs that turn the direction of text, and bytes that are no UTF-8.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
LOG_COMMANDS = re.compile(r":(?=:)|#(?=#\[)")


def escape_controls(text: str) -> str:
    """The text on one line, with what a terminal would obey as a visible escape: `\\x1b`."""
    return CONTROLS.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def clean(text: str) -> str:
    """The text on one line, without anything that a terminal or the log of GitHub Actions would obey.

    A workflow command is a line that begins with `::`; as long lines are wrapped, no `::` may stay anywhere.
    """
    return LOG_COMMANDS.sub(r"\g<0>\\", escape_controls(text))


def tell_error(text: str) -> None:
    """One line to stderr, where that can be written."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            print(clean(text), file=sys.stderr, flush=True)


def tell_trace(error: BaseException) -> None:
    """The trace of an error that nobody foresaw, to stderr."""
    for line in "".join(traceback.format_exception(error)).splitlines():
        tell_error(line)


class PlainConsole(Console):
    """A console that prints text as it is, and lets a broken pipe be the caller's to deal with."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "closed by its reader")  # rich would exit with 1


class Stopwatch:
    """Progress of one stage: a bar in a terminal, a line now and then in a log.

    outlook: of the whole run, which has a bar of its own below that of the stage.
    """

    def __init__(
        self, console: Console, title: str, total: float | None, bar: Progress | None, outlook: Outlook | None = None
    ) -> None:
        self.console, self.title, self.total, self.outlook = console, clean(title), total, outlook
        self.bar = bar
        self.row = bar.add_task(self.title, total=total, detail="") if bar is not None else None
        self.whole = bar.add_task("whole", total=None, detail="") if bar is not None and outlook is not None else None
        self.done = 0.0
        self.show_whole()
        self.last_line = time.monotonic()

    def advance(self, amount: float = 1, detail: str = "") -> None:
        """Say that some of the work is done."""
        self.done += amount
        if self.bar is not None and self.row is not None:
            self.bar.update(self.row, completed=self.done, detail=clean(detail))
            self.show_whole()
        elif time.monotonic() - self.last_line > LOG_SECONDS:
            self.last_line = time.monotonic()
            share = f" {min(1.0, self.done / self.total):4.0%}" if self.total else ""
            self.console.print(clean(f"{self.title}{share}  {detail}"))

    def show_whole(self) -> None:
        """How far the whole run has come, and how long it will still take."""
        if self.bar is not None and self.whole is not None and self.outlook is not None:
            left = self.outlook.left(self.done / self.total if self.total else None)
            elapsed = time.monotonic() - self.outlook.start
            detail = f"about {tell_seconds(left)} left"
            self.bar.update(self.whole, completed=elapsed, total=elapsed + left, detail=detail)


class Screen:
    """Where output goes. quiet: no progress and no notes; as_json: results are for machines.

    outlook: of the run, where there is one, so that each stage says how long the whole will still take.
    """

    outlook: Outlook | None = None

    def __init__(self, quiet: bool = False, as_json: bool = False) -> None:
        self.out = PlainConsole()
        self.err = PlainConsole(stderr=True, quiet=quiet)
        self.as_json = as_json

    @property
    def is_quiet(self) -> bool:
        """Notes are told to nobody."""
        return self.err.quiet

    def note(self, text: str) -> None:
        """One line about what goes on."""
        self.err.print(clean(text))

    def say(self, text: str) -> None:
        """One line of the result; left out where the result is JSON."""
        if not self.as_json:
            self.out.print(clean(text))

    def table(self, title: str, headers: list[str], rows: list[list[str]]) -> None:
        """A table of the result."""
        if self.as_json:
            return
        table = Table(title=Text(clean(title), style="bold"), title_justify="left")
        for number, header in enumerate(headers):
            table.add_column(header, justify="left" if number == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*(Text(clean(cell)) for cell in row))
        self.out.print(table)

    @contextmanager
    def progress(self, title: str, total: float | None) -> Iterator[Stopwatch]:
        """Progress of a stage, and a line with its time at the end."""
        start, outlook = time.monotonic(), self.outlook
        if outlook is not None:
            outlook.begin(title)
        if self.err.is_terminal and not self.err.quiet:
            columns = (
                TextColumn("{task.description:<12}", markup=False),
                BarColumn(18),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}", markup=False),
            )
            with Progress(*columns, console=self.err, transient=True) as bar:
                yield Stopwatch(self.err, title, total, bar, outlook)
        else:
            yield Stopwatch(self.err, title, total, None)
        left = ""
        if outlook is not None:
            outlook.end()
            left = f", about {tell_seconds(outlook.left())} to go" if outlook.left() >= 1 else ""
        self.note(f"{title:<12} done in {time.monotonic() - start:.1f} s{left}")


class OpeningBar:
    """Progress of a work of which is not known whether there is any: a bar as soon as it is told of any."""

    def __init__(self, screen: Screen, title: str) -> None:
        self.screen, self.title = screen, title
        self.shown = contextlib.ExitStack()
        self.bar: Stopwatch | None = None

    def __enter__(self) -> OpeningBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shown.__exit__(kind, error, trace)  # a work that failed is not said to be done

    def __call__(self, done: int, total: int) -> None:
        """So many are done, of so many; where these are others than before, or fewer, another work has begun."""
        if self.bar is None or total != self.bar.total or done < self.bar.done:
            self.shown.close()
            self.bar = self.shown.enter_context(self.screen.progress(self.title, total))
        self.bar.advance(done - self.bar.done, f"{done:,} of {total:,}")


def tell_unknown(screen: Screen, names: Sequence[str]) -> None:
    """A note on recorded settings that this version does not know."""
    if names:
        screen.note(f"settings that the file records and this version does not know are left out: {', '.join(names)}")
