"""What an unfinished run has come to, in a folder of its own below that of the run.

Small results are kept many at a time, in bundles; where a long piece of work stands, in a file that takes the place of
the one before. Writing is spaced so that it takes under `SHARE` of the time, and nothing younger than `SECONDS` is
written again unasked.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from splitgen.claims import STATES
from splitgen.errors import RunFolderError
from splitgen.json_text import parse_json
from splitgen.keeping import Keeper, Slot, State, digest_parts
from splitgen.parquet import replacing
from splitgen.stopping import check_stop, is_asked

SECONDS = 5.0  # of work between two states of a piece of work
SHARE = 0.005  # of the time, what the states of one piece of work may take; two trainings, bundles and decisions: 2 %
TOLD = "splitgen"
DECISIONS = "decisions"
ATTEMPT = "attempt"


def write_state(state: State, path: Path) -> None:
    """A safetensors file: what is told, and how tensors lie in memory, are its metadata."""
    tensors = {name: value.detach().cpu() for name, value in state.tensors.items()}
    strides = {name: value.stride() for name, value in tensors.items() if value.stride() != plain_strides(value)}
    about = {"told": state.told, "strides": strides, "cpu_seconds": time.process_time()}
    metadata = {TOLD: json.dumps(about, allow_nan=False)}
    with replacing(path) as temporary:
        save_file({name: value.contiguous() for name, value in tensors.items()}, temporary, metadata=metadata)


def plain_strides(value: torch.Tensor) -> tuple[int, ...]:
    """Strides of a tensor of this shape that lies in memory row by row."""
    return torch.empty(value.shape, device="meta").stride()


def read_state(path: Path, prefix: str = "") -> State:
    """What `write_state` wrote; of a bundle, the tensors behind a prefix. Raises `RunFolderError` for a file that is
    none."""
    about = read_about(path)
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
            tensors = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise broken_error(path, error) from error
    for full_name, strides in about["strides"].items():
        if full_name.startswith(prefix):
            name = full_name.removeprefix(prefix)
            laid = torch.empty_strided(tensors[name].shape, strides, dtype=tensors[name].dtype)
            tensors[name] = laid.copy_(tensors[name])
    return State(tensors, about["told"])


def read_about(path: Path) -> dict[str, Any]:
    """What a state's file tells beside its tensors. Raises `RunFolderError`."""
    try:
        with safe_open(path, framework="pt") as file:
            about = parse_json(file.metadata()[TOLD], is_ours=True)
        shape = {"told": dict, "strides": dict, "cpu_seconds": float}
        if any(not isinstance(about[name], kind) for name, kind in shape.items()):
            raise ValueError("it is not one of splitgen")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise broken_error(path, error) from error
    found: dict[str, Any] = about
    return found


def broken_error(path: Path, error: Exception) -> RunFolderError:
    problem = f"'{path.name}' of its states cannot be read ({str(error).splitlines()[0]})"
    return RunFolderError(str(path.parent.parent), problem, "take the folder away, and begin anew")


@dataclass
class Spacing:
    """When to write again: after `SECONDS`, and after so long that the last writing is `SHARE` of the time."""

    since: float = field(default_factory=time.monotonic)
    cost: float = 0.0
    costs: list[float] = field(default_factory=list)  # of each writing; all of a keeper's have one

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self.since > max(SECONDS, self.cost / SHARE)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.since = time.monotonic()
        self.cost = self.since - start
        self.costs.append(self.cost)


class FolderSlot(Slot):
    """A file of the states folder for one piece of work."""

    def __init__(self, path: Path, costs: list[float]) -> None:
        self.path, self.spacing = path, Spacing(costs=costs)

    def load(self) -> State | None:
        return read_state(self.path) if self.path.exists() else None

    def offer(self, make: Callable[[], State], now: bool = False) -> None:
        if now or self.spacing.is_due or is_asked():
            self.keep(make())
        check_stop()

    def keep(self, state: State) -> None:
        with self.spacing.writing():
            write_state(state, self.path)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


