"""How a command ends: one line for whatever went wrong, and an exit code that means one thing.

0: done; of `check`, every threshold is met. 1: a threshold was compared and failed, which is said by `check` alone.
2: wrong usage or input. 3: it could not be done, or its result could not be told. 128 + n: stopped by signal n.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import signal
import sys
from typing import NoReturn

from splitgen.errors import OutputError, SettingError, SplitgenError
from splitgen.screen.console import tell_error, tell_trace
from splitgen.shortages import MEMORY, find_shortage
from splitgen.stopping import Terminated

WRONG_USAGE, NOT_DONE = 2, 3
NO_NAMES = (errno.ENAMETOOLONG, errno.ELOOP)  # what the system says of a path that names nothing on any disk
AGAIN = "then give the same command again"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # what the system says where it takes no more
# What to do, by what it says of a file or a disk.
REMEDIES = {
    errno.ENOSPC: f"make room, {AGAIN}",
    errno.EDQUOT: f"make room within your quota, {AGAIN}",
    errno.EFBIG: f"raise the limit of a file's size (ulimit -f), {AGAIN}",
    errno.EROFS: "give a path that is not mounted to be read only",
    errno.EACCES: "give a path that you may write",
    errno.EPERM: "give a path that you may write",
    errno.EIO: "the disk failed: see the system's log, and give a path on another one",
    errno.EMFILE: f"raise the limit of open files (ulimit -n), {AGAIN}",
    errno.ENOMEM: MEMORY,
    **dict.fromkeys(NO_NAMES, "give another path"),
}


def tell_end(error: BaseException) -> int:
    """Say in one line why a command ended, and give its exit code. What nobody foresaw is shown with its trace."""
    notes = getattr(error, "__notes__", [])  # of a run: what is kept, and how to go on
    if (shortage := find_shortage(error)) is not None:
        tell_error("; ".join([f"splitgen: {shortage}", *notes]))
        return NOT_DONE
    if isinstance(error, SplitgenError):
        tell_error(f"splitgen: {error}")
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        tell_error("; ".join(["splitgen: stopped", *notes]))
        return 128 + (error.number if isinstance(error, Terminated) else signal.SIGINT)
    if isinstance(error, OSError):
        tell_error("; ".join([f"splitgen: {describe_fault(error)}", *notes]))
        return WRONG_USAGE if error.errno in NO_NAMES else NOT_DONE
    if isinstance(error, SystemExit):
        tell_error(f"splitgen: the code of a model ended the program by exit({error.code!r}); take the call out of it")
    else:
        tell_trace(error)
        tell_error(f"splitgen: a fault of splitgen itself or of a model's code, {type(error).__name__} (see above)")
    return NOT_DONE


def tell_keeping() -> None:
    """Say that a signal was heard."""
    tell_error("splitgen: stopping, once what is done is kept; a second signal stops at once")


def describe_fault(error: OSError) -> str:
    """What did not serve, why, and what to do. All files are named by what writes them: where nothing is, it is
    standard output."""
    told, place = error.strerror or str(error), error.filename2 or error.filename
    if isinstance(error, BrokenPipeError) or (place is None and error.errno in FULL):
        drop_output()
        told = "closed by its reader" if isinstance(error, BrokenPipeError) else told
        return f"standard output could not be written ({told}); the result is not whole"
    remedy = REMEDIES.get(error.errno or 0, "the result is not whole")
    return f"{told}; {remedy}" if place is None else f"'{place}': {told}; {remedy}"


def settle_surroundings() -> None:
    """Raise what would make a command's work of no use: no standard output, which shows its result, or no folder, as
    libraries that work out paths end the program where theirs is gone. Mend what can be: a stream that is closed, whose
    number the next file would take with all that libraries print to it, and a terminal of no columns."""
    if sys.stdout is None:
        raise OutputError("standard output is closed", "the result would be lost; leave it open")
    for number in (0, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest number that is free
    if os.environ.get("COLUMNS") == "0":
        del os.environ["COLUMNS"]
    try:
        os.getcwd()
    except OSError as error:
        raise SettingError(f"this folder is there no more ({error.strerror}); go to another one") from error


def flush_output() -> None:
    """Write out what is printed. Raises `OSError` where it cannot be, which Python would notice too late."""
    if sys.stdout is not None:
        sys.stdout.flush()


def drop_output() -> None:
    """Send what is still to be printed nowhere: Python would try again at its end, and give an exit code of its own."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(code: object) -> NoReturn:
    """End the process with an exit code, once all is written out and what was registered for its end is done. The rest
    of Python's own end takes objects and libraries apart that the system takes back at once: two seconds of a command.
    """
    if isinstance(code, int | None):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # then Python's own end tells what it tells
            atexit._run_exitfuncs()
            flush_output()
            sys.stderr.flush()
            os._exit(code or 0)
    sys.exit(code)  # type: ignore[arg-type]
