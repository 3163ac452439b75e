"""Run a function over jobs in several processes; results come in the order of the jobs."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process
from types import TracebackType
from typing import TypeVar

import cv2

from utils.common.cli.console import progress
from utils.common.errors import OutputError
from utils.common.system.processors import pool_size

Job = TypeVar("Job")
Result = TypeVar("Result")

BATCH = 8
"""Jobs handed to a process at a time."""

BATCHES_AHEAD = 4
"""For each process, how many batches are handed out before their results are asked for."""


class ProcessPool:
    """A number of processes that work off jobs; with one worker, this process does it itself.

    They are spawned on every system: a forked one hangs in OpenCV where the parent's threads
    held a lock.

    Args:
        workers: How many; 0 for as many as the machine has processors for this process.
    """

    def __init__(self, workers: int) -> None:
        self.workers = pool_size(workers)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "ProcessPool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], num_jobs: int, desc: str
    ) -> Iterator[list[Result]]:
        """Yield the results, some at a time, in the order of the jobs.

        Jobs are made and handed out a few ahead of the results, so that any number of them
        takes the memory of a few.

        Raises:
            OutputError: If a process dies.
        """
        batches = _batches(jobs)
        with progress(total=num_jobs, desc=desc, unit="pictures") as bar:
            try:
                for results in self._spread(function, batches, num_jobs):
                    bar.update(len(results))
                    yield results
            except BrokenProcessPool:
                raise OutputError(
                    "A worker process died, perhaps for lack of memory",
                    todo="Run again with fewer --workers: it goes on where it was",
                ) from None

    def _spread(
        self, function: Callable[[Job], Result], batches: Iterator[list[Job]], num_jobs: int
    ) -> Iterator[list[Result]]:
        if self.workers == 1 or num_jobs <= BATCH:
            yield from (_work(function, batch) for batch in batches)
            return
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=get_context("spawn"), initializer=_start_worker
            )
        ahead: deque[Future[list[Result]]] = deque()
        for batch in batches:
            ahead.append(self._pool.submit(_work, function, batch))
            if len(ahead) > BATCHES_AHEAD * self.workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _batches(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    remaining = iter(jobs)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _work(function: Callable[[Job], Result], batch: Sequence[Job]) -> list[Result]:
    return [function(job) for job in batch]


def _start_worker() -> None:
    """Leave Ctrl-C to the main process, and the other processors to the other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the main process is gone: killed, it cannot tell its workers to."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
