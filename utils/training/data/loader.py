"""Load batches of uint8 pixels, the same ones for any number of workers."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch.utils.data import DataLoader

from models.outputs import NUM_TARGETS
from models.preprocessing import Preprocessing
from models.sizes import Size
from utils.common.labels import TRAIN
from utils.common.seeds import generator
from utils.common.system.memory import return_freed_memory
from utils.training.data.batches import (
    IGNORED,
    Arrival,
    Batch,
    BatchReader,
    BrokenPicture,
    NoMemory,
    Ticket,
    prepare_worker,
)
from utils.training.data.fresh import draws_of_epochs
from utils.training.data.pictures import Picture, PictureFolder, unreadable
from utils.training.data.pixels import open_pixels
from utils.training.data.slots import Dispatcher, Slots
from utils.training.data.workers import Workers
from utils.training.settings import NONE

PREFETCH = 4
"""Batches that each worker prefetches."""

MIN_SHARE = 2
"""Least pictures in one rank's share of a batch: batch norm cannot learn from one alone."""

NUM_IN_USE = 3
"""Batches that the training uses or copies to a GPU at the same time."""


class PictureLoader:
    """Serves all splits from one pool of workers, which starts once and lives to the end.

    Args:
        pictures: The data set.
        preprocessing: Preprocessing of the model.
        batch_size: Pictures per batch, over all ranks; the last batch of an epoch may be shorter.
        workers: Number of worker processes; 0 loads in this one.
        seed: Seed of order and augmentation.
        pin_memory: Whether to prepare batches for a fast copy to a GPU.
        start_method: "fork", "spawn" or None for the system's default.
        cache: One of `settings.CACHES`: where decoded pictures are kept.
        fresh_low_quality: Whether to degrade parents anew for a share of LOW_QUALITY.
        rank: Rank of this process; each gets its share of every training batch.
        num_processes: Number of processes that train together.
    """

    def __init__(
        self,
        pictures: PictureFolder,
        preprocessing: Preprocessing,
        batch_size: int,
        workers: int,
        seed: int,
        pin_memory: bool = False,
        start_method: str | None = None,
        cache: str = NONE,
        fresh_low_quality: bool = False,
        rank: int = 0,
        num_processes: int = 1,
    ) -> None:
        self.pictures = pictures
        self.batch_size = batch_size
        self.rank = rank
        self.num_processes = num_processes
        self.seed = seed
        self._pin_memory, self._fresh_low_quality = pin_memory, fresh_low_quality
        self._slots = self._make_slots(workers, preprocessing) if workers else None
        self._dispatcher = Dispatcher(self._slots)
        self._workers = Workers() if workers else None
        self._has_begun = False
        self._labels = {
            split: torch.tensor([picture.label for picture in listed], dtype=torch.int64)
            for split, listed in pictures.splits.items()
        }
        self._targets = {split: _targets(listed) for split, listed in pictures.splits.items()}
        self._num_steps = {
            split: len(cut(range(len(listed)), batch_size))
            for split, listed in pictures.splits.items()
        }
        reader = BatchReader(
            pictures, open_pixels(pictures, cache), preprocessing, seed, fresh_low_quality,
            self._slots.memory if self._slots else None,
        )  # fmt: skip
        with _quiet_about_workers():
            self._loader = DataLoader(
                reader,
                batch_size=None,
                sampler=self._dispatcher,
                num_workers=workers,
                worker_init_fn=prepare_worker,
                pin_memory=pin_memory and not workers,
                persistent_workers=workers > 0,
                prefetch_factor=PREFETCH if workers else None,
                multiprocessing_context=start_method if workers else None,
                generator=torch.Generator(),
            )

    def close(self) -> None:
        """End the workers; nothing is served any more. Closing twice is harmless."""
        if self._workers:
            self._workers.end()  # first: PyTorch would wait for each of them for seconds
        self.__dict__.pop("_loader", None)

    def steps(self, split: str) -> int:
        """Return the number of batches of one pass over a split."""
        return self._num_steps[split]

    def training_batches(
        self, epoch: int, first_step: int = 0, size: Size | None = None
    ) -> Iterator[Batch]:
        """Yield the batches of an epoch from any step on: a function of (seed, epoch, step).

        Args:
            epoch: Counted from 0.
            first_step: First step of the epoch to serve, from 0.
            size: Height and width of the pictures, at most the full size; None for the full size.
        """
        return self._serve(self.training_tickets(epoch, first_step, size))

    def training_tickets(
        self, epoch: int, first_step: int = 0, size: Size | None = None
    ) -> list[Ticket]:
        """Return the tickets of these batches, or of this rank's shares of them."""
        order = epoch_order(self.seed, epoch, len(self.pictures.splits[TRAIN]))
        groups = cut(order, self.batch_size)[first_step:]
        return [self._share(group, epoch, size) for group in groups]

    def evaluation_batches(
        self, split: str, positions: Sequence[int] | None = None
    ) -> Iterator[Batch]:
        """Yield these pictures of a split, in this order; by default all, each exactly once."""
        chosen = range(len(self.pictures.splits[split])) if positions is None else positions
        groups = cut(chosen, self.share_size)
        return self._serve([Ticket(split, group, None) for group in groups])

    def dealt_batches(
        self,
        split: str,
        positions: Sequence[int],
        epoch: int | None = None,
        *,
        is_augmented: bool = True,
    ) -> Iterator[Batch | None]:
        """Yield this rank's share of these pictures, and None where other ranks have a batch more.

        Args:
            split: One of `labels.SPLITS`.
            positions: Positions of the pictures in the split's list.
            epoch: Epoch whose training samples are served; when left out, the centre crops of what
                is on disk.
            is_augmented: Whether these samples are augmented; the centre crops if not.
        """
        tickets = self.dealt_tickets(split, positions, epoch, is_augmented=is_augmented)
        own = self._serve([ticket for ticket in tickets if ticket])
        return (next(own, None) for _ in tickets)

    def dealt_tickets(
        self,
        split: str,
        positions: Sequence[int],
        epoch: int | None = None,
        *,
        is_augmented: bool = True,
    ) -> list[Ticket | None]:
        """Return the tickets of these batches, and None where other ranks have a batch more."""
        own, most = (
            cut(positions[rank :: self.num_processes], self.share_size) for rank in (self.rank, 0)
        )
        tickets: list[Ticket | None] = [
            Ticket(split, group, epoch, is_augmented=is_augmented) for group in own
        ]
        return tickets + [None] * (len(most) - len(own))

    def drawn_anew(self, split: str, count: int) -> list[tuple[int, dict[int, int]]]:
        """Return the result of `draws_of_epochs`, or nothing if no picture is degraded anew."""
        if not self._fresh_low_quality:
            return []
        return draws_of_epochs(self.pictures, split, self.seed, count)

    @property
    def share_size(self) -> int:
        """Most pictures of a batch that one rank gets."""
        return -(-self.batch_size // self.num_processes)

    def _share(self, group: tuple[int, ...], epoch: int, size: Size | None) -> Ticket:
        if self.num_processes == 1:
            return Ticket(TRAIN, group, epoch, size=size)
        own, is_idle = deal(group, self.rank, self.num_processes)
        return Ticket(TRAIN, own, epoch, group, is_idle, size=size)

    def _serve(self, tickets: list[Ticket]) -> Iterator[Batch]:
        self._dispatcher.plan(tickets)
        with _quiet_about_workers(), self._waiting(), self._starting():
            arrivals = iter(self._loader)
        if self._slots and self._pin_memory:
            self._slots.pin()
        while True:
            with self._waiting():
                try:
                    arrival = next(arrivals)
                except StopIteration:
                    return
            yield self._batch(self._dispatcher.arrived(), arrival)

    def _starting(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which the workers start, if they have not yet."""
        if self._has_begun:
            return contextlib.nullcontext()
        self._has_begun = True
        return_freed_memory()  # forked workers would keep it for ever
        return self._workers.starting() if self._workers else contextlib.nullcontext()

    def _waiting(self) -> contextlib.AbstractContextManager[None]:
        return self._workers.waited_for() if self._workers else contextlib.nullcontext()

    def _batch(self, ticket: Ticket, arrival: Arrival) -> Batch:
        if isinstance(arrival, BrokenPicture):
            raise unreadable(self.pictures.folder, arrival.file, arrival.error)
        if isinstance(arrival, NoMemory):
            raise arrival.told
        pixels = arrival.pixels
        if self._slots and ticket.slot is not None:
            pixels = self._slots.show(ticket.slot, len(ticket.indices), ticket.size)
        assert pixels is not None
        return self.labelled(ticket, pixels, torch.from_numpy(arrival.targets))

    def labelled(self, ticket: Ticket, pixels: torch.Tensor, targets: torch.Tensor) -> Batch:
        """Return the batch of a ticket's pictures.

        Args:
            ticket: Tells the pictures.
            pixels: Their pixels or features, one row each.
            targets: What they are to be assessed as, one row each.
        """
        labels, whole = self._labels[ticket.split], list(ticket.whole)
        own = labels[list(ticket.indices)]
        if ticket.is_idle:
            own.fill_(IGNORED)
            targets = torch.full_like(targets, IGNORED)
        if not whole:
            return Batch(pixels, own, targets)
        return Batch(pixels, own, targets, labels[whole], self._targets[ticket.split][whole])

    def targets(self, split: str) -> torch.Tensor:
        """Return what the pictures of a split on disk are to be assessed as, one int8 row each."""
        return self._targets[split]

    def _make_slots(self, workers: int, preprocessing: Preprocessing) -> Slots:
        """Return memory for all batches under way, of the largest size of `cut` and `deal`."""
        count = workers * PREFETCH + NUM_IN_USE
        capacity = max(self.share_size + 1, 2 * MIN_SHARE - 1)
        return Slots(count, capacity, preprocessing.height, preprocessing.width)


def _targets(listed: Sequence[Picture]) -> torch.Tensor:
    rows = np.array([picture.targets for picture in listed], np.int8)
    return torch.from_numpy(rows.reshape(-1, NUM_TARGETS))


@contextlib.contextmanager
def _quiet_about_workers() -> Iterator[None]:
    """Silence warnings about a number of workers that the user chose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        # A forked worker runs none of this process's threads.
        warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
        yield


def epoch_order(seed: int, epoch: int, num_pictures: int) -> list[int]:
    """Shuffle the positions of the training pictures for one epoch."""
    order: list[int] = generator(seed, epoch, "order").permutation(num_pictures).tolist()
    return order


def deal(group: tuple[int, ...], rank: int, num_processes: int) -> tuple[tuple[int, ...], bool]:
    """Return one rank's share of a batch, and whether the rank is idle.

    Each share holds at least `MIN_SHARE` pictures. Where there are too few for all, the idle ranks
    get a copy of the first share: they keep step with the others, and their results are ignored.

    >>> [deal((7, 8, 9, 4, 5), rank, 3) for rank in range(3)]
    [((7, 9, 5), False), ((8, 4), False), ((7, 9, 5), True)]
    """
    busy = _num_busy(len(group), num_processes)
    return group[rank if rank < busy else 0 :: busy], rank >= busy


def smallest_share(num_pictures: int, num_processes: int) -> int:
    """Return the size of the smallest share of a batch.

    >>> smallest_share(5, 3)
    2
    """
    return num_pictures // _num_busy(num_pictures, num_processes)


def _num_busy(num_pictures: int, num_processes: int) -> int:
    return max(1, min(num_processes, num_pictures // MIN_SHARE))


def cut(order: Sequence[int], batch_size: int) -> list[tuple[int, ...]]:
    """Cut an order into batches; a single last picture joins the batch before it.

    Batch norm cannot learn from one picture alone.

    >>> cut(range(5), 2)
    [(0, 1), (2, 3, 4)]
    """
    batches = [
        tuple(order[start : start + batch_size]) for start in range(0, len(order), batch_size)
    ]
    if len(batches) > 1 and len(batches[-1]) == 1 < batch_size:
        last = batches.pop()
        batches[-1] += last
    return batches
