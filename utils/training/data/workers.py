"""Watch the worker processes of a data loader, and explain in one line why one has ended.

PyTorch reports a dead worker by an error wherever the main process happens to be, perhaps in the
middle of a step. Here it is reported only where a batch is waited for, so that the state between
two steps can be saved.
"""

import atexit
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

from utils.common.cli.console import warn
from utils.common.errors import ProjectError
from utils.common.system.memory import LARGER_SHARED_MEMORY
from utils.common.system.termination import deaths_told_later

TICK_S = 1.0
TOLD_AFTER, ENDED_AFTER = 60, 900
"""Ticks without a batch; not seconds, since a computer may sleep and a process be suspended."""

DEATH_S = 2.0
"""Longest time between the end of a process's pipes and its own end."""

JOIN_S = 5.0
LESS_MEMORY = "Take fewer --workers, or end what else uses memory; then continue with --resume"
SHARED_MEMORY_WORDS = ("shared memory", "unable to mmap", "/torch_")
MEMORY_WORDS = ("DefaultCPUAllocator", "llocate memory", "Insufficient memory", "enough memory")


class LostWorkerError(ProjectError):
    """A process that reads pictures has ended or is out of memory; the training is intact."""


class Workers:
    """The worker processes of a data loader.

    Attributes:
        processes: Processes that were started.
    """

    def __init__(self) -> None:
        self.processes: list[BaseProcess] = []
        self._starter = os.getpid()
        self._arrivals = 0
        self._is_waited_for = False
        self._is_stuck = False
        self._has_ended = threading.Event()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Note which processes the block starts.

        Raises:
            LostWorkerError: If the system cannot start them.
        """
        before = set(multiprocessing.active_children())
        with deaths_told_later():
            try:
                yield
            except OSError as error:
                raise LostWorkerError(
                    f"The processes that read pictures cannot be started: {error.strerror}",
                    todo="Take fewer --workers",
                ) from error
            finally:
                self.processes = list(set(multiprocessing.active_children()) - before)
                # Runs before the handler of multiprocessing, which would wait for ever.
                atexit.register(self.end)
        threading.Thread(target=self._be_patient, daemon=True).start()

    @contextlib.contextmanager
    def waited_for(self) -> Iterator[None]:
        """Mark a block that waits for the workers.

        Raises:
            LostWorkerError: If one has died, or no batch has come for too long.
        """
        self._is_waited_for = True
        try:
            yield
        except (RuntimeError, OSError, EOFError) as error:
            dead = self._find_dead(0 if str(error).startswith("DataLoader worker") else DEATH_S)
            if not dead:
                raise
            raise self._lost(dead) from error
        finally:
            self._is_waited_for = False
            self._arrivals += 1

    def end(self) -> None:
        """Kill the workers; they have nothing to lose."""
        if os.getpid() != self._starter:  # in a forked process, whose workers they are not
            return
        self._has_ended.set()
        atexit.unregister(self.end)
        for process in self.processes:
            if process.is_alive():
                process.kill()
        for process in self.processes:
            process.join(JOIN_S)

    def _find_dead(self, patience_s: float) -> list[BaseProcess]:
        sentinels = [process.sentinel for process in self.processes]
        if sentinels:
            multiprocessing.connection.wait(sentinels, patience_s)
        return [process for process in self.processes if not process.is_alive()]

    def _lost(self, dead: list[BaseProcess]) -> LostWorkerError:
        if self._is_stuck:
            return LostWorkerError(
                f"No batch has come for {ENDED_AFTER // 60} minutes: the processes that read "
                "pictures were stuck and have been ended",
                todo="See whether the disk responds; then continue with --resume",
            )
        code = next((process.exitcode for process in dead if process.exitcode), 0)
        return LostWorkerError(*_cause(code or 0))

    def _be_patient(self) -> None:
        """Warn if no batch comes, and kill the workers if that lasts."""
        ticks = arrivals = 0
        while not self._has_ended.wait(TICK_S):
            is_idle = self._is_waited_for and self._arrivals == arrivals
            ticks, arrivals = ticks + 1 if is_idle else 0, self._arrivals
            if ticks == TOLD_AFTER:
                warn(
                    f"no batch has come for {TOLD_AFTER} s: the disk is slow, or a process that "
                    f"reads pictures is stuck. After {ENDED_AFTER // 60} minutes the training ends."
                )
            if ticks == ENDED_AFTER:
                self._is_stuck = True
                for process in self.processes:
                    process.kill()


def no_memory(error: BaseException) -> LostWorkerError | None:
    """Return one clear line for an error that means too little memory, None for any other."""
    text = str(error)
    if isinstance(error, RuntimeError) and any(words in text for words in SHARED_MEMORY_WORDS):
        return LostWorkerError("Shared memory ran out while pictures were read", "", _more_shared())
    if isinstance(error, MemoryError) or any(words in text for words in MEMORY_WORDS):
        return LostWorkerError("Memory ran out while pictures were read", todo=LESS_MEMORY)
    return None


def _cause(code: int) -> tuple[str, str, str]:
    """Return the three parts of the error for a worker's exit code."""
    process = "A process that reads pictures"
    if code >= 0:
        return f"{process} has ended with exit code {code}", "", "Continue with --resume"
    ended = f"{process} was ended by the system (signal {-code})"
    if -code == getattr(signal, "SIGKILL", 9):
        return f"{ended}, usually because memory ran out", "", LESS_MEMORY
    if -code == getattr(signal, "SIGBUS", 7):
        return f"{ended}, usually because shared memory ran out", "", _more_shared()
    return ended, "", "Continue with --resume; if it happens again, --workers 0 shows where"


def _more_shared() -> str:
    return f"{LARGER_SHARED_MEMORY}, or take fewer --workers; then continue with --resume"
