"""Do two checkouts of splitgen give the same bytes? A net under a refactoring, which is to change no behaviour.

    python tests/benchmarks/compare_checkouts.py PARENT_DIR [OTHER_DIR=.] [--cases digits fashion]
        [--commands make split verify compare discover] [--shown 1]

Runs each command with a fixed seed and few steps, in one checkout and then in the other, each time in a folder of the
same path, and prints a Markdown table: every Parquet file and every tensor file byte by byte, every figure of run.json
but those of time and machine; for what differs, the first column or JSON path and its two values. Then wall seconds,
CPU seconds (which other work on the machine sways less) and peak memory of each call. Exit code 1 where anything
differs, or a command ends with an error.

A command that needs the outcome of another (`split` and `verify` need `make`) has that run too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

FASHION = Path("/usr/share/datasets/fashion-mnist")
N_ROWS = {"digits": 1_797, "fashion": 2_000}
OWN_TEST_ROWS = 500
GROUP_ROWS = 30  # rows that belong together
OF_MACHINE = {"seconds", "elapsed_seconds", "cpu_seconds", "peak_memory_bytes", "command_line"}
SETTINGS = """
[discovery]
inner_steps = 20
[refinement]
inner_steps = 20
[agreement]
epochs = 2
[sharpening]
rounds = 1
networks = 1
[search]
rows = [400, 800]
"""
FEW = ["--threads", "1", "--seed", "3", "--epochs", "2", "--quiet", "--config", "settings.toml"]
STEPS, REFINEMENT, SEEDS = ["--meta-steps", "3"], ["--refine-steps", "2"], ["--seeds", "2"]
GROUPS = ["--metadata", "columns.csv", "--group-column", "writer"]
SIZES = ["--test-fraction", "0.4", "--reserve-fraction", "0.2", "--validation-fraction", "0.1"]


@dataclass(frozen=True)
class Call:
    """One call of a command, which writes into the folder of its name; needs: calls whose folders it reads."""

    name: str
    command: str
    arguments: list[str]
    needs: tuple[str, ...] = ()


def list_calls(case: str) -> list[Call]:
    """What is run in a case; each way through the stages is taken by one of them."""
    few_split = [*FEW, *REFINEMENT, *SEEDS]
    dataset = "digits" if case == "digits" else "npz:fashion.npz"
    calls = [
        Call("make", "make", [dataset, *few_split, *STEPS, "--validation-fraction", "0.1"]),
        Call("split", "split", ["make", *few_split, "--target", "0,2,4,6,8", *SIZES], ("make",)),
        Call("split-groups", "split", ["make", *few_split, *GROUPS], ("make",)),
        Call("verify", "verify", ["split", *FEW, *SEEDS], ("split",)),
        Call("verify-groups", "verify", ["split-groups", *FEW, *SEEDS, *GROUPS], ("split-groups",)),
        Call("verify-models", "verify", ["make", *FEW, *SEEDS, "--model", "mlp", "--model", "conv"], ("make",)),
        Call(
            "compare",
            "compare",
            [dataset, *few_split, *STEPS, "--target", "0,2,4,6,8", "--split", "split/split.parquet"],
            ("split",),
        ),
        Call("discover", "discover", [dataset, *FEW, *STEPS, "--tasks", "2", "--dim", "3"]),
        Call("discover-exact", "discover", [dataset, *FEW, *STEPS, "--tasks", "1", "--meta-gradient", "exact"]),
    ]
    if case == "fashion":
        calls.append(Call("make-own-test", "make", ["idx:fashion", *few_split, *STEPS]))
    return calls


def choose_calls(calls: Sequence[Call], commands: Sequence[str]) -> list[Call]:
    """The calls of some commands and what they need, in order."""
    chosen = {call.name for call in calls if call.command in commands}
    for call in reversed(calls):
        if call.name in chosen:
            chosen.update(call.needs)
    return [call for call in calls if call.name in chosen]


@dataclass(frozen=True)
class Usage:
    """How one call ended, and what it took. said: what it wrote on its standard error."""

    code: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    said: str


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parent", type=Path)
    parser.add_argument("other", type=Path, nargs="?", default=Path())
    parser.add_argument("--cases", nargs="*", default=["digits", "fashion"], choices=["digits", "fashion"])
    commands = ["make", "split", "verify", "compare", "discover"]
    parser.add_argument("--commands", nargs="*", default=commands, choices=commands)
    parser.add_argument("--shown", type=int, default=1, help="differences shown of a file")
    options = parser.parse_args()
    checkouts = [options.parent.resolve(), options.other.resolve()]
    print("| case | call | file | |\n|---|---|---|---|", flush=True)
    usages: list[tuple[str, Usage, Usage]] = []
    n_different = 0
    with tempfile.TemporaryDirectory() as folder:
        for checkout in checkouts:
            check_import(checkout, Path(folder))
        for case in options.cases:
            if case == "fashion" and not FASHION.is_dir():
                print(f"| fashion | | | left out: {FASHION} is not there |", flush=True)
                continue
            bench = Bench(Path(folder) / case, checkouts, case)
            for call in choose_calls(list_calls(case), options.commands):
                first, second = bench.run_both(call)
                usages.append((f"{case} {call.name}", first, second))
                for name, differences in bench.compare(call, first, second):
                    n_different += bool(differences)
                    print(f"| {case} | {call.name} | {name} | {tell(differences, options.shown)} |", flush=True)
    print_usages(usages)
    print(f"\n{n_different} files differ" if n_different else "\nall identical")
    sys.exit(1 if n_different else 0)


def check_import(checkout: Path, folder: Path) -> None:
    """End where Python would not import the checkout's own splitgen."""
    code = "import splitgen; print(splitgen.__file__)"
    command, environment = [sys.executable, "-c", code], make_environment(checkout)
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if not found.stdout.startswith(f"{checkout}{os.sep}"):
        sys.exit(f"{checkout} is no checkout of splitgen: Python imports {found.stdout or found.stderr}")


