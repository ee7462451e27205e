"""The run folder: what a run has found, by key, each saved whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splitgen.json_text import parse_json
from splitgen.parquet import write_json, write_text
from splitgen.splits.split import read_split, write_split
from splitgen.tasks.tasks_file import ENCODER_FILE, read_encoder, read_tasks, write_encoder, write_tasks


@dataclass(frozen=True)
class Kind:
    """How states of one kind are held. name: of the file below the folder; save and load: called with its path."""

    name: Path
    save: Callable[[Any, Path], None]
    load: Callable[[Path], Any]


def read_json(path: Path) -> Any:
    return parse_json(path.read_bytes(), is_ours=True)


KINDS: dict[str, Kind] = {
    "split": Kind(Path("split.parquet"), write_split, read_split),
    "tasks": Kind(Path("tasks.parquet"), write_tasks, read_tasks),
    "encoder": Kind(ENCODER_FILE, write_encoder, read_encoder),
    "record": Kind(Path("run.json"), write_json, read_json),
    "report": Kind(Path("report.html"), write_text, lambda path: path.read_text(encoding="utf-8")),
}


@dataclass(frozen=True)
class Store:
    """States of a run by key: a name of `KINDS`, or "KIND/NAME" for one of several. folder: None keeps nothing."""

    folder: Path | None

    def find(self, key: str) -> tuple[Kind, Path]:
        """The kind of a key, and its file. Raises `KeyError` for another kind, `ValueError` where nothing is kept."""
        kind_name, _, name = key.partition("/")
        kind = KINDS[kind_name]
        if self.folder is None:
            raise ValueError("this run keeps nothing")
        return kind, self.folder / (kind.name.with_name(f"{name}{kind.name.suffix}") if name else kind.name)

    def save(self, key: str, state: Any) -> None:
        """Keep a state; an earlier one of the same key is replaced in one step."""
        if self.folder is not None:
            kind, path = self.find(key)
            path.parent.mkdir(exist_ok=True)
            kind.save(state, path)

    def load(self, key: str) -> Any:
        """A state that was kept. Raises the error of its file where there is none, or where it is broken."""
        kind, path = self.find(key)
        return kind.load(path)

    def has(self, key: str) -> bool:
        return self.folder is not None and self.find(key)[1].exists()
