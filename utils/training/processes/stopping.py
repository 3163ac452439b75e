"""Turn Ctrl-C, SIGTERM or the end of torchrun into a request to stop after the current step."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from utils.training.processes.launch import is_launched

LOOK_EVERY_S = 1.0
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class StopRequest(threading.Event):
    """Set once somebody has asked to stop.

    Attributes:
        exit_code: What the process then ends with.
    """

    exit_code: int = EXIT_CODES[signal.SIGINT]


@contextlib.contextmanager
def listening(request: StopRequest) -> Iterator[None]:
    """Set `request` on the first signal; a second Ctrl-C interrupts at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        request.exit_code = EXIT_CODES[signal.Signals(number)]
        request.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may listen
        return
    if is_launched():
        launcher = os.getppid()
        threading.Thread(target=_follow, args=(request, launcher), daemon=True).start()
    before = {number: signal.signal(number, stop) for number in EXIT_CODES}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _follow(request: StopRequest, launcher: int) -> None:
    """Set `request` once torchrun is gone: killed, it cannot tell its processes to end."""
    while os.getppid() == launcher:
        if request.wait(LOOK_EVERY_S):
            return
    request.exit_code = EXIT_CODES[signal.SIGTERM]
    request.set()
