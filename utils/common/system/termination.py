"""What a process does on SIGTERM, which unwinds it as Ctrl-C does, and on a child's death."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

PYTORCH_HANDLER = "torch.utils.data._utils.signal_handling"
"""The module that PyTorch's handler comes from."""


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


@contextlib.contextmanager
def deaths_told_later() -> Iterator[None]:
    """Start data loaders in the block without PyTorch's handler for children that die.

    It raises an error wherever the main process is just then, perhaps in the middle of a step, and
    stays for good. Without it a data loader tells of a dead worker where its batch is waited for.
    """
    number = getattr(signal, "SIGCHLD", None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(number)
    if getattr(before, "__module__", None) == PYTORCH_HANDLER:  # of a data loader of before
        before = signal.SIG_DFL
    try:
        yield
    finally:
        if signal.getsignal(number) is not before:
            signal.signal(number, before or signal.SIG_DFL)
