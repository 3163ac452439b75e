"""Nothing in, a process that keeps freed memory out, so that temporaries become cheap."""

from functools import cache

import numpy as np

LARGEST_THRESHOLD = 32 * 2**20 - 2**16
"""In bytes, just below 32 MiB: blocks above that no longer raise the limits of glibc's malloc."""


@cache
def keep_freed_memory() -> None:
    """Let malloc keep blocks of a few megabytes instead of giving each back to the system.

    A degradation makes a handful of float arrays of about 1 MB. By default glibc asks the system
    for each anew, and every page of it costs a fault: together several times the arithmetic. Its
    limits rise to the largest block that was ever freed, so one block, never touched, is freed
    here, once per process. Elsewhere this does nothing; results are the same either way.
    """
    np.empty(LARGEST_THRESHOLD, np.uint8)
