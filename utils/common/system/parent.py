"""End a worker process once the process that started it is gone."""

import os
import threading
from multiprocessing import parent_process

LOOK_EVERY_S = 1.0


def end_with_parent() -> None:
    """Let this process end soon after its parent, which may have no time to tell it to.

    Call it in a process of `multiprocessing`; in any other it does nothing. A thread waits, so
    that not even a worker that is at work, or waits for a lock of a dead one, stays behind.
    """
    if parent_process() is not None:
        threading.Thread(target=_wait_for_end, args=(os.getppid(),), daemon=True).start()


def _wait_for_end(starter: int) -> None:
    """Wait for either sign: forked brothers keep the pipe open, Windows keeps the number."""
    parent = parent_process()
    assert parent is not None
    while parent.is_alive() and os.getppid() == starter:
        parent.join(LOOK_EVERY_S)
    os._exit(1)
