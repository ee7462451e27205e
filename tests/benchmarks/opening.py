"""How fast a dataset of many JPEG files is opened, beside a plain loop of Pillow in two processes.

    python tests/benchmarks/opening.py --images 100000

makes JPEG files of 128 pixels a side (a gradient and noise, of about 5 kB) in a temporary folder, and prints images a
second of the plain loop (open, convert, resize, in so many processes) and of `decode_listing`, their ratio, the
seconds of a second opening, and the peak memory. Both loops are run in turn, as often as asked, and the best counts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from made_files import Files
from PIL import Image

import splitgen.data.dataset  # noqa: F401  what the command line has loaded by then
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.settings.stages import DataConfig

FILES_A_FOLDER = 1000


def make_images(root: Path, n_images: int, side: int, seed: int) -> list[str]:
    """JPEG files of a gradient and noise, below folders of a thousand; their paths. Two classes take turns."""
    rng, paths = np.random.default_rng(seed), []
    y, x = np.mgrid[0:side, 0:side] / side
    noise = rng.normal(0, 12, (64, side, side, 3))
    for number in range(n_images):
        slopes, colours = rng.uniform(-1, 1, 2), rng.uniform(40, 200, 3)
        pixels = (x * slopes[0] + y * slopes[1])[..., None] * 60 + colours + noise[number % 64]
        path = f"{number % 2}/{number // FILES_A_FOLDER}/{number}.jpg"
        if number % FILES_A_FOLDER < 2:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / path, quality=85)
        paths.append(path)
    return paths


def load_plainly(paths: list[str]) -> int:
    """Open, convert and resize each file."""
    for path in paths:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR))
    return len(paths)


def time_plain(root: Path, paths: list[str], n_processes: int) -> float:
    """Seconds of the plain loop in so many processes, which are started before the clock is."""
    parts = [[str(root / path) for path in paths[at::n_processes]] for at in range(n_processes)]
    with multiprocessing.get_context("spawn").Pool(n_processes) as pool:
        pool.map(load_plainly, [part[:1] for part in parts], chunksize=1)
        start = time.perf_counter()
        pool.map(load_plainly, parts, chunksize=1)
        return time.perf_counter() - start


def time_opening(root: Path, paths: list[str], cache: Path) -> float:
    """Seconds of `decode_listing`, from the files or from the cache."""
    labels = np.array([int(path[0]) for path in paths])
    start = time.perf_counter()
    listing = Listing("folder:made", Files(root, tuple(paths)), labels, tuple(paths), ("even", "odd"))
    dataset = decode_listing(listing, DataConfig("folder:made", image_size=32, cache=str(cache)))
    assert len(dataset) == len(paths)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--processes", type=int, default=2, help="of the plain loop")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--folder", help="where the files are made (default a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        root, plain, opened = Path(name), [], []
        paths = make_images(root / "images", given.images, given.side, seed=0)
        for repeat in range(given.repeats):
            plain.append(time_plain(root / "images", paths, given.processes))
            opened.append(time_opening(root / "images", paths, root / f"cache-{repeat}"))
            print(f"plain loop {plain[-1]:.2f} s, opening {opened[-1]:.2f} s", file=sys.stderr, flush=True)
        again = time_opening(root / "images", paths, root / "cache-0")
        rates = given.images / min(plain), given.images / min(opened)
        print("| images | plain loop, images/s | opening, images/s | ratio | second opening, s | peak MiB |")
        print("|---|---|---|---|---|---|")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        cells = [f"{rates[0]:.0f}", f"{rates[1]:.0f}", f"{rates[1] / rates[0]:.2f}", f"{again:.2f}", f"{peak:.0f}"]
        print(f"| {given.images} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
