"""From pictures to their pixels in the cache: each read once, by worker processes where that pays.

The size, the channels and the range that all images are decoded with depend on all of their headers. These are foreseen
by a few images, and all are decoded by what is foreseen while their headers are looked at; where these tell otherwise,
it is done again. So images are nearly always read once, and the result is as if all headers had been read first.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from splitgen.archives import tell_size
from splitgen.data.cache.chunks import DECODE, LOOK, READ, READABLE, RECORD, Chunk, Order, read_chunk
from splitgen.data.cache.entries import (
    Entry,
    State,
    Writer,
    default_folder,
    free_bytes,
    make_key,
    name_entry,
    prepare_folder,
    wait_for,
)
from splitgen.data.cache.fingerprint import Fingerprint
from splitgen.data.cache.progress import tell_progress
from splitgen.data.cache.sizing import choose_preprocessing, has_ranges, is_contradicted
from splitgen.data.cache.workers import WorkerError, count_cpus, map_orders
from splitgen.data.pixels.decode import DecodeError, Preprocessing
from splitgen.data.pixels.encoded import Pictures
from splitgen.errors import CacheError, DeadWorkerError, SourceError
from splitgen.settings.stages import DataConfig

FORESEEN_BLOCKS, BLOCK_ROWS = 4, 32  # rows looked at first; in blocks, as a table gives rows that lie side by side
WORKERS_PAY = 2.0  # seconds of work from which on workers, which take 0.3 s to start, are worth it
CHUNK_BYTES, CHUNK_SECONDS, MAX_CHUNK_ROWS = 4_000_000, 0.25, 256
TRIES = 3  # to make an entry that somebody clears
KEEP_SECONDS = 3.0  # between two times that what is decoded is made safe


class UnforeseenError(Exception):
    """Images are to be decoded otherwise than was foreseen. right: by this; is_exact: by all that can be decoded, and
    not by all headers."""

    def __init__(self, right: Preprocessing, *, is_exact: bool) -> None:
        self.right, self.is_exact = right, is_exact
        super().__init__()


class ChangedError(Exception):
    """Images that were decoded are not what they were then, though their stamp is."""


@dataclass(frozen=True)
class Job:
    """What is to be decoded. preprocessing: how; None leaves it to the settings and the images. ids, labels: of the
    fingerprint; None for pictures that have none."""

    source: str
    pictures: Pictures
    config: DataConfig
    preprocessing: Preprocessing | None = None
    ids: Sequence[str] | None = None
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Decoded:
    """What became of N pictures.

    pixels: uint8 [N, channels, size, size], mapped; zero for one that cannot be read. records: `RECORD` [N]. problems:
    by row, why one cannot be read. fingerprint: of those that can; "" where none was asked for. notes: for the user.
    """

    preprocessing: Preprocessing
    pixels: np.ndarray
    records: np.ndarray
    problems: dict[int, str]
    fingerprint: str
    notes: tuple[str, ...]


def decode_pictures(job: Job) -> Decoded:
    """All pictures, from the cache where they are in it.

    Raises `CacheError` for a cache folder that cannot be used or is full, `DeadWorkerError`, `SourceError` for images
    whose values have no range in common, and what the pictures raise.
    """
    stamp = job.pictures.stamp()
    folder, is_kept, notes = choose_folder(job.config, stamp)
    if job.preprocessing is None:
        wish = {name: getattr(job.config, name) for name in ("image_size", "resize", "background")}
    else:
        wish = dataclasses.asdict(job.preprocessing)
    parts = {"stamp": stamp, "n_images": len(job.pictures), "wish": wish, "fields": list_fields()}
    key = make_key(**parts, pillow=PIL.__version__)
    entry = Entry(folder / name_entry(job.source, key), key)
    try:
        state, fingerprint, found = make_mapped(entry, job)
    except DecodeError as error:
        raise SourceError(job.source, str(error), "give images of one kind") from error
    except OSError as error:
        raise tell_fault(folder, error) from error
    finally:
        if not is_kept and os.name == "posix":
            shutil.rmtree(folder, ignore_errors=True)  # a mapped file stays without its name
    if not is_kept and os.name != "posix":
        weakref.finalize(found[0], shutil.rmtree, folder, ignore_errors=True)
    return Decoded(Preprocessing(**state.preprocessing), *found, dict(state.problems), fingerprint, notes)


def make_mapped(entry: Entry, job: Job) -> tuple[State, str, tuple[np.ndarray, np.ndarray]]:
    """The state of the whole entry, the fingerprint, and pixels and records, mapped; made again where somebody clears
    the cache in between."""
    for left in reversed(range(TRIES)):
        try:
            state, fingerprint = make_entry(entry, job)
            return state, fingerprint, (entry.map_pixels(state), entry.map_records(state))
        except FileNotFoundError:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def list_fields() -> list[str]:
    """Of the preprocessing: entries that were made by another one are of no use."""
    return [field.name for field in dataclasses.fields(Preprocessing)]


def choose_folder(config: DataConfig, stamp: str) -> tuple[Path, bool, tuple[str, ...]]:
    """Where entries are kept, whether they are, and a note where they are not though they could be."""
    notes: tuple[str, ...] = ()
    if stamp:
        try:
            folder = default_folder() if config.cache is None else Path(config.cache)
            prepare_folder(folder)
            return folder, True, notes
        except OSError as error:
            if config.cache is not None:
                problem = f"it cannot be used ({error.strerror})"
                raise CacheError(config.cache, problem, "give another folder to --cache") from error
            problem = f"'{error.filename}': {error.strerror}"
        except (RuntimeError, CacheError) as error:
            if config.cache is not None:
                raise
            problem = str(error)
        notes = (f"decoded images are not kept for the next time ({problem}); --cache FOLDER keeps them",)
    try:
        return Path(tempfile.mkdtemp(prefix="splitgen-")), False, notes
    except OSError as error:
        raise tell_fault(Path(tempfile.gettempdir()), error) from error


def tell_fault(folder: Path, error: OSError) -> CacheError:
    return CacheError(str(folder), f"it cannot be used ({error.strerror or error})", "give another folder to --cache")


def make_entry(entry: Entry, job: Job) -> tuple[State, str]:
    """The state of the whole entry, made by this process or by another one, and the fingerprint."""
    while True:
        state, claim = read_lasting(entry, job), None
        if state is not None and job.ids is None:
            return state, ""
        if state is not None and hash_identity(job, state) in state.fingerprints:
            return state, state.fingerprints[hash_identity(job, state)]
        claim = entry.claim()
        if claim is None:
            tell_progress(wait_for(entry), len(job.pictures))
            continue
        try:
            state = read_lasting(entry, job)
            if state is None or not add_fingerprint(entry, job, state):
                fill_entry(entry, job)
        finally:
            claim.release()


def read_lasting(entry: Entry, job: Job) -> State | None:
    """The state of an entry that is complete; None where an image can be read now that could not be then, as after too
    many open files, or without a reader that Pillow has been taught since."""
    state = entry.read_whole()
    if state is None:
        return None
    preprocessing = Preprocessing(**state.preprocessing)
    orders = (Order(DECODE, range(row, row + 1), preprocessing) for row in state.problems)
    return None if any(not read_chunk(job.pictures, order).problems for order in orders) else state


def hash_identity(job: Job, state: State) -> str:
    """What tells apart the fingerprints of one entry: ids and labels of the images that can be read."""
    return finish_fingerprint(Fingerprint(), job, state.problems)


def finish_fingerprint(fingerprint: Fingerprint, job: Job, problems: Mapping[int, str]) -> str:
    """With ids and labels of the images that can be read."""
    if job.ids is None or job.labels is None:
        return ""
    if not problems:
        return fingerprint.finish(job.ids, job.labels)
    kept = [row for row in range(len(job.ids)) if row not in problems]
    return fingerprint.finish([job.ids[row] for row in kept], job.labels[kept])


def add_fingerprint(entry: Entry, job: Job, state: State) -> bool:
    """Find the fingerprint of a whole entry's images with other ids or labels, by reading the images again; False where
    they are others by now than they were."""
    fingerprint = Fingerprint()
    if not read_again(fingerprint, job, entry.map_records(state)):
        return False
    found = {**state.fingerprints, hash_identity(job, state): finish_fingerprint(fingerprint, job, state.problems)}
    entry.write_state(dataclasses.replace(state, fingerprints=found))
    return True


def read_again(fingerprint: Fingerprint, job: Job, records: np.ndarray) -> bool:
    """Add the bytes of the first images to a fingerprint, which cannot be kept half-made; whether they are what they
    were when these records [n] were made."""
    with closing(carry_out(job, READ, range(len(records)))) as chunks:
        for chunk in chunks:
            before = records[chunk.rows.start : chunk.rows.stop]
            told = before["state"] == READABLE
            if (chunk.records["digest"] != before["digest"])[told].any() or (chunk.records["state"][told] != 1).any():
                return False
            for row, part in chunk.stream_raw():
                if told[row - chunk.rows.start]:
                    fingerprint.add(part)
            tell_progress(chunk.rows.stop, len(job.pictures))
    return True


def fill_entry(entry: Entry, job: Job) -> None:
    """Make an entry that is claimed, from where an earlier process ended."""
    state = entry.read_state()
    if state is None or state.is_complete:  # whole by its own word, and yet not read: it is damaged
        state = foresee(entry, job)
    while not state.is_complete:
        check_room(entry, state)
        try:
            state = decode_rest(entry, job, state)
        except UnforeseenError as error:
            state = begin_state(entry, job, error.right, is_exact=error.is_exact)
        except ChangedError:
            state = foresee(entry, job)


def begin_state(entry: Entry, job: Job, preprocessing: Preprocessing, *, is_exact: bool) -> State:
    """Of an entry of which nothing is decoded."""
    shape = (len(job.pictures), preprocessing.channels, preprocessing.size, preprocessing.size)
    return State(entry.key, job.source, shape, dataclasses.asdict(preprocessing), is_exact)


def foresee(entry: Entry, job: Job) -> State:
    """How images are to be decoded, as far as it can be told by some of them; of images whose values are no bytes, by
    all of them, as their range is in each one's pixels."""
    if job.preprocessing is not None:
        return begin_state(entry, job, job.preprocessing, is_exact=True)
    n_images = len(job.pictures)
    starts = np.linspace(0, max(0, n_images - BLOCK_ROWS), FORESEEN_BLOCKS).astype(int).tolist()
    if n_images <= FORESEEN_BLOCKS * BLOCK_ROWS:
        blocks = [range(n_images)]
    else:
        blocks = [range(start, start + BLOCK_ROWS) for start in starts]
    records = np.concatenate([read_chunk(job.pictures, Order(LOOK, block)).records for block in blocks])
    if has_ranges(records):
        return begin_state(entry, job, look_at_all(job), is_exact=True)
    return begin_state(entry, job, choose_preprocessing(records, job.config), is_exact=False)


