"""Tell how much memory is left, and let a process keep what it frees."""

import ctypes
import os
import platform
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from utils.common.system.control_groups import control_groups

LARGEST_THRESHOLD = 32 * 2**20 - 2**16
"""In bytes, just below 32 MiB: blocks above that no longer raise the limits of glibc's malloc."""

LARGEST_KEPT = 100_000_000
"""In bytes; with larger blocks the gaps in the heap would take another tenth of memory."""

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -2, -3, -4
"""Names of glibc's malloc.h."""

TOP_PAD = 64 * 2**20
"""In bytes: what is asked of the system at once where the kept memory does not suffice."""

MEMORY_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}
"""Files with limit and use of a control group by version, and the row of memory.stat with what is
cached."""

MIB, GIB = 2**20, 2**30
SHARED_MEMORY = Path("/dev/shm")
LARGER_SHARED_MEMORY = f"Make {SHARED_MEMORY} larger (docker run --shm-size)"


@cache
def keep_freed_memory() -> None:
    """Let malloc keep blocks of a few megabytes instead of giving each back to the system.

    A degradation makes a handful of float arrays of about 1 MB. By default glibc asks the system
    for each anew, and every page of it costs a fault: together several times the arithmetic. Its
    limits rise to the largest block that was ever freed, so one block, never touched, is freed
    here, once per process. Elsewhere this does nothing; results are the same either way.
    """
    np.empty(LARGEST_THRESHOLD, np.uint8)


@cache
def keep_large_freed_memory() -> None:
    """Let malloc keep large blocks, for a process that computes the same again and again.

    A training step on a CPU frees activations of up to a hundred megabytes each, for which
    `keep_freed_memory` does not suffice. Kept in one heap they cost no page faults, and up to a
    tenth more memory, because the heap has gaps. Only glibc is told; results are the same anyway.
    """
    if _is_glibc():
        mallopt = ctypes.CDLL(None).mallopt
        if not mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT):
            mallopt(M_MMAP_MAX, 0)  # older versions keep blocks of any size or none above 32 MiB
        for option, value in ((M_TRIM_THRESHOLD, -1), (M_TOP_PAD, TOP_PAD)):
            mallopt(option, value)


def return_freed_memory() -> None:
    """Give the system back what malloc keeps, where what comes next is something else.

    Processes that are forked afterwards then hold no pages that nobody needs. Only glibc is told.
    """
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


@cache
def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"


def available_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that can still be used, by the system and by its container or job.

    Args:
        root: Where proc/ and sys/ lie.

    Returns:
        None where the system does not tell; on macOS all that is built in.
    """
    found = [
        amount
        for amount in (_left_by_system(root / "proc/meminfo"), *_left_by_container(root))
        if amount is not None
    ]
    if found:
        return max(0, min(found))
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _left_by_system(meminfo: Path) -> int | None:
    kib = _read_table(meminfo).get("MemAvailable:")
    return None if kib is None else kib * 1024


def _left_by_container(root: Path) -> Iterator[int]:
    """Ask all control groups; cached files count as free."""
    for group in control_groups("memory", root):
        limit, used, cached = MEMORY_FILES[group.version]
        try:
            most, now = (int((group.folder / name).read_text()) for name in (limit, used))
        except (OSError, ValueError):  # not there, or "max"
            continue
        yield most - now + _read_table(group.folder / "memory.stat").get(cached, 0)


def _read_table(path: Path) -> dict[str, int]:
    """Read lines of a name and a whole number; what follows the number is left out."""
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
        return {words[0]: int(words[1]) for words in lines if len(words) > 1}
    except (OSError, ValueError):
        return {}


def shared_memory_left(place: Path = SHARED_MEMORY) -> int | None:
    """Return the bytes that processes can still share; containers often start with 64 MiB.

    Args:
        place: Where Linux keeps them.

    Returns:
        None where nothing but memory itself limits them, as on macOS and Windows.
    """
    try:
        found = shutil.disk_usage(place)
    except OSError:
        return None
    return found.free if found.total else None


def byte_size(num_bytes: float) -> str:
    """Write an amount for people.

    >>> byte_size(3 * 2**30 / 2), byte_size(64 * 2**20), byte_size(300_000)
    ('1.5 GiB', '64 MiB', '0.3 MiB')
    """
    if num_bytes >= GIB:
        return f"{num_bytes / GIB:.1f} GiB"
    return f"{num_bytes / MIB:.{0 if num_bytes >= 10 * MIB else 1}f} MiB"
