"""A time limit that a stuck decoder cannot escape: when it is over, its process ends."""

import faulthandler

BASE_S = 20.0
S_PER_MEGAPIXEL = 0.5
S_PER_MEGABYTE = 1.0
"""Several times what the slowest decoder takes on a slow machine that has other things to do."""

is_running = False
"""Whether this process is one that may end so."""


def limit_s(num_pixels: int, num_bytes: int) -> float:
    """Return how long one picture may take.

    >>> limit_s(12_000_000, 5_000_000)
    31.0
    """
    return BASE_S + S_PER_MEGAPIXEL * num_pixels / 1e6 + S_PER_MEGABYTE * num_bytes / 1e6


def start(seconds: float) -> None:
    """End this process in so many seconds, wherever it is then, if it is a decoder's own.

    The thread that does it is none of Python's, and needs nothing that a decoder could hold.
    """
    if is_running:
        faulthandler.dump_traceback_later(seconds, exit=True)


def stop() -> None:
    """Let it live."""
    if is_running:
        faulthandler.cancel_dump_traceback_later()
