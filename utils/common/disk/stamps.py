"""Stamps of files, which change whenever a file does."""

import os

from utils.common.seeds import stable_hash

HAS_CHANGE_TIME = os.name != "nt"
"""Windows tells in the same place when a file was made."""

Stamp = tuple[int, int, int, int]


def stamp_of(found: os.stat_result) -> Stamp:
    """Return size, modification time, change time and number of a file.

    A tool that repairs or swaps a file may keep its size and set its modification time back; the
    change time cannot be set, and another file that is put in its place has another number. Some
    network and USB disks give a file another number each time that they are connected, and a copy
    has a change time of its own: so another stamp means that a file has to be looked at again,
    never that it was changed. The number of the device is left out, for it follows the order in
    which disks are connected.
    """
    changed_ns = found.st_ctime_ns if HAS_CHANGE_TIME else 0
    return found.st_size, found.st_mtime_ns, changed_ns, found.st_ino


def short_stamp(found: os.stat_result) -> int:
    """Return the stamp of a file as one number, of which very many are kept."""
    return stable_hash(*stamp_of(found))
