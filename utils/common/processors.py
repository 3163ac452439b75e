"""The machine in, how many processes it is worth starting out."""

import os
import sys

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
