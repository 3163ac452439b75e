"""Read the pictures of a batch and stack their pixels; runs in the workers."""

import contextlib
import dataclasses
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, get_worker_info

from models.outputs import NUM_TARGETS, UNKNOWN
from models.preprocessing import Preprocessing
from models.sizes import Size, with_size
from utils.common.labels import CLASSES
from utils.common.pictures import PictureError
from utils.common.system.memory import keep_freed_memory
from utils.common.system.parent import end_with_parent
from utils.quality.degrade import DegradationError
from utils.training.data.fresh import degrade_anew, draw_parent, good_positions, is_drawn_anew
from utils.training.data.pictures import PictureFolder
from utils.training.data.pixels import PixelReader
from utils.training.data.targets import Row, of_degraded
from utils.training.data.transforms import training_sample
from utils.training.data.workers import LostWorkerError, no_memory

IGNORED = UNKNOWN
"""Label of a picture that counts nowhere."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The order for one batch: all that a worker needs to know.

    Attributes:
        split: One of `labels.SPLITS`.
        indices: Positions of the pictures in that split's list.
        epoch: Seeds degradation and augmentation; None for what is on disk, as in evaluation.
        whole: Positions of the whole batch, of which `indices` are one rank's share; empty if both
            are the same.
        is_idle: Whether the share is a copy of another rank's, for a rank that gets none.
        slot: Slot of the shared memory for the pixels; None returns them through the queue.
        size: Height and width of the pixels; None for the full size.
        is_augmented: Whether an epoch's pictures are augmented; the centre crops if not.
    """

    split: str
    indices: tuple[int, ...]
    epoch: int | None
    whole: tuple[int, ...] = ()
    is_idle: bool = False
    slot: int | None = None
    size: Size | None = None
    is_augmented: bool = True


@dataclass(frozen=True, slots=True)
class Batch:
    """Pixels with their labels.

    Attributes:
        pixels: N x 3 x H x W, uint8, RGB, stored with the channels last; in frozen epochs their
            features, N x D, float32.
        labels: N, int64, indices into `labels.CLASSES`; IGNORED on an idle rank.
        targets: What the pictures as they are here are to be assessed as, N x `NUM_TARGETS`, int8,
            in the columns of `models.outputs`; None where nobody asks.
        all_labels: Labels of the whole batch, over all ranks; None with a single process.
        all_targets: Targets of the whole batch; None with a single process. What other ranks drew
            anew is not known here, so of these only says which are known.
    """

    pixels: torch.Tensor
    labels: torch.Tensor
    targets: torch.Tensor | None = None
    all_labels: torch.Tensor | None = None
    all_targets: torch.Tensor | None = None

    def tensors(self) -> list[torch.Tensor]:
        """Return all tensors that are not None."""
        return [tensor for tensor in self._by_name().values() if tensor is not None]

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device; from pinned memory the copy runs in the background."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def map(self, apply: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        """Return a batch of the results of a function for each tensor."""
        found = self._by_name().items()
        return Batch(**{name: apply(tensor) for name, tensor in found if tensor is not None})

    def _by_name(self) -> dict[str, torch.Tensor | None]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


@dataclass(frozen=True, slots=True)
class BrokenPicture:
    """Returned in place of a batch: an error raised in a worker would be a long traceback."""

    file: str
    error: PictureError


@dataclass(frozen=True, slots=True)
class NoMemory:
    """Returned in place of a batch that there was no memory for.

    Attributes:
        told: The error to raise in the main process.
    """

    told: LostWorkerError


class BrokenPictureError(Exception):
    """A picture, perhaps the parent of another one, cannot be read."""

    def __init__(self, picture: BrokenPicture) -> None:
        super().__init__(picture)
        self.picture = picture


@dataclass(frozen=True, slots=True)
class Loaded:
    """The pictures of one ticket.

    Attributes:
        pixels: N x 3 x H x W, uint8; None if they are in the ticket's slot.
        targets: N x `NUM_TARGETS`, int8. No tensor: sending one from a worker takes a file.
    """

    pixels: torch.Tensor | None
    targets: NDArray[np.int8]

    def pin_memory(self) -> "Loaded":
        """Return them in pinned memory; the data loader asks for that."""
        pixels = None if self.pixels is None else self.pixels.pin_memory()
        return dataclasses.replace(self, pixels=pixels)


Arrival = Loaded | BrokenPicture | NoMemory
"""A worker's result for one ticket."""


