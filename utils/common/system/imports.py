"""Suspend garbage collection while heavy packages are imported."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def imported_at_once() -> Iterator[None]:
    """Import large packages without looking for garbage in between, nor ever after among them.

    PyTorch and what stands on it make half a million objects that stay until the end. To look
    through them again and again takes a quarter of the time that importing takes, to take them
    apart at exit a second more; and a forked worker that looks through them copies their memory.
    """
    was_enabled = gc.isenabled()
    before = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
    if len(sys.modules) > before:
        gc.collect()  # errors that packages have caught hold the frames of those who import them
        gc.freeze()
