"""Temporary folders that go with their process: removed by itself, else by the next one."""

import atexit
import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_NAME = "lock"


def scratch_folder(prefix: str) -> Path:
    """Return a new temporary folder that is removed when this process ends.

    A process that is killed cannot remove its own; so each holds a lock in it, and whoever asks
    next for a folder of this prefix removes those that nobody holds any more.

    Args:
        prefix: What its name begins with; says whose it is.
    """
    prefix = f"{prefix}{_user()}-"
    top = Path(tempfile.gettempdir())
    with FileLock(top / f".{prefix}lock"):  # else a folder is swept before its lock is held
        _sweep(top, prefix)
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        lock = FileLock(folder / LOCK_NAME)
        lock.acquire(timeout=0)
    atexit.register(_remove, folder, lock, os.getpid())
    return folder


def _user() -> str:
    """Return what tells the users of one machine apart, where they share a temporary folder."""
    return str(os.getuid()) if hasattr(os, "getuid") else ""


def _sweep(top: Path, prefix: str) -> None:
    for folder in top.glob(f"{prefix}*"):
        if folder.is_symlink() or not (folder / LOCK_NAME).is_file():
            continue
        lock = FileLock(folder / LOCK_NAME)
        with contextlib.suppress(Timeout, OSError):
            lock.acquire(timeout=0)
            _remove(folder, lock, os.getpid())


def _remove(folder: Path, lock: FileLock, pid: int) -> None:
    if os.getpid() != pid:
        return  # a forked child uses its parent's
    lock.release()  # Windows removes no file that is open
    shutil.rmtree(folder, ignore_errors=True)