class BatchReader(Dataset[Arrival]):
    """Turns tickets into pixels; lives in every worker process.

    Args:
        pictures: The data set.
        pixels: Reads decoded pictures.
        preprocessing: Preprocessing of the model.
        seed: Seed of the augmentation.
        fresh_low_quality: Whether to degrade parents anew for a share of LOW_QUALITY.
        slots: `Slots.memory`, where there are workers.
    """

    def __init__(
        self,
        pictures: PictureFolder,
        pixels: PixelReader,
        preprocessing: Preprocessing,
        seed: int,
        fresh_low_quality: bool = False,
        slots: torch.Tensor | None = None,
    ) -> None:
        self.splits = pictures.splits
        self.pixels = pixels
        self.preprocessing = preprocessing
        self.seed = seed
        self.fresh_low_quality = fresh_low_quality
        self.slots = slots
        self.good = good_positions(pictures) if fresh_low_quality else {}

    def __getitem__(self, ticket: Ticket) -> Arrival:
        """Decode, augment and stack the pictures of one ticket."""
        try:
            return self._stack(ticket)
        except (MemoryError, RuntimeError, OSError, cv2.error) as error:
            told = no_memory(error)
            if told is None:
                raise
            return NoMemory(told)

    def _stack(self, ticket: Ticket) -> Loaded | BrokenPicture:
        chosen = [self.splits[ticket.split][index] for index in ticket.indices]
        preprocessing = with_size(self.preprocessing, ticket.size)
        shape = (len(chosen), *preprocessing.size, 3)
        if self.slots is None or ticket.slot is None:
            # From numpy: glibc cannot reuse the aligned blocks of PyTorch, so workers would grow.
            stack = torch.from_numpy(np.empty(shape, np.uint8))
            if get_worker_info():
                stack.share_memory_()  # else another thread does, whose errors nobody sees
        else:
            stack = beginning(self.slots[ticket.slot], shape)
        stack = stack.permute(0, 3, 1, 2)
        sample = stack.numpy()
        targets = np.empty((len(chosen), NUM_TARGETS), np.int8)
        for position, (index, picture) in enumerate(zip(ticket.indices, chosen, strict=True)):
            try:
                pixels, targets[position] = self._picture(ticket, index)
            except BrokenPictureError as broken:
                return broken.picture
            if ticket.epoch is None or not ticket.is_augmented:
                sample[position] = preprocessing.centre_crop(pixels)
            else:
                sample[position] = training_sample(
                    pixels, picture.file, preprocessing, self.seed, ticket.epoch
                )
        return Loaded(stack if ticket.slot is None else None, targets)

    def _picture(self, ticket: Ticket, index: int) -> tuple[NDArray[np.uint8], Row]:
        """Return a picture's pixels and targets, or in training those of a parent degraded anew."""
        picture = self.splits[ticket.split][index]
        if (
            self.fresh_low_quality
            and ticket.epoch is not None
            and picture.parent is not None
            and is_drawn_anew(picture.file, self.seed, ticket.epoch)
        ):
            label = self.splits[ticket.split][picture.parent].label
            position = draw_parent(
                self.good[ticket.split, label], picture.file, self.seed, ticket.epoch
            )
            parent = self._read(ticket.split, position)
            # The few parents that no kind makes visibly worse leave the picture on disk.
            with contextlib.suppress(DegradationError):
                drawn = degrade_anew(parent, picture.file, self.seed, ticket.epoch)
                told = of_degraded(CLASSES[label], drawn.degradation, drawn.severity)
                return drawn.picture, told
        return self._read(ticket.split, index), picture.targets

    def _read(self, split: str, position: int) -> NDArray[np.uint8]:
        try:
            return self.pixels.read(split, position)
        except PictureError as error:
            file = self.splits[split][position].file
            raise BrokenPictureError(BrokenPicture(file, error)) from None


def beginning(slot: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the first elements of a slot in a shape of at most its own size."""
    return slot.view(-1)[: math.prod(shape)].view(shape)


def prepare_worker(worker: int) -> None:
    """Compute on one thread, and leave signals to the main process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    keep_freed_memory()
    # Ctrl-C and a scheduler's SIGTERM reach the whole process group, perhaps repeatedly, but the
    # main process needs its workers until it has saved its state. An orphan ends by itself.
    end_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
