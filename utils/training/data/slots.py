"""Slots for batches in shared memory: a worker fills one, and nobody copies its pixels."""

import contextlib
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch

from models.sizes import Size
from utils.training.data.batches import Ticket, beginning
from utils.training.data.shared_memory import share_memory

CHANNELS = 3


class Slots:
    """Memory for a fixed number of batches, each lent to one batch at a time.

    New memory costs a page fault for each 4 KiB in every process that touches it, and a batch sent
    through a queue is new memory every time. A slot is free again when the last tensor that shows
    its pixels is gone, so a batch may be kept as long as one likes.

    Args:
        count: Number of slots.
        capacity: Pictures of the largest batch.
        height: Height of a picture, in pixels.
        width: Width of a picture, in pixels.

    Raises:
        SettingsError: If there is not enough shared memory.

    Attributes:
        memory: count x capacity x height x width x 3, uint8; for the workers.
    """

    def __init__(self, count: int, capacity: int, height: int, width: int) -> None:
        shape = (count, capacity, height, width, CHANNELS)
        content = share_memory(
            torch.Size(shape).numel(), "the batches under way",
            "give fewer --workers or a smaller --batch-size",
        )  # fmt: skip
        self.memory = content.view(shape)
        self._free = deque(range(count))
        self._is_pinned = False

    def take(self) -> int | None:
        """Return a free slot, or None."""
        try:
            return self._free.pop()  # the last one freed: its pages are mapped already
        except IndexError:
            return None

    def give_back(self, slot: int) -> None:
        """Free a slot for another batch."""
        self._free.append(slot)

    def show(self, slot: int, count: int, size: Size | None = None) -> torch.Tensor:
        """Return the first pictures of a slot, N x 3 x H x W; it is free when the tensor is gone.

        Args:
            slot: A slot that a worker has filled.
            count: Number of pictures.
            size: Their height and width; None for the full size.
        """
        height, width = size or self.memory.shape[2:4]
        shape = (count, height, width, CHANNELS)
        pixels = beginning(self.memory[slot], shape).numpy()
        weakref.finalize(pixels, self.give_back, slot)
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def pin(self) -> None:
        """Pin the memory, so that a GPU copies from it in the background."""
        if self._is_pinned:
            return
        self._is_pinned = True
        runtime, start = torch.cuda.cudart(), self.memory.data_ptr()
        try:
            torch.cuda.check_error(int(runtime.cudaHostRegister(start, self.memory.numel(), 0)))
        except RuntimeError:  # as in some virtual machines: copies are then slower
            with contextlib.suppress(RuntimeError):
                torch.zeros(1, device="cuda")  # fetches the error before the next call does
            return
        weakref.finalize(self, runtime.cudaHostUnregister, start)


class Dispatcher:
    """Hands out a pass's tickets in order, each with a slot for its batch.

    Args:
        slots: Slots of the workers; None where this process loads batches itself.
    """

    def __init__(self, slots: Slots | None) -> None:
        self._slots = slots
        self._waiting: Iterable[Ticket] = ()
        self._under_way: deque[Ticket] = deque()

    def plan(self, tickets: Iterable[Ticket]) -> None:
        """Take the tickets of the next pass."""
        self._waiting = tickets

    def __iter__(self) -> Iterator[Ticket]:
        """Yield tickets; a data loader asks for the first one when its workers are idle."""
        for ticket in self._under_way:  # of a pass that was abandoned
            self._let_go(ticket)
        self._under_way.clear()
        for ticket in self._waiting:
            # Without a free slot, if many batches are kept, this one comes through the queue.
            slot = self._slots.take() if self._slots else None
            self._under_way.append(replace(ticket, slot=slot))
            yield self._under_way[-1]

    def arrived(self) -> Ticket:
        """Return the ticket of the batch that arrives next."""
        return self._under_way.popleft()

    def _let_go(self, ticket: Ticket) -> None:
        if self._slots and ticket.slot is not None:
            self._slots.give_back(ticket.slot)
