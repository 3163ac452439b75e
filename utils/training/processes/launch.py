"""Join the processes that torchrun has started, or train in this one alone."""

import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import timedelta

from utils.common.cli.console import hush
from utils.training.processes.world import World

LAUNCHED = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR"}
"""Variables that torchrun sets for each process that it starts."""


def is_launched() -> bool:
    """Return whether torchrun has started this process."""
    return os.environ.keys() >= LAUNCHED


@contextlib.contextmanager
def joined(patience: timedelta | None = None) -> Iterator[World]:
    """Meet the other processes where torchrun has started this one.

    All but the first then print nothing but errors.

    Args:
        patience: How long one waits for another; PyTorch's half an hour by default.

    Raises:
        ModelError: If another process ended before its time.
    """
    if not is_launched() or os.environ["WORLD_SIZE"] == "1":
        yield World()
        return
    from utils.training.processes.distributed import meet

    with contextlib.ExitStack() as stack:
        world = stack.enter_context(meet(patience))
        if not world.is_first:
            hush()
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield world
        sys.stdout.flush()
