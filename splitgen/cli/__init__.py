"""The command line: each command parses, calls one function and prints. Exit code 2 and one line for bad input."""

from splitgen.cli.app import app, main, run

__all__ = ["app", "main", "run"]
