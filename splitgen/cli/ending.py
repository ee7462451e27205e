"""How a command ends: one line for whatever went wrong, and an exit code that means one thing.

0: done; of `check`, every threshold is met. 1: a threshold was compared and failed, which is said by `check` alone.
2: wrong usage or input. 3: it could not be done, or its result could not be told. 128 + n: stopped by signal n.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from splitgen.errors import SplitgenError
from splitgen.screen.console import tell_error, tell_trace
from splitgen.stopping import Terminated

NOT_DONE = 3


def tell_end(error: BaseException) -> int:
    """Say in one line why a command ended, and give its exit code. What nobody foresaw is shown with its trace."""
    notes = getattr(error, "__notes__", [])  # of a run: what is kept, and how to go on
    if isinstance(error, SplitgenError):
        tell_error(f"splitgen: {error}")
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        tell_error("; ".join(["splitgen: stopped", *notes]))
        return 128 + (error.number if isinstance(error, Terminated) else signal.SIGINT)
    if isinstance(error, OSError):
        if isinstance(error, BrokenPipeError) or error.filename is None:
            drop_output()
        place = "" if error.filename is None else f": '{error.filename}'"
        told = [f"splitgen: {error.strerror or error}{place}", *(notes or ["the result is not whole"])]
        tell_error("; ".join(told))
    elif isinstance(error, SystemExit):
        tell_error(f"splitgen: the code of a model ended the program by exit({error.code!r}); take the call out of it")
    elif isinstance(error, MemoryError):
        advice = "give fewer or smaller images, or a smaller model"
        tell_error("; ".join(["splitgen: out of memory", advice, *notes]))
    else:
        tell_trace(error)
        tell_error(f"splitgen: a fault of splitgen itself or of a model's code, {type(error).__name__} (see above)")
    return NOT_DONE


def tell_keeping() -> None:
    """Say that a signal was heard."""
    tell_error("splitgen: stopping, once what is done is kept; a second signal stops at once")


def flush_output() -> None:
    """Write out what is printed. Raises `OSError` where it cannot be, which Python would notice too late."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_output() -> None:
    """Send what is still to be printed nowhere: Python would try again at its end, and give an exit code of its own."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
