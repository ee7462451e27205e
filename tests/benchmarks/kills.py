"""Kill a command at random moments, take it up again, and compare what it gives with an undisturbed run.

python tests/benchmarks/kills.py --kills 30 -- make digits --meta-steps 20 --refine-steps 8

Each run is killed once, at a moment drawn evenly over the time that the undisturbed run took, and gone on with by the
same command. `--signal TERM` asks it to end instead. Printed: how many of the runs gave the same bytes and figures, and
how long both parts took together over the undisturbed run.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CLOCKED = {"seconds", "seconds_before", "resumed", "foretold_seconds", "peak_memory_bytes", "command_line"}
CLOCKED |= {"elapsed_seconds", "cpu_seconds", "tasks"}  # the last: where they were read


def run_splitgen(command: list[str], out: Path, kill_after: float | None, number: int) -> tuple[int, float, str]:
    """Exit code, seconds and errors of a command; by negative signal where it was killed."""
    start = time.monotonic()
    line = [sys.executable, "-m", "splitgen", *command, "--out", str(out)]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _, told = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        _, told = process.communicate()
    return process.returncode, time.monotonic() - start, told


def drop_clocked(value: Any) -> Any:
    """What a run found, without what the clock says."""
    if isinstance(value, dict):
        return {name: drop_clocked(each) for name, each in value.items() if name not in CLOCKED}
    return [drop_clocked(each) for each in value] if isinstance(value, list) else value


def list_differences(out: Path, expected: Path) -> list[str]:
    """What two run folders have otherwise."""
    found = []
    for path in sorted(expected.rglob("*")):
        other = out / path.relative_to(expected)
        if path.name == "run.json":
            same = drop_clocked(json.loads(path.read_text())) == drop_clocked(json.loads(other.read_text()))
        elif path.suffix in (".parquet", ".safetensors") and path.name != "comparison.parquet":
            same = other.exists() and path.read_bytes() == other.read_bytes()
        else:
            continue
        if not same:
            found.append(path.name)
    found += [path.name for path in out.iterdir() if not (expected / path.name).exists()]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", choices=("KILL", "TERM", "INT", "HUP"), default="KILL")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    command, rng = [word for word in given.command if word != "--"], random.Random(given.seed)
    number = getattr(signal, f"SIG{given.signal}")
    with tempfile.TemporaryDirectory() as folder:
        expected = Path(folder) / "undisturbed"
        code, seconds, told = run_splitgen(command, expected, None, number)
        if code != 0:
            sys.exit(told)
        print(f"undisturbed: {seconds:.1f} s", flush=True)
        n_same, overheads = 0, []
        for which in range(given.kills):
            out, moment = Path(folder) / str(which), rng.uniform(0, seconds)
            first, lasted, _ = run_splitgen(command, out, moment, number)
            is_done = first == 0 or (out / "run.json").exists() and not (out / "states").exists()
            second, more, told = (0, 0.0, "") if is_done else run_splitgen(command, out, None, number)
            differences = [told.strip()] if second != 0 else list_differences(out, expected)
            n_same += not differences
            overheads.append(lasted + more - seconds)
            result = "the same" if not differences else f"DIFFERS: {', '.join(differences)}"
            print(f"{which}: ended with {first} at {moment:.1f} s, then {second}, {more:.1f} s; {result}", flush=True)
        print(f"{n_same} of {given.kills} gave the same bytes and figures; over the undisturbed run they took")
        print(f"{statistics.median(overheads):.1f} s more, at most {max(overheads):.1f} (a start of Python among them)")


if __name__ == "__main__":
    main()
