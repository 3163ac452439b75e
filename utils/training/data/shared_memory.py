"""Allocate memory that all processes share."""

import torch

from utils.common.errors import SettingsError
from utils.common.system.memory import LARGER_SHARED_MEMORY, byte_size


def share_memory(num_bytes: int, purpose: str, todo: str) -> torch.Tensor:
    """Return uint8 memory, `num_bytes` elements, that workers see however they are started.

    All of it is allocated at once, so that no process is killed later for writing to it.

    Args:
        num_bytes: Size of the memory.
        purpose: Its purpose, as in "shared memory for ...".
        todo: An alternative that needs less, as in "or ...".

    Raises:
        SettingsError: If there is not enough shared memory.
    """
    try:
        storage = torch.UntypedStorage._new_shared(num_bytes, device="cpu")
    except RuntimeError as error:  # containers often have little shared memory
        raise SettingsError(
            f"{byte_size(num_bytes)} of shared memory for {purpose} are not available",
            todo=f"{LARGER_SHARED_MEMORY}, or {todo}",
        ) from error
    return torch.empty(0, dtype=torch.uint8).set_(storage)