class StateKeeper(Keeper):
    """Keeps states in the folder of a run. Raises `RunFolderError` where they cannot be read, `OSError` where they
    cannot be written."""

    def __init__(self, run_folder: Path) -> None:
        self.folder = run_folder / STATES
        self.lock, self.costs = threading.RLock(), list[float]()
        self.spacing = Spacing(costs=self.costs)
        self.pending: dict[str, State] = {}
        self.finished: list[FolderSlot] = []  # whose work is done, and waits in `pending` to be written
        self.bundles = sorted(self.folder.glob("results-*.safetensors"))
        self.bundle_of = {key: path for path in self.bundles for key in read_keys(path)}
        self.decisions: dict[str, Any] = dict(self.load_decisions())
        self.elapsed, self.cpu_before = self.begin_attempt()

    def load_decisions(self) -> Mapping[str, Any]:
        path = self.folder / f"{DECISIONS}.safetensors"
        return read_state(path).told if path.exists() else {}

    def begin_attempt(self) -> tuple[float, float]:
        """Note that a process begins, or goes on; seconds that those before it were at work, and of the CPU."""
        before = self.decisions.get(ATTEMPT, {"number": 0, "elapsed": 0.0, "cpu_seconds": 0.0})
        elapsed, cpu_seconds = float(before["elapsed"]), float(before["cpu_seconds"])
        last = max(self.folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime, default=None)
        if last is not None:  # the last sign of life of the process before
            elapsed += max(0.0, last.stat().st_mtime - before["started"])
            cpu_seconds += read_about(last)["cpu_seconds"]
        self.decisions[ATTEMPT] = {
            "number": before["number"] + 1,
            "started": time.time(),
            "elapsed": elapsed,
            "cpu_seconds": cpu_seconds,
        }
        self.slot(DECISIONS).keep(State(told=self.decisions))
        return elapsed, cpu_seconds

    @property
    def writing_seconds(self) -> float:
        """What this process took to write states, in all threads."""
        return sum(self.costs)

    def spent(self) -> float:
        return self.cpu_before + time.process_time()

    @property
    def n_resumed(self) -> int:
        """How often the run was taken up."""
        return int(self.decisions[ATTEMPT]["number"]) - 1

    def slot(self, name: str) -> FolderSlot:
        return FolderSlot(self.folder / f"{name}.safetensors", self.costs)

    def recall(self, key: tuple[Any, ...], compute: Callable[[Slot], State]) -> State:
        name = digest_parts(*key)
        with self.lock:
            if name in self.pending:
                return self.pending[name]
            path = self.bundle_of.get(name)
        if path is not None:
            kept = read_state(path, f"{name}/")
            return State(kept.tensors, kept.told[name])
        check_stop()
        slot = self.slot(f"training-{name[:24]}")
        state = compute(slot)
        copied = {part: value.detach().cpu().clone() for part, value in state.tensors.items()}
        with self.lock:
            self.pending[name] = State(copied, state.told)
            self.finished.append(slot)
            if self.spacing.is_due or is_asked():
                self.flush()
        check_stop()
        return state

    def decide(self, name: str, choose: Callable[[], Any]) -> Any:
        if name not in self.decisions:
            chosen = json.loads(json.dumps(choose(), allow_nan=False))  # as another process reads it
            with self.lock:
                self.flush()
                self.decisions[name] = chosen
                self.slot(DECISIONS).keep(State(told=self.decisions))
        return self.decisions[name]

    def flush(self) -> None:
        """Write what is pending."""
        with self.lock:
            if self.pending:
                tensors = {}
                for key, state in self.pending.items():
                    tensors.update({f"{key}/{name}": value for name, value in state.tensors.items()})
                told = {key: state.told for key, state in self.pending.items()}
                path = self.folder / f"results-{len(self.bundles):05d}.safetensors"
                with self.spacing.writing():
                    write_state(State(tensors, told), path)
                self.bundles.append(path)
                self.bundle_of.update(dict.fromkeys(self.pending, path))
                self.pending = {}
            for slot in self.finished:
                slot.clear()
            self.finished = []

    def discard(self) -> None:
        """Take all states away, those of a run that is whole: in one step, so that no part is ever taken for all."""
        with self.lock:
            done = self.folder.with_name(f".{STATES}-done")
            self.folder.rename(done)
            shutil.rmtree(done, ignore_errors=True)


def read_keys(path: Path) -> list[str]:
    """The keys of a bundle's results."""
    return list(read_about(path)["told"])
