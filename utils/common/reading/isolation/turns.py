"""Large pictures are decoded one at a time, whatever number of processes reads."""

import contextlib
import getpass
import os
import tempfile
from collections.abc import Iterator

from filelock import FileLock, Timeout

from utils.common.reading.isolation import clock

LARGE_BYTES = 2**27
"""A picture that takes more waits for its turn; smaller ones fit into memory side by side."""

PATIENCE_S = 600
"""After so long another process is taken to be stopped rather than busy."""


@contextlib.contextmanager
def one_at_a_time(num_bytes: int) -> Iterator[None]:
    """Hold the one place for large pictures of this user and machine, if this is one.

    Args:
        num_bytes: That decoding takes.
    """
    if num_bytes <= LARGE_BYTES:
        yield
        return
    lock = FileLock(os.path.join(tempfile.gettempdir(), f"skin-picture-{_user()}.lock"))
    clock.stop()  # waiting does not count
    with contextlib.suppress(Timeout, OSError):  # without a lock it takes more memory, no more
        lock.acquire(timeout=PATIENCE_S)
    try:
        yield
    finally:
        lock.release()


def _user() -> str:
    """Return what tells apart those who share the folder of temporary files."""
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
