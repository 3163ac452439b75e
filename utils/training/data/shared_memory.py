"""Memory that all processes share, or one line on why there is none."""

import torch

from utils.common.errors import SettingsError
from utils.common.system.memory import LARGER_SHARED_MEMORY, byte_size


def share_memory(num_bytes: int, purpose: str, todo: str) -> torch.Tensor:
    """Return uint8 memory, of `num_bytes` elements, that workers see however they are started.

    All of it is claimed at once, so that nobody who writes to it later is killed for want of it.

    Args:
        num_bytes: Of memory.
        purpose: What it is for, as in "shared memory for ...".
        todo: What needs less of it, as in "or ...".

    Raises:
        SettingsError: If there is not so much.
    """
    try:
        storage = torch.UntypedStorage._new_shared(num_bytes, device="cpu")
    except RuntimeError as error:  # of shared memory a container may have far less than of others
        raise SettingsError(
            f"{byte_size(num_bytes)} of shared memory for {purpose} cannot be had",
            todo=f"{LARGER_SHARED_MEMORY}, or {todo}",
        ) from error
    return torch.empty(0, dtype=torch.uint8).set_(storage)
