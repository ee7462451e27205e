"""How much memory opening, `discover` and `split` take, and how long, by the number of images.

    python tests/benchmarks/memory.py --images 10000 100000 1000000

makes images of 32 x 32 x 3 (`made_files.Blobs`), decodes them into a cache, discovers tasks in few steps, and makes and
verifies a split, with explanation and report; each size in a process of its own. Prints seconds by stage, and the peak
of the process's own memory (RssAnon in /proc, twenty times in four seconds): mapped files are not in it, as the system
may drop them whenever it needs the room. With --light the networks are small: what they take is the same for any number
of images, and nearly all of the time. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from made_files import Blobs

from splitgen.data.dataset import ImageDataset
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.models.registry import find_model
from splitgen.runs import stages
from splitgen.runs.run import Run, open_run
from splitgen.screen.console import Screen
from splitgen.settings.layers import build_config, merge_settings
from splitgen.settings.stages import DataConfig, RunConfig
from splitgen.tasks.tasks_file import read_tasks

SAMPLE_SECONDS = 0.2
SETTINGS = {
    "training": {"epochs": 1},
    "discovery": {"meta_steps": 3, "inner_steps": 20},
    "refinement": {"meta_steps": 2, "inner_steps": 20},
    "agreement": {"max_rows": 2000},
    "search": {"rows": [1000, 2000], "max_trained": 4},
    "sharpening": {"rounds": 1, "networks": 1, "candidates": 1},
    "verification": {"seeds": 2},
}
LIGHT = {"model": "mlp", "discovery": {"encoder_width": 4}}


class Sampler(threading.Thread):
    """The peak of this process's own memory since it was asked last, in bytes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0

    def run(self) -> None:
        while True:
            self.look()
            time.sleep(SAMPLE_SECONDS)

    def look(self) -> None:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
        self.peak = max(self.peak, int(line.split()[1]) * 1024)

    def take(self) -> int:
        self.look()
        peak, self.peak = self.peak, 0
        return peak


def measure(n_images: int, is_light: bool, cache: Path, out: Path) -> None:
    """Run all stages on so many images, and print seconds and peaks by stage as one JSON object."""
    sampler, rows = Sampler(), {}
    sampler.start()
    torch.set_num_threads(1)

    def note(stage: str, start: float) -> float:
        rows[stage] = (time.monotonic() - start, sampler.take())
        print(f"{n_images} {stage} {rows[stage][0]:.1f} s, {rows[stage][1] / 2**20:.0f} MiB", file=sys.stderr)
        return time.monotonic()

    start = time.monotonic()
    config = build_config(merge_settings(SETTINGS, LIGHT if is_light else {}))
    pictures, ids = Blobs(n_images), tuple(map(str, range(n_images)))
    names = tuple(f"class {c}" for c in range(pictures.n_classes))
    listing = Listing("made:blobs", pictures, np.arange(n_images) % pictures.n_classes, ids, names)
    start = note("start", start)
    dataset = decode_listing(listing, DataConfig("made:blobs", cache=str(cache)))
    start = note("open", start)
    dataset = decode_listing(listing, DataConfig("made:blobs", cache=str(cache)))
    start = note("open again", start)
    stages.discover(start_run(config, dataset, out / "discover", "discover"))
    start = note("discover", start)
    run = start_run(config, dataset, out / "split", "split")
    tasks_path = out / "discover" / "tasks.parquet"
    stages.resplit(run, read_tasks(tasks_path), tasks_path)
    note("split", start)
    print(json.dumps({"images": n_images, "stages": rows, "seconds": run.record["seconds"]}))


def start_run(config: RunConfig, dataset: ImageDataset, out: Path, command: str) -> Run:
    """A run of a command on a dataset that is open."""
    model = find_model(config.model)
    return open_run(config, model, Screen(quiet=True), "cpu", out, command, dataset=dataset)


def print_table(found: list[dict[str, Any]]) -> None:
    """Seconds and MiB by stage, a row for each number of images."""
    names = list(found[0]["stages"])
    print(f"| images | {' | '.join(f'{name}, s' for name in names)} | {' | '.join(f'{name}, MiB' for name in names)} |")
    print("|---" * (1 + 2 * len(names)) + "|")
    for each in found:
        cells = [f"{seconds:.0f}" for seconds, _ in each["stages"].values()]
        cells += [f"{peak / 2**20:.0f}" for _, peak in each["stages"].values()]
        print(f"| {each['images']:,} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--folder", help="for the cache and the results (default a temporary folder)")
    parser.add_argument("--light", action="store_true", help="small networks, whose memory no count of images changes")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is not None:
        measure(given.measure, given.light, Path(given.folder) / "cache", Path(given.folder) / str(given.measure))
        return
    found = []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for n_images in given.images:
            command = [sys.executable, __file__, "--measure", str(n_images), "--folder", folder]
            command += ["--light"] if given.light else []
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(found[-1]["seconds"]), file=sys.stderr)
    print_table(found)


if __name__ == "__main__":
    main()
