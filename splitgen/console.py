"""The one sink for what people read: results to stdout, progress and notes to stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

LOG_SECONDS = 15.0  # between two lines of progress where there is no terminal


class Stopwatch:
    """Progress of one stage: a bar in a terminal, a line now and then in a log."""

    def __init__(self, console: Console, title: str, total: float | None, bar: Progress | None) -> None:
        self.console, self.title, self.total = console, title, total
        self.bar = bar
        self.row = bar.add_task(title, total=total, detail="") if bar is not None else None
        self.done = 0.0
        self.last_line = time.monotonic()

    def advance(self, amount: float = 1, detail: str = "") -> None:
        """Say that some of the work is done."""
        self.done += amount
        if self.bar is not None and self.row is not None:
            self.bar.update(self.row, completed=self.done, detail=detail)
        elif time.monotonic() - self.last_line > LOG_SECONDS:
            self.last_line = time.monotonic()
            share = f" {min(1.0, self.done / self.total):4.0%}" if self.total else ""
            self.console.print(f"{self.title}{share}  {detail}", highlight=False)


class Screen:
    """Where output goes. quiet: no progress and no notes; as_json: results are for machines."""

    def __init__(self, quiet: bool = False, as_json: bool = False) -> None:
        self.out = Console(width=None, soft_wrap=False, highlight=False)
        self.err = Console(stderr=True, quiet=quiet, highlight=False)
        self.as_json = as_json

    def note(self, text: str) -> None:
        """One line about what goes on."""
        self.err.print(text, markup=False)

    def say(self, text: str) -> None:
        """One line of the result; left out where the result is JSON."""
        if not self.as_json:
            self.out.print(text, markup=False)

    def table(self, title: str, headers: list[str], rows: list[list[str]]) -> None:
        """A table of the result."""
        if self.as_json:
            return
        table = Table(title=title, title_justify="left", title_style="bold")
        for number, header in enumerate(headers):
            table.add_column(header, justify="left" if number == 0 else "right", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.out.print(table)

    @contextmanager
    def progress(self, title: str, total: float | None) -> Iterator[Stopwatch]:
        """Progress of a stage, and a line with its time at the end."""
        start = time.monotonic()
        if self.err.is_terminal and not self.err.quiet:
            columns = (
                TextColumn("{task.description:<12}"),
                BarColumn(18),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}"),
            )
            with Progress(*columns, console=self.err, transient=True) as bar:
                yield Stopwatch(self.err, title, total, bar)
        else:
            yield Stopwatch(self.err, title, total, None)
        self.note(f"{title:<12} done in {time.monotonic() - start:.1f} s")
