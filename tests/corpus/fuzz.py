"""Fuzz the readers: as many changed files as a time allows, by chance or guided by coverage (atheris).

    python tests/corpus/fuzz.py [--reader "index file" ...] [--seconds 60] [--seed 0] [--finds FOLDER]
    python tests/corpus/fuzz.py --reader "index file" --seconds 60 --atheris

Prints a Markdown row for each reader: files tried, files a second, how many were taken and how many refused in one
line, and how many different faults came up (tracebacks, more than 10 seconds, or a GiB of memory for one file), each
with the file that made it. What ends the process leaves its file, too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

LIMIT = 10  # seconds of CPU for one file
MOST = 1024  # MiB that one file may add to the peak of the process
LONG = 120  # seconds by the clock: a machine that is busy with something else is no hang


class HangError(BaseException):
    """A file takes too long; no reader takes it for a fault of the file."""


def read_peak() -> int:
    """The most memory of the process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@dataclass
class Tally:
    """What came of the files of one reader. faults: where each different one was raised, and how often."""

    name: str
    finds: Path
    start: float = field(default_factory=time.monotonic)
    taken: int = 0
    refused: int = 0
    peak: int = field(default_factory=read_peak)
    faults: dict[str, int] = field(default_factory=dict)

    def try_one(self, reader: Any, try_to_read: Callable[[Any, bytes], bool], data: bytes) -> None:
        try:
            with limited(LIMIT):
                if try_to_read(reader, data):
                    self.taken += 1
                else:
                    self.refused += 1
        except (Exception, HangError) as error:  # whatever comes is what is looked for
            self.keep(error, data)
        before, self.peak = self.peak, read_peak()
        if self.peak > before + MOST:
            self.keep(MemoryError(f"{self.peak - before} MiB for {len(data)} bytes"), data)

    def keep(self, error: BaseException, data: bytes) -> None:
        """A fault and its file, the first of its kind."""
        last = [each for each in traceback.extract_tb(error.__traceback__) if "splitgen/" in each.filename][-1:]
        place = f"{Path(last[0].filename).name}:{last[0].lineno}" if last else "?"
        kind = f"{type(error).__name__} in {place}: {' '.join(str(error).split())[:100]}"
        key = f"{type(error).__name__} in {place}"
        known = next((each for each in self.faults if each.startswith(key)), None)
        if known is not None:
            self.faults[known] += 1
            return
        self.faults[kind] = 1
        file = self.finds / f"{self.name.replace(' ', '-')}-{len(self.faults)}"
        file.write_bytes(data)
        print(f"find: {kind} ({file})\n{''.join(traceback.format_exception(error)[-6:])}", file=sys.stderr, flush=True)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.start

    def tell(self) -> str:
        total = self.taken + self.refused + sum(self.faults.values())
        cells = (self.name, total, f"{total / self.seconds:.0f}", self.taken, self.refused, len(self.faults))
        return f"| {' | '.join(map(str, cells))} |"


@contextlib.contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise `HangError` in the block after these seconds of CPU, or after `LONG`."""

    def give_up(number: int, frame: Any) -> None:
        raise HangError(f"still at work after {seconds} s")

    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, LONG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


def fuzz_by_chance(readers: Any, reader: Any, tally: Tally, seconds: float, seed: int) -> None:
    """Changes of good files, and changes of these."""
    chance, seeds = Random(f"{seed}/{tally.name}"), readers.list_seeds(reader)
    while tally.seconds < seconds:
        data = chance.choice(seeds)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            data = reader.mutate(data, chance)
        tally.try_one(reader, readers.try_to_read, data)


def fuzz_by_coverage(readers: Any, reader: Any, tally: Tally, seconds: float, seed: int) -> None:
    """Changes of files that reached new code; ends the process."""
    import atheris

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        chance = Random(seed)
        changed = reader.mutate(data, chance) if chance.random() < 0.7 else atheris.Mutate(data, max_size)
        return changed[:max_size]

    def run(data: bytes) -> None:
        tally.try_one(reader, readers.try_to_read, data)
        if tally.seconds > seconds:
            print(tally.tell(), flush=True)
            os._exit(0)

    seeds = readers.list_seeds(reader)
    most = max(200_000, 2 * max(map(len, seeds)))  # bytes: what is longer is cut, and a good file would be none
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds):
            (Path(corpus) / str(number)).write_bytes(data)
        flags = ["-timeout=0", "-rss_limit_mb=8192", f"-max_len={most}", "-verbosity=0", f"-seed={seed + 1}"]
        flags += [f"-artifact_prefix={tally.finds}/", corpus]
        atheris.Setup([sys.argv[0], *flags], run, custom_mutator=change)
        atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reader", action="append")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finds", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--atheris", action="store_true", help="guided by coverage, of one reader")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.atheris:
        import atheris

        with atheris.instrument_imports(include=["splitgen"]):
            import readers
    else:
        import readers
    import good_files

    finds = options.finds.absolute()
    finds.mkdir(exist_ok=True)
    warnings.simplefilter("error")  # a warning is a second line on the screen
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with contextlib.redirect_stdout(sys.stderr):
            good_files.make_good(Path(folder))
        print("| reader | files | a second | taken | refused | faults |\n|---|---|---|---|---|---|", flush=True)
        for name in options.reader or readers.READERS:
            reader = readers.READERS[name]
            before = Path(reader.place).read_bytes() if os.path.exists(reader.place) else None
            tally = Tally(name, finds)
            (fuzz_by_coverage if options.atheris else fuzz_by_chance)(
                readers, reader, tally, options.seconds, options.seed
            )
            print(tally.tell(), flush=True)
            if before is not None:
                Path(reader.place).write_bytes(before)


if __name__ == "__main__":
    main()
