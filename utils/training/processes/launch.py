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
def joined(timeout: timedelta | None = None) -> Iterator[World]:
    """Join the other processes where torchrun has started this one.

    All but rank 0 then print nothing but errors.

    Args:
        timeout: How long one process waits for another; PyTorch's default, half an hour, when left
            out.

    Raises:
        ModelError: If another process ended prematurely.
    """
    if not is_launched() or os.environ["WORLD_SIZE"] == "1":
        yield World()
        return
    from utils.training.processes.distributed import process_group

    with contextlib.ExitStack() as stack:
        world = stack.enter_context(process_group(timeout))
        if not world.is_first:
            hush()
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        yield world
        sys.stdout.flush()
