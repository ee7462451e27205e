"""Worker processes that read and decode images, a chunk at a time.

They are started as commands of their own, with pipes, and not by multiprocessing: a script that opens a dataset at its
top level must not be run again by every worker, torch's threads must not be forked, and a worker whose parent ends,
however it ends, reads the end of its input and ends, too.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from PIL import Image

from splitgen.data.cache.chunks import Chunk, Order, read_chunk
from splitgen.data.pixels.encoded import Pictures

WAITING = 3  # chunks a worker that may lie undone or unfetched: more only fill memory
START = "import sys; sys.path[:] = {path!r}; from splitgen.data.cache.workers import serve; serve()"


class WorkerError(RuntimeError):
    """A worker process has ended by itself. exit_code: negative for a signal; rows: those that it worked on."""

    def __init__(self, exit_code: int, rows: range) -> None:
        self.exit_code, self.rows = exit_code, rows
        super().__init__(f"a worker process ended with {exit_code} at the rows {rows.start} to {rows.stop - 1}")


def count_cpus() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


class Worker:
    """One process, which answers an order with a chunk."""

    def __init__(self) -> None:
        options = ["-X", "utf8"] if sys.flags.utf8_mode else []
        command = [sys.executable, *options, "-c", START.format(path=sys.path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, pictures: bytes) -> bool:
        """Wait until it has loaded the pictures; whether it could. Raises `WorkerError`."""
        return bool(self.exchange(pictures, range(0)))

    def ask(self, order: Order) -> Chunk | None:
        """What became of an order; None where the worker could not do it, and said so. Raises `WorkerError`."""
        answer: Chunk | None = self.exchange(order, order.rows)
        return answer

    def exchange(self, sent: Any, rows: range) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump(sent, self.process.stdin)
            self.process.stdin.flush()
            return pickle.load(self.process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:  # ValueError: it was stopped
            raise WorkerError(self.process.wait(), rows) from error

    def stop(self) -> None:
        """End the process now."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):  # what was not sent is not wanted any more
                    pipe.close()


class Crew:
    """Worker processes that have the same pictures, each idle as soon as it has loaded them; fewer than wanted, or
    none, where the system starts no more processes or threads."""

    def __init__(self, pictures: bytes, n_workers: int) -> None:
        self.workers: list[Worker] = []
        self.idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        with contextlib.suppress(OSError, RuntimeError):
            for _ in range(n_workers):
                self.workers.append(Worker())
                threading.Thread(target=self.prepare, args=(self.workers[-1], pictures), daemon=True).start()

    def prepare(self, worker: Worker, pictures: bytes) -> None:
        with contextlib.suppress(WorkerError):  # one that does not start, or cannot have the pictures, is never idle
            if worker.send(pictures):
                self.idle.put(worker)

    @property
    def is_ready(self) -> bool:
        return not self.idle.empty()

    def ask(self, order: Order) -> tuple[Order, Chunk | None]:
        """What became of an order, by the next worker that is idle."""
        worker = self.idle.get()
        try:
            return order, worker.ask(order)
        finally:
            self.idle.put(worker)

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()


def map_orders(pictures: Pictures, orders: Iterable[Order], n_workers: int) -> Generator[Chunk]:
    """The chunks of orders in their order, by so many worker processes once these have started, and by this one until
    then; by this one alone where no other is asked for, or none can have the pictures.

    Raises `WorkerError` for a worker that ended, and what `pictures` raise.
    """
    orders, sent = iter(orders), pickle_pictures(pictures) if n_workers > 1 and sys.executable else None
    if sent is None:
        yield from (read_chunk(pictures, order) for order in orders)
        return
    crew, pool = Crew(sent, n_workers), ThreadPoolExecutor(n_workers)
    waiting: deque[Future[tuple[Order, Chunk | None]]] = deque()
    try:
        while not crew.is_ready:
            order = next(orders, None)
            if order is None:
                return
            yield read_chunk(pictures, order)
        for order in orders:
            waiting.append(pool.submit(crew.ask, order))
            if len(waiting) >= WAITING * n_workers:
                yield finish(pictures, waiting.popleft())
        while waiting:
            yield finish(pictures, waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        crew.stop()


def finish(pictures: Pictures, future: Future[tuple[Order, Chunk | None]]) -> Chunk:
    """The chunk of an order; what a worker could not do is done here, so that its error is raised as it is."""
    order, chunk = future.result()
    return read_chunk(pictures, order) if chunk is None else chunk


def pickle_pictures(pictures: Pictures) -> bytes | None:
    """As they are sent to a worker; None where they hold what cannot be sent, or come from the script itself, which
    workers do not run, and where Pillow has been taught formats here, which it does not know there."""
    readers = (reader for reader, _ in Image.OPEN.values())
    if type(pictures).__module__ == "__main__" or any(not is_pillows(reader) for reader in readers):
        return None
    try:
        return pickle.dumps(pictures)
    except Exception:  # whatever a source's own objects raise
        return None


def is_pillows(reader: Any) -> bool:
    """Whether a reader of a format comes with Pillow."""
    return str(getattr(reader, "__module__", "")).partition(".")[0] == "PIL"


def serve() -> None:
    """Load pictures from standard input, and answer orders until it ends: what a worker process runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    with contextlib.suppress(BrokenPipeError, EOFError):
        pictures = load_pictures(pickle.load(sys.stdin.buffer))
        answer: Any = pictures is not None
        while True:
            pickle.dump(answer, answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()
            answer = answer_order(pictures, pickle.load(sys.stdin.buffer))
    os._exit(0)  # a buffer that the parent does not read any more must not be written out


def load_pictures(sent: bytes) -> Any:
    """The pictures that the parent sends; None where their class cannot be found here: the parent reads them then."""
    try:
        return pickle.loads(sent)
    except Exception:  # of whatever module they come from
        return None


def answer_order(pictures: Any, order: Order) -> Chunk | None:
    try:
        return read_chunk(pictures, order)
    except Exception:  # the parent does the chunk again, and raises what it raises
        return None