def look_at_all(job: Job) -> Preprocessing:
    """How images are to be decoded, by what all of them tell."""
    records = []
    with closing(carry_out(job, LOOK, range(len(job.pictures)))) as chunks:
        for chunk in chunks:
            records.append(chunk.records)
            tell_progress(chunk.rows.stop, len(job.pictures))
    return choose_preprocessing(np.concatenate(records), job.config)


def check_room(entry: Entry, state: State) -> None:
    """Raise `CacheError` where the disk has no room for what is still to be decoded."""
    needed = (state.shape[0] - state.n_done) * (state.image_bytes + RECORD.itemsize)
    free = free_bytes(entry.folder)
    if needed > free:
        problem = f"the images need {tell_size(needed)}, the disk has {tell_size(free)} free"
        remedy = "make room, give a folder on another disk to --cache, or a smaller --image-size"
        raise CacheError(str(entry.folder.parent), problem, remedy)


def decode_rest(entry: Entry, job: Job, state: State) -> State:
    """Decode what is not decoded yet; the state of the whole entry.

    Raises `UnforeseenError` where all are to be decoded otherwise, `ChangedError` where earlier ones were others.
    """
    fingerprint, preprocessing = Fingerprint(), Preprocessing(**state.preprocessing)
    with Writer(entry, state) as writer:
        if job.ids is not None and not read_again(fingerprint, job, entry.map_records(state)):
            raise ChangedError
        kept = time.monotonic()
        with closing(carry_out(job, DECODE, range(state.n_done, state.shape[0]), preprocessing)) as chunks:
            for chunk in chunks:
                if not state.is_exact and is_contradicted(preprocessing, chunk.records):
                    raise UnforeseenError(look_at_all(job), is_exact=False)
                write_chunk(writer, fingerprint, chunk)
                if time.monotonic() - kept > KEEP_SECONDS:
                    writer.keep()
                    kept = time.monotonic()
        done = writer.keep()
        right = preprocessing if state.is_exact else choose_preprocessing(entry.map_records(done), job.config)
        if right != preprocessing:
            raise UnforeseenError(right, is_exact=True)
        return writer.complete({hash_identity(job, done): finish_fingerprint(fingerprint, job, done.problems)})


