"""Give the processes of a start a store without the keys that an earlier start has left.

torchrun keeps one store for all the processes that it starts, after a failure too. What earlier
ones have left there leads new ones to addresses where nobody answers any more.
"""

import secrets
import time
from datetime import timedelta

import torch.distributed as dist

TIMEOUT = timedelta(minutes=5)
PAUSE_S = 0.02


def fresh_store(
    store: dist.Store, rank: int, size: int, timeout: timedelta = TIMEOUT
) -> dist.Store:
    """Agree on a prefix that no earlier process knows, and return the store below it.

    Rank 0 invents the prefix. Every other rank greets it with a random number, and waits for an
    answer to this number alone: an answer to an earlier process is never mistaken for its own, and
    it does not matter whether rank 0 sees an old greeting first.

    Args:
        store: Shared by all processes.
        rank: Rank of this process.
        size: Number of processes.
        timeout: How long to wait for the others.

    Raises:
        DistStoreError: If they do not come.
    """
    if rank:
        number = secrets.token_hex(8)
        store.set(_greeting(rank), number)
        answer = f"{_greeting(rank)}/{number}"
        store.wait([answer], timeout)
        prefix = store.get(answer).decode()
        store.set(f"{prefix}/{rank}", "")
        return dist.PrefixStore(prefix, store)
    prefix = secrets.token_hex(8)
    missing = set(range(1, size))
    deadline = time.monotonic() + timeout.total_seconds()
    while missing:
        for other in missing:
            if store.check([_greeting(other)]):
                number = store.get(_greeting(other)).decode()
                store.set(f"{_greeting(other)}/{number}", prefix)
        missing = {other for other in missing if not store.check([f"{prefix}/{other}"])}
        if time.monotonic() > deadline:
            raise dist.DistStoreError(f"Timed out waiting for processes {sorted(missing)}")
        time.sleep(PAUSE_S)
    return dist.PrefixStore(prefix, store)


def _greeting(rank: int) -> str:
    return f"greeting/{rank}"
