"""Turns SIGTERM into an exception that unwinds the process as Ctrl-C does."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The system, or a scheduler, asked the process to end."""

    exit_code = 128 + signal.SIGTERM


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` in the main thread when SIGTERM comes, instead of ending at once.

    So that files are closed and temporary ones removed on the way out. A second SIGTERM ends the
    process without that.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may listen
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