def write_chunk(writer: Writer, fingerprint: Fingerprint, chunk: Chunk) -> None:
    """Add decoded images to the entry and to the fingerprint."""
    assert chunk.pixels is not None
    for _, part in chunk.stream_raw():
        fingerprint.add(part)
    writer.append(chunk.pixels, chunk.records, chunk.problems)
    tell_progress(writer.n_written, writer.state.shape[0])


def carry_out(job: Job, kind: str, rows: range, preprocessing: Preprocessing | None = None) -> Generator[Chunk]:
    """Orders of one kind for rows in a row: the first here, which tells how long the others take, and these by as many
    workers as there are processors, where that pays. Raises `DeadWorkerError`."""
    first, rest = rows[:BLOCK_ROWS], rows[BLOCK_ROWS:]
    if not first:
        return
    start = time.perf_counter()
    chunk = read_chunk(job.pictures, Order(kind, first, preprocessing))
    seconds = (time.perf_counter() - start) / len(first)
    yield chunk
    n_bytes = len(chunk.raw) + (0 if chunk.pixels is None else chunk.pixels.nbytes)
    wanted = min(CHUNK_BYTES * len(first) / max(n_bytes, 1), CHUNK_SECONDS / max(seconds, 1e-9), MAX_CHUNK_ROWS)
    size = max(1, int(wanted))
    orders = (Order(kind, rest[at : at + size], preprocessing) for at in range(0, len(rest), size))
    n_workers = count_cpus() if seconds * len(rest) > WORKERS_PAY else 1
    try:
        with closing(map_orders(job.pictures, orders, n_workers)) as chunks:
            yield from chunks
    except WorkerError as error:
        raise tell_dead(job, error) from error


def tell_dead(job: Job, error: WorkerError) -> DeadWorkerError:
    """The error of a worker process that has ended by itself."""
    how = f"signal {-error.exit_code}" if error.exit_code < 0 else f"exit code {error.exit_code}"
    first, last = (job.pictures.name(row) for row in (error.rows[0], error.rows[-1]))
    problem = f"a process that decoded the images '{first}' to '{last}' ended ({how})"
    return DeadWorkerError(
        job.source, problem, "free memory, or take out the image that ends it; it goes on where it was"
    )
