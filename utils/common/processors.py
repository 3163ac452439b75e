"""The machine in, how many processes or threads it is worth starting out."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from utils.common.console import progress

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADED_AT_ONCE = 1024

MAX_POOL = 61 if sys.platform == "win32" else 2**15
"""Processes of one pool: Windows cannot wait for more at once."""


def available_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pool_size(workers: int) -> int:
    """Return how many processes a pool gets where `workers` are asked for, 0 for one a processor.

    >>> pool_size(3)
    3
    """
    return min(workers or available_processors(), MAX_POOL)


def in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], title: str, unit: str = "pictures"
) -> Iterator[Result]:
    """Yield what a function makes of each item, in order, with one thread for each processor.

    Args:
        function: Waits for files, or computes without holding Python's lock, as hashing does.
        items: A few of which are worked on at once.
        title: Of the progress bar.
        unit: What it counts.
    """
    with (
        ThreadPoolExecutor(available_processors()) as pool,
        progress(total=len(items), desc=title, unit=unit) as bar,
    ):
        for start in range(0, len(items), THREADED_AT_ONCE):
            for result in pool.map(function, items[start : start + THREADED_AT_ONCE]):
                bar.update()
                yield result
