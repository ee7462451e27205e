"""The out folder of a run: free, or that of the same run, which was not finished and goes on."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitgen.claims import MARKER, STATES, FolderClaim, claim_there, read_marker, tell_way_on, write_marker
from splitgen.errors import RunFolderError
from splitgen.store.states import StateKeeper

DEFAULT_PARENT = Path("splitgen-runs")
TOLD_DIFFERENCES = 3  # of arguments, in one line
HALF_WRITTEN = re.compile(r"\..+\.(parquet|safetensors|json|html)\.[a-z0-9_]{8}")  # as `replacing` names it


@dataclass(frozen=True)
class OutFolder:
    """A folder that one run has for itself. claim: keeps it. keeper: of its states."""

    path: Path
    claim: FolderClaim
    keeper: StateKeeper

    @property
    def is_resumed(self) -> bool:
        """Whether another process had begun the run."""
        return self.keeper.n_resumed > 0


@dataclass(frozen=True)
class Arguments:
    """What tells one run from another.

    command: its name. values: by name, all that the bytes of its result depend on. line: of the command line, to be
    told; of a call from Python, nothing.
    """

    command: str
    values: Mapping[str, Any]
    line: Sequence[str] = ()


def check_out(out: Path) -> None:
    """Refuse a path that is a file, or a folder with something in it and no unfinished run. Raises `RunFolderError`."""
    if out.exists() and not out.is_dir():
        raise RunFolderError(str(out), "it is a file", "give another --out")
    if not out.is_dir() or read_marker(out) is not None:
        return
    held = {path.name for path in out.iterdir()} - {STATES}  # of a run that was killed before it had a marker
    if "run.json" in held:
        raise RunFolderError(str(out), "it holds another run, which is whole", "give another --out")
    if held:
        raise RunFolderError(str(out), "it holds other files, and no unfinished run", "give another --out")


def sweep_folder(out: Path) -> None:
    """Take away what a process that was killed was writing."""
    for folder in (out, out / STATES):
        for path in folder.glob(".*"):
            if HALF_WRITTEN.fullmatch(path.name):
                path.unlink(missing_ok=True)


def claim_folder(out: Path) -> FolderClaim:
    """Make the folder, where it is not there, for this run alone. Raises `RunFolderError`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(str(out), f"it cannot be used ({error.strerror})", "give another --out") from error
    claim = claim_there(out)
    check_out(out)  # of two runs that found it empty, the second comes here after the first has begun or ended
    return claim


def claim_next(parent: Path, name: str) -> tuple[Path, FolderClaim]:
    """The first `parent/name-NNN` that is not there, made for this run alone."""
    for number in itertools.count(1):
        out = parent / f"{name}-{number:03d}"
        try:
            out.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunFolderError(str(out), f"it cannot be made ({error.strerror})", "give --out") from error
        return out, claim_folder(out)
    raise AssertionError("numbers do not end")


def open_folder(out: Path, arguments: Arguments, claim: FolderClaim | None = None) -> OutFolder:
    """Begin a run in a folder, or go on with it where it has the same arguments. Raises `RunFolderError`."""
    claim = claim or claim_folder(out)
    marker = read_marker(out)
    sweep_folder(out)
    if marker is None:
        write_marker(out, arguments.command, arguments.values, name_out(arguments.line, out))
    elif differences := list_differences(marker, arguments):
        told = "; ".join(differences[:TOLD_DIFFERENCES])
        problem = f"it holds an unfinished run of other arguments ({told})"
        raise RunFolderError(str(out), problem, f"{tell_way_on(marker)}, or give another --out")
    return OutFolder(out, claim, StateKeeper(out))


def name_out(line: Sequence[str], out: Path) -> list[str]:
    """A command line with the folder that it had no name for."""
    is_named = any(word == "--out" or word.startswith("--out=") for word in line)
    return list(line) if is_named or not line else [*line, "--out", str(out)]


def list_differences(marker: Mapping[str, Any], arguments: Arguments) -> list[str]:
    """In what a run differs from the one that a folder holds, in words."""
    if marker["command"] != arguments.command:
        return [f"'{marker['command']}' there, '{arguments.command}' here"]
    there, here = marker["arguments"], arguments.values
    return [
        f"{name} {there.get(name)!r} there, {here.get(name)!r} here"
        for name in dict.fromkeys([*here, *there])
        if there.get(name) != here.get(name)
    ]


def find_unfinished(parent: Path, arguments: Arguments) -> Iterator[Path]:
    """Folders with an unfinished run of the same arguments, that nobody works at, the newest first."""
    markers = sorted(parent.glob(f"*/{MARKER}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for marker_path in markers:
        folder = marker_path.parent.parent
        try:
            marker = read_marker(folder)
            if marker is not None and not list_differences(marker, arguments):
                claim_there(folder).release()
                yield folder
        except RunFolderError:
            continue


def digest_file(path: Path) -> str:
    """SHA-256 of a file that a run reads."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
