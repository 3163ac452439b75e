"""Set OpenMP up to share a computer with other programs."""

import os
from collections.abc import MutableMapping

from utils.common.system.processors import allowed_processors, available_processors

NUM_THREADS = "OMP_NUM_THREADS"
SPINS = "GOMP_SPINCOUNT"
WAITING = ("OMP_WAIT_POLICY", SPINS, "KMP_BLOCKTIME", "KMP_LIBRARY")
"""Variables by which a user says how threads wait."""

FEW_SPINS = "10000"
"""Turns of 30 to 50 ns, enough for the gaps between two layers. The default is 300,000."""


def share_processors(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads that wait for each other soon sleep; start no more than a container may run.

    By default GNU's OpenMP, which PyTorch for Linux has, waits in a loop for up to 9 ms. Where
    another program has the processor of one thread, the others spend their own share of time on
    waiting for it, layer after layer. Threads that sleep leave it to whoever computes, and come
    first when they go on. Results are the same to the last bit.

    To be called by a script before PyTorch is imported: OpenMP reads its variables once, when it is
    loaded. Other OpenMPs than GNU's do not know this one. What the user has set stays.

    Args:
        environment: Of this process; what it starts inherits it.
    """
    if not any(name in environment for name in WAITING):
        environment[SPINS] = FEW_SPINS
    # OpenMP knows which processors a process may use, but not for how much of the time.
    if available_processors() < allowed_processors():
        environment.setdefault(NUM_THREADS, str(available_processors()))
