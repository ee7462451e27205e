"""Commands as a shell would call them, each in a process of its own.

They are forked from the tests' process, where torch and the rest, which take seconds to load, are loaded. What a fork
cannot show (redirections by a shell, a new interpreter) is for `python -m splitgen` in the tests of that.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import sklearn.datasets  # noqa: F401  what commands load on their way, once for all
import torch._dynamo  # noqa: F401

from splitgen import cli

Done = subprocess.CompletedProcess[str]


class Command:
    """`splitgen ARGUMENTS` in the folder `cwd`, begun.

    environment: variables that are changed for it.
    """

    def __init__(self, *arguments: object, cwd: Path | None = None, **environment: str) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self.out, self.err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115  read by `wait`
        changes = {"COLUMNS": "80", **environment}
        entry = (self.arguments, cwd or Path.cwd(), changes, self.out.fileno(), self.err.fileno())
        self.process = multiprocessing.get_context("fork").Process(target=be_command, args=entry)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
            self.process.start()

    def wait(self, seconds: float = 300) -> Done:
        """Exit code and what was said. Raises `TimeoutError` after these seconds."""
        self.process.join(seconds)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            raise TimeoutError(f"{self.arguments}: still running after {seconds} s")
        return subprocess.CompletedProcess(self.arguments, code, read_whole(self.out), read_whole(self.err))


def run_command(*arguments: object, cwd: Path | None = None, **environment: str) -> Done:
    return Command(*arguments, cwd=cwd, **environment).wait()


def be_command(arguments: list[str], cwd: Path, environment: Mapping[str, str], out: int, err: int) -> None:
    """What `python -m splitgen` sets up before it calls the same function."""
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which tests below nohup ignore
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(environment)
    os.chdir(cwd)
    sys.path.append(str(cwd))
    sys.argv = ["splitgen", *arguments]
    cli.main()


def read_whole(file: TextIO) -> str:
    with file:
        file.seek(0)
        return file.read()
