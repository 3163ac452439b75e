"""Count how many processes or threads this machine is worth."""

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from utils.common.cli.console import progress
from utils.common.system.control_groups import control_groups

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADED_AT_ONCE = 1024

MAX_POOL = 61 if sys.platform == "win32" else 2**15
"""Processes of one pool: Windows cannot wait for more at once."""

QUOTA_FILES = {1: ("cpu.cfs_quota_us", "cpu.cfs_period_us"), 2: ("cpu.max",)}
"""Where each version of control groups tells quota and period."""


def available_processors(root: Path = Path("/")) -> int:
    """Return how many processors' time this process may use: at most what its container grants.

    Args:
        root: Where proc/ and sys/ lie.
    """
    return math.ceil(min(allowed_processors(), _granted_by_container(root)))


def allowed_processors() -> int:
    """Return how many processors this process may run on, for however much of the time."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _granted_by_container(root: Path) -> float:
    """Ask all control groups, as of `docker run --cpus`, for their quotas."""
    quotas = (
        _quota([group.folder / name for name in QUOTA_FILES[group.version]])
        for group in control_groups("cpu", root)
    )
    return min(quotas, default=math.inf)


def _quota(files: Sequence[Path]) -> float:
    """Return the processors of one group: microseconds of time per microseconds of period."""
    try:
        quota, period = (int(word) for file in files for word in file.read_text().split())
    except (OSError, ValueError):  # not there, or "max"
        return math.inf
    return quota / period if quota > 0 < period else math.inf


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