def make_environment(checkout: Path) -> dict[str, str]:
    """Of a call: the checkout's package, and one thread."""
    return {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}


class Bench:
    """The folders of a case. Both checkouts work at the same path in turn, so that no path that they write differs;
    between their turns, what they wrote waits in folders `0` and `1` beside it."""

    def __init__(self, folder: Path, checkouts: Sequence[Path], case: str) -> None:
        self.folder, self.checkouts = folder, checkouts
        for which in range(len(checkouts)):
            self.kept(which).mkdir(parents=True)
            write_inputs(self.kept(which), case)

    def kept(self, which: int) -> Path:
        return self.folder / str(which)

    def run_both(self, call: Call) -> tuple[Usage, Usage]:
        """The call in one checkout, and then in the other."""
        return self.run(call, 0), self.run(call, 1)

    def run(self, call: Call, which: int) -> Usage:
        place = self.folder / "work"
        self.kept(which).rename(place)
        command = [sys.executable, "-m", "splitgen", call.command, *call.arguments, "--out", call.name]
        environment = make_environment(self.checkouts[which])
        start = time.monotonic()
        with (place / "said.txt").open("w") as said:
            process = subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=said)
            _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        place.rename(self.kept(which))
        unit = 1 if sys.platform == "darwin" else 1024
        told = (self.kept(which) / "said.txt").read_text()
        return Usage(process.returncode, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * unit, told)

    def compare(self, call: Call, first: Usage, second: Usage) -> Iterator[tuple[str, list[str]]]:
        """Each file that either wrote, and how the two differ in it: [] where they do not."""
        if first.code or second.code:
            said = " ".join((first.said or second.said).split())[-300:]
            yield "exit code", [f"{first.code} and {second.code}: {said}"]
            return
        folders = [self.kept(which) / call.name for which in (0, 1)]
        names = {
            str(path.relative_to(folder))
            for folder in folders
            for pattern in ("*.parquet", "*.safetensors", "run.json")
            for path in folder.rglob(pattern)
        }
        for name in sorted(names):
            yield name, compare_files(folders[0] / name, folders[1] / name)


