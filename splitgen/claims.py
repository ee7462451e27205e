"""The folder of a run: one process at a time writes into it, and a marker says that it is not finished."""

from __future__ import annotations

import os
import shlex
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from splitgen.errors import RunFolderError, SplitgenError
from splitgen.json_text import JsonError, parse_json
from splitgen.parquet import write_json

if sys.platform != "win32":
    import fcntl

STATES = "states"  # the folder below that of a run with what it has come to, as long as it is not whole
MARKER = Path(STATES) / "run.json"


class FolderClaim:
    """Holds a lock on a folder for as long as it lives, or until it is released; a process that ends, however it ends,
    does not keep it, and no file is left behind. On Windows, which has no such locks, it holds nothing.

    Raises `BlockingIOError` where another claim holds the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.release: Callable[[], object] = lambda: None
        if sys.platform == "win32":
            return
        handle = os.open(folder, os.O_RDONLY)
        self.release = weakref.finalize(self, os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def check_unclaimed(folder: Path) -> None:
    """Refuse a folder that another process writes into, without keeping it. Raises `RunFolderError`."""
    if folder.is_dir():
        claim_there(folder).release()


def claim_there(folder: Path) -> FolderClaim:
    """Claim a folder that is there. Raises `RunFolderError`."""
    try:
        return FolderClaim(folder)
    except BlockingIOError as error:
        raise RunFolderError(str(folder), "another run writes into it", "give another --out") from error
    except OSError as error:
        raise RunFolderError(str(folder), f"it cannot be used ({error.strerror})", "give another --out") from error


def write_marker(folder: Path, command: str, arguments: Mapping[str, Any], command_line: Sequence[str]) -> None:
    """Mark a folder as that of an unfinished run.

    arguments: all that its bytes depend on, by name. command_line: the one that goes on with it, or nothing where it
        was called from Python.
    """
    (folder / STATES).mkdir(exist_ok=True)
    marker = {"command": command, "arguments": dict(arguments), "command_line": list(command_line)}
    write_json(marker, folder / MARKER)


def read_marker(folder: Path) -> dict[str, Any] | None:
    """The marker of an unfinished run; None in another folder. Raises `RunFolderError` for one that cannot be read."""
    try:
        marker = parse_json((folder / MARKER).read_bytes(), is_ours=True)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, JsonError) as error:
        remedy = "take the folder away, and begin anew"
        raise RunFolderError(str(folder), f"its {MARKER} cannot be read ({error})", remedy) from error
    wanted = {"command": str, "arguments": dict, "command_line": list}
    if not isinstance(marker, dict) or any(not isinstance(marker.get(name), kind) for name, kind in wanted.items()):
        raise RunFolderError(str(folder), f"its {MARKER} is not one of splitgen", "give another folder")
    return marker


def tell_way_on(marker: Mapping[str, Any]) -> str:
    """How an unfinished run is gone on with, in words."""
    line = shlex.join(map(str, marker["command_line"]))
    return f"go on with it by {line}" if line else "go on with it by the same call"


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a run that is finished. Raises `RunFolderError`."""
    return (folder / "run.json").exists() and read_marker(folder) is None


def find_in_folder(path: Path, name: str, refuse: Callable[[str, str, str], SplitgenError]) -> Path:
    """The file of that name in a run folder, or the path itself. refuse: the error, of path, problem and remedy, for a
    path that names nothing on any disk, as a name that is too long."""
    try:
        return path / name if path.is_dir() else path
    except OSError as error:
        raise refuse(str(path), f"cannot be read ({error.strerror})", "give another path") from error


def check_finished(folder: Path) -> None:
    """Raise `RunFolderError` for a folder whose run is not finished."""
    marker = read_marker(folder)
    if marker is not None:
        raise RunFolderError(str(folder), f"its run of '{marker['command']}' is not finished", tell_way_on(marker))
