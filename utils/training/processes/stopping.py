"""Turn Ctrl-C, SIGTERM or the end of torchrun into a request to stop after the current step."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from utils.training.processes.launch import is_launched
from utils.training.processes.world import World

POLL_S = 1.0
EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


class Stopped(Exception):
    """The user or the system asked to stop; the state of the moment is to be saved."""


class StopRequest(threading.Event):
    """Set once somebody has asked this process to stop.

    Args:
        world: The processes that train together; alone when left out.

    Attributes:
        exit_code: Exit code of the process after the request.
    """

    exit_code: int = EXIT_CODES[signal.SIGINT]

    def __init__(self, world: World | None = None) -> None:
        super().__init__()
        self._any_rank = (world or World()).any_rank()

    def check(self) -> None:
        """Stop where any rank was asked to; all ranks must call this equally often.

        Raises:
            Stopped: If one was.
        """
        if self._any_rank.wants(self.is_set()):
            raise Stopped


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
        if request.wait(POLL_S):
            return
    request.exit_code = EXIT_CODES[signal.SIGTERM]
    request.set()
