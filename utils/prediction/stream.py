"""Stream pictures through workers and a gate, batch by batch, in their own order."""

import contextlib
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from models.bundle import Card
from models.gate import Answer, Gate, sample
from models.preprocessing import Preprocessing
from utils.common.cli.console import warn
from utils.common.disk.location import DamagedError
from utils.common.errors import OutputError
from utils.common.pictures import PictureError
from utils.common.system.memory import LARGER_SHARED_MEMORY, byte_size, shared_memory_left
from utils.common.system.termination import deaths_told_later
from utils.prediction.pictures import Input, Pictures

Item = TypeVar("Item")

PREFETCH = 4
"""Batches that each worker prepares ahead."""

NUM_IN_USE = 2
"""Batches that the main process looks at or is handed meanwhile."""

CHANNELS = 3

WORKER_DIED = "DataLoader worker"
"""So begins what PyTorch says when a worker was killed or has crashed."""


@dataclass(frozen=True, slots=True)
class Samples:
    """A batch of pictures as they come from a worker.

    Attributes:
        pixels: Of those that could be read, N x 3 x H x W, uint8, stored with the channels last.
        errors: For each picture, why it could not be read; empty if it could.
    """

    pixels: torch.Tensor
    errors: tuple[str, ...]

    def pin_memory(self) -> "Samples":
        """Return a copy from which a GPU can fetch by itself; called by the data loader."""
        return Samples(self.pixels.pin_memory(), self.errors)


class SampleReader(Dataset[Samples]):
    """Reads the pictures of one batch; lives in every worker process."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def __getitem__(self, batch: Sequence[Input]) -> Samples:
        """Read, decode, resize and stack."""
        wanted = self.card.preprocessing
        # Of numpy: glibc cannot reuse the aligned blocks of PyTorch, and a worker would grow.
        pixels = torch.from_numpy(np.empty((len(batch), wanted.height, wanted.width, 3), np.uint8))
        if get_worker_info():
            pixels.share_memory_()  # else another thread does it, from memory of its own
        target = pixels.permute(0, 3, 1, 2).numpy()
        errors = []
        count = 0
        for one in batch:
            found = _read(self.card, one)
            errors.append(found if isinstance(found, str) else "")
            if not isinstance(found, str):
                target[count] = found
                count += 1
        return Samples(pixels[:count].permute(0, 3, 1, 2), tuple(errors))


def _read(card: Card, one: Input) -> np.ndarray | str:
    try:
        return sample(card, one.location.read())
    except PictureError as error:
        return f"{error.reason}, {error.detail}"
    except DamagedError as error:
        return f"damaged, {error}"
    except OSError as error:
        return f"unreadable, {error.strerror or error}"


def in_batches(items: Iterable[Item], size: int, first: int = 0) -> Iterator[list[Item]]:
    """Yield items in lists of this size, but for the last one, and the first if that is told."""
    items = iter(items)
    while batch := list(islice(items, first or size)):
        yield batch
        first = 0


def stream_samples(
    gate: Gate, inputs: Pictures, batch_size: int, workers: int, first: int = 0
) -> Iterator[Samples]:
    """Yield batches of samples in order; only a few are ever in memory.

    Args:
        gate: Says how pictures are read.
        inputs: The pictures.
        batch_size: How many share a batch.
        workers: Processes that read them, 0 for this one.
        first: How many share the first batch, if that is another number.

    Raises:
        OutputError: If a worker process dies.
    """
    num_batches = -(-(len(inputs) + batch_size - (first or batch_size)) // batch_size)
    workers = 0 if num_batches == 1 else min(workers, num_batches)
    workers = _as_many_as_fit(workers, batch_size, gate.card.preprocessing)
    with _quiet_about_workers(), deaths_told_later(), _current(gate.compute.device):
        loader = DataLoader(
            SampleReader(gate.card),
            batch_size=None,
            sampler=in_batches(inputs, batch_size, first),
            num_workers=workers,
            worker_init_fn=_prepare_worker,
            pin_memory=gate.compute.device.type == "cuda",
            prefetch_factor=PREFETCH if workers else None,
            generator=torch.Generator(),
        )
        samples = iter(loader)
    try:
        yield from samples
    except (RuntimeError, ConnectionError, EOFError) as error:
        # PyTorch names a dead worker, unless it dies while a batch of its is fetched.
        if isinstance(error, RuntimeError) and not str(error).startswith(WORKER_DIED):
            raise
        raise OutputError(
            f"A process that reads pictures has died ({str(error).strip()}), most often because "
            "memory ran out",
            todo="Try again with fewer --workers",
        ) from None


def stream_answers(
    gate: Gate, inputs: Pictures, batch_size: int, workers: int, first: int = 0
) -> Iterator[list[Answer]]:
    """Yield the answers of one batch after another, in the order of the pictures."""
    for samples in stream_samples(gate, inputs, batch_size, workers, first):
        answers = iter(gate.answer(samples.pixels) if len(samples.pixels) else [])
        yield [Answer(error=error) if error else next(answers) for error in samples.errors]


def _as_many_as_fit(workers: int, batch_size: int, wanted: Preprocessing) -> int:
    """Return how many workers have enough shared memory for their batches; say so if not all."""
    free = shared_memory_left()
    if free is None:
        return workers
    batch_bytes = batch_size * wanted.height * wanted.width * CHANNELS
    fitting = min(workers, max(0, free // batch_bytes - NUM_IN_USE) // PREFETCH)
    if fitting < workers:
        warn(
            f"{byte_size(free)} of shared memory are enough for {fitting} of {workers} workers. "
            f"{LARGER_SHARED_MEMORY} to be faster."
        )
    return fitting


def _prepare_worker(worker: int) -> None:
    """Leave the cores to as many workers as there are, and Ctrl-C to the main process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a forked worker has the main process's handler
    sys.excepthook = _tell_no_lost_connection


def _tell_no_lost_connection(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Be quiet about a main process that was stopped while it fetched a batch; it says so."""
    if not issubclass(kind, ConnectionError):
        sys.__excepthook__(kind, error, trace)


def _current(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Return the context in which a GPU is the current one, which is where a loader pins memory.

    Without it processes with a GPU each would all take memory of the first GPU as well.
    """
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()


@contextlib.contextmanager
def _quiet_about_workers() -> Iterator[None]:
    """Silence what PyTorch and Python say of a number of workers that the user chose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        # A forked worker runs none of this process's threads.
        warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
        yield
