"""Let the processes of today meet in a store that may hold keys of processes before.

torchrun keeps one store for all that it starts, again after a failure too, and what processes of
before have left there leads those of now to addresses where nobody answers any more.
"""

import secrets
import time
from datetime import timedelta

import torch.distributed as dist

PATIENCE = timedelta(minutes=5)
PAUSE_S = 0.02


def fresh_part(
    store: dist.Store, rank: int, size: int, patience: timedelta = PATIENCE
) -> dist.Store:
    """Agree on a name that no process of before has known, and return the part below it.

    The first process invents the name. Every other one greets it with a number of its own, to which
    alone it waits for an answer: so an answer of before is never taken for one of now, and
    whether the first process meets an old greeting first does not matter.

    Args:
        store: Shared by all processes.
        rank: Of this process.
        size: Number of processes.
        patience: How long to wait for the others.

    Raises:
        DistStoreError: If they do not come.
    """
    if rank:
        number = secrets.token_hex(8)
        store.set(_greeting(rank), number)
        answer = f"{_greeting(rank)}/{number}"
        store.wait([answer], patience)
        name = store.get(answer).decode()
        store.set(f"{name}/{rank}", "")
        return dist.PrefixStore(name, store)
    name = secrets.token_hex(8)
    missing = set(range(1, size))
    deadline = time.monotonic() + patience.total_seconds()
    while missing:
        for other in missing:
            if store.check([_greeting(other)]):
                number = store.get(_greeting(other)).decode()
                store.set(f"{_greeting(other)}/{number}", name)
        missing = {other for other in missing if not store.check([f"{name}/{other}"])}
        if time.monotonic() > deadline:
            raise dist.DistStoreError(f"Timed out waiting for processes {sorted(missing)}")
        time.sleep(PAUSE_S)
    return dist.PrefixStore(name, store)


def _greeting(rank: int) -> str:
    return f"greeting/{rank}"
