"""What an earlier run recorded of itself: its settings, and its run.json."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splitgen.claims import check_finished
from splitgen.errors import RunFolderError
from splitgen.json_text import JsonError, parse_json
from splitgen.settings.layers import Settings
from splitgen.shapes import RecordShape, find_misfit
from splitgen.splits.split import find_index_file, read_split

# Of the data: what only the user allows, and on each call. A file, maybe another person's, allows nothing; nor does it
# name a folder to write into.
WEIGHTS = ("weights", "trunk_weights")
PERMISSIONS = ("follow_links", "download", "cache")


def recall_settings(path: Path, recorded: Mapping[str, Any]) -> Settings:
    """Settings of the run that wrote a file: of the data from the run.json beside it, where there is one; the rest from
    its metadata, which tells how the dataset was opened, but not where it lies.

    `PERMISSIONS` are not recalled, and a dataset that is code is marked as one that only the user can have opened.
    """
    folder = path if path.is_dir() else path.parent
    settings: Settings = dict(recorded.get("config", {}))
    try:
        beside = read_record(folder)["config"]
        settings["data"] = beside["data"]
        settings = put_paths(settings, beside)
    except (RunFolderError, KeyError, TypeError):
        told = settings.get("data", {})
        source = recorded.get("dataset", {}).get("source", "digits")
        settings["data"] = {**(told if isinstance(told, dict) else {}), "dataset": source}
    if isinstance(settings["data"], dict):
        settings["data"] = {name: value for name, value in settings["data"].items() if name not in PERMISSIONS}
        from splitgen.data.sources.registry import mark_recorded  # here, as it loads torch

        if isinstance(spec := settings["data"].get("dataset"), str):
            settings["data"]["dataset"] = mark_recorded(spec)
    return settings


def put_paths(settings: Settings, beside: Mapping[str, Any]) -> Settings:
    """Settings with the paths of weights that they tell the digest of, where a run.json has these of the same files."""
    found = dict(settings)
    for name, path in beside.items():
        digest = settings.get(name)
        if name == "discovery" and isinstance(digest, Mapping) and isinstance(path, Mapping):
            found[name] = put_paths(dict(digest), path)
        elif name in WEIGHTS and isinstance(digest, str) and str(path).endswith(digest):
            found[name] = path
    return found


def recall_run(path: Path) -> Settings:
    """Settings of the run in a folder, or of the one that wrote an index file.

    Raises `SplitFileError`, `RunFolderError` for a run that is not finished.
    """
    check_finished(path)
    if find_index_file(path).exists() or not path.is_dir():
        return recall_settings(path, read_split(path).metadata)
    return recall_settings(path, {"config": read_record(path).get("config", {})})


def read_record(folder: Path) -> dict[str, Any]:
    """run.json of a folder; {} where there is none. Raises `RunFolderError` for one that cannot be read."""
    try:
        record = parse_json((folder / "run.json").read_bytes(), is_ours=True)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        problem = f"its run.json cannot be read ({error.strerror or error})"
        raise RunFolderError(str(folder), problem, "make the run again") from error
    except JsonError as error:
        raise RunFolderError(str(folder), f"its run.json is {error}", "make the run again") from error
    misfit = find_misfit(record, RecordShape)
    if misfit is not None:
        raise RunFolderError(str(folder), f"its run.json is not one of splitgen: {misfit}", "make the run again")
    found: dict[str, Any] = record
    return found