def write_inputs(folder: Path, case: str) -> None:
    """Settings, columns of a user, and for fashion a part of the dataset, as npz and as IDX files with a test set."""
    (folder / "settings.toml").write_text(SETTINGS)
    ids = np.arange(N_ROWS[case])
    pd.DataFrame({"id": ids, "writer": ids // GROUP_ROWS}).to_csv(folder / "columns.csv", index=False)
    if case == "fashion":
        (folder / "fashion").mkdir()
        write_part("t10k", OWN_TEST_ROWS, folder / "fashion")
        x, y = write_part("train", N_ROWS[case], folder / "fashion")
        np.savez(folder / "fashion.npz", x=x, y=y)


def write_part(part: str, n_rows: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first rows of a part of Fashion-MNIST, into IDX files of the same names; images and labels."""
    found = []
    for name, shape in ((f"{part}-images-idx3-ubyte", (n_rows, 28, 28)), (f"{part}-labels-idx1-ubyte", (n_rows,))):
        with gzip.open(FASHION / f"{name}.gz") as file:
            header = bytearray(file.read(4 + 4 * len(shape)))
            values = file.read(int(np.prod(shape)))
        header[4:8] = n_rows.to_bytes(4, "big")
        (folder / name).write_bytes(bytes(header) + values)
        found.append(np.frombuffer(values, np.uint8).reshape(shape))
    return found[0], found[1]


def compare_files(first: Path, second: Path) -> list[str]:
    """How two files differ."""
    missing = [which for which, path in (("first", first), ("second", second)) if not path.exists()]
    if missing:
        return [f"not in the {missing[0]}"]
    if first.suffix == ".json":
        return list(compare_json(json.loads(first.read_text()), json.loads(second.read_text())))
    if first.read_bytes() == second.read_bytes():
        return []
    if first.suffix == ".parquet":
        return list(compare_parquet(first, second))
    return ["the bytes"]


def compare_json(first: Any, second: Any, path: str = "") -> Iterator[str]:
    """Paths at which two JSON values differ, with the values; what is of time and machine is left out."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for name in dict.fromkeys([*first, *second]):
            at = f"{path}.{name}" if path else str(name)
            if name in OF_MACHINE:
                continue
            if name not in first or name not in second:
                yield f"{at}: not in the {'second' if name in first else 'first'}"
            else:
                yield from compare_json(first[name], second[name], at)
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        for position, (one, other) in enumerate(zip(first, second, strict=True)):
            yield from compare_json(one, other, f"{path}[{position}]")
    elif type(first) is not type(second) or first != second:
        yield f"{path}: {shorten(first)} / {shorten(second)}"


def compare_parquet(first: Path, second: Path) -> Iterator[str]:
    """Columns, and paths in the metadata, in which two tables differ. A table with a column of time has no fixed bytes:
    its other columns count."""
    one, other = pq.read_table(first), pq.read_table(second)
    is_timed = False
    if one.schema.names != other.schema.names:
        yield f"columns: {one.schema.names} / {other.schema.names}"
        return
    differs = False
    for name in one.schema.names:
        is_timed = is_timed or name in OF_MACHINE
        if name in OF_MACHINE or one.column(name).equals(other.column(name)):
            continue
        differs = True
        pairs = zip(one.column(name).to_pylist(), other.column(name).to_pylist(), strict=False)
        row, values = next(((row, pair) for row, pair in enumerate(pairs) if pair[0] != pair[1]), (0, ("", "")))
        yield f"column {name}, row {row}: {shorten(values[0])} / {shorten(values[1])}"
    metadata = [table.schema.metadata or {} for table in (one, other)]
    for key in dict.fromkeys([*metadata[0], *metadata[1]]):
        texts = [each.get(key, b"null") for each in metadata]
        if texts[0] != texts[1]:
            differs = True
            yield from compare_json(json.loads(texts[0]), json.loads(texts[1]), key.decode())
    if not differs and not is_timed:
        yield "the bytes, with the same columns and metadata"


def shorten(value: Any) -> str:
    """A value in a cell of the table."""
    text = repr(value).replace("|", "\\|")
    return text if len(text) <= 100 else f"{text[:97]}..."


def tell(differences: Sequence[str], n_shown: int) -> str:
    """The cell of a file."""
    if not differences:
        return "identical"
    more = f" (and {len(differences) - n_shown} more)" if len(differences) > n_shown else ""
    return f"**differs** in {'; '.join(islice(differences, n_shown))}{more}"


def print_usages(usages: Sequence[tuple[str, Usage, Usage]]) -> None:
    """Seconds and peak memory of each call in both checkouts, and the second's share of the first's."""
    print("\n| call | wall seconds | ratio | CPU seconds | ratio | peak MiB | ratio |\n|---|---|---|---|---|---|---|")
    for name, first, second in usages:
        pairs = [
            (first.wall_seconds, second.wall_seconds, 1),
            (first.cpu_seconds, second.cpu_seconds, 1),
            (first.peak_bytes / 2**20, second.peak_bytes / 2**20, 0),
        ]
        cells = [f"{one:.{digits}f} / {other:.{digits}f} | {other / one:.2f}" for one, other, digits in pairs]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
