"""A ticket that names pictures in, their stacked pixels and labels out; runs in the workers."""

import signal
from dataclasses import dataclass
from types import FrameType

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from models.preprocessing import Preprocessing
from utils.common.pictures import PictureError
from utils.training.pictures import Picture, PictureFolder
from utils.training.transforms import evaluation_sample, training_sample


@dataclass(frozen=True, slots=True)
class Ticket:
    """Which pictures make one batch, and how: all that a worker needs to know.

    Attributes:
        split: Of `labels.SPLITS`.
        indices: Positions in that split's list of pictures.
        epoch: Seeds the augmentation; None cuts out the centre as for evaluation.
    """

    split: str
    indices: tuple[int, ...]
    epoch: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Pixels with their labels.

    Attributes:
        pixels: N x 3 x H x W, uint8, RGB, stored with the channels last.
        labels: N, int64, indices into `labels.CLASSES`.
    """

    pixels: torch.Tensor
    labels: torch.Tensor

    def pin_memory(self) -> "Batch":
        """Return a copy from which a GPU can fetch by itself; called by the data loader."""
        return Batch(self.pixels.pin_memory(), self.labels.pin_memory())


@dataclass(frozen=True, slots=True)
class BrokenPicture:
    """Comes in place of a batch: an error raised in a worker would arrive as a long traceback."""

    file: str
    reason: str


class BatchReader(Dataset[Batch]):
    """Turns tickets into batches; lives in every worker process."""

    def __init__(self, pictures: PictureFolder, preprocessing: Preprocessing, seed: int) -> None:
        self.folder = pictures.folder
        self.splits = pictures.splits
        self.preprocessing = preprocessing
        self.seed = seed

    def __getitem__(self, ticket: Ticket) -> Batch | BrokenPicture:
        """Decode, vary and stack the pictures of one ticket."""
        chosen = [self.splits[ticket.split][index] for index in ticket.indices]
        pixels = torch.empty(
            (len(chosen), self.preprocessing.height, self.preprocessing.width, 3),
            dtype=torch.uint8,
        ).permute(0, 3, 1, 2)
        target = pixels.numpy()
        for position, picture in enumerate(chosen):
            try:
                target[position] = self._sample(picture, ticket.epoch)
            except PictureError as error:
                return BrokenPicture(picture.file, f"{error.reason}, {error.detail}")
        return Batch(pixels, torch.tensor([picture.label for picture in chosen]))

    def _sample(self, picture: Picture, epoch: int | None) -> NDArray[np.uint8]:
        if epoch is None:
            return evaluation_sample(self.folder, picture, self.preprocessing)
        return training_sample(self.folder, picture, self.preprocessing, self.seed, epoch)


def prepare_worker(worker: int) -> None:
    """Leave the cores to as many workers as there are, and stopping to the main process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    # Ctrl-C and a scheduler's SIGTERM reach the whole group, but the main process still needs its
    # workers until it has saved its state; the signal that ends a forgotten worker comes later.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_at_next_signal)


def _end_at_next_signal(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
