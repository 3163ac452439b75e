"""Split each batch into micro-batches, and into more of them whenever memory runs out."""

from collections.abc import Callable
from typing import TypeVar

import torch

from models.device import is_out_of_memory
from utils.common.cli.console import warn
from utils.common.errors import ModelError
from utils.training.processes.world import World
from utils.training.step.device import blame_flag

Result = TypeVar("Result")


class MicroBatches:
    """The number of micro-batches that a batch is split into; it doubles when memory runs out.

    Args:
        device: Where the network runs.
        world: The processes that train together.
        has_batch_norm: Whether the network has batch norm, which needs two pictures at a time.
        total: Micro-batches per optimizer step, over all ranks.
        release: Frees memory that the next attempt can do without, such as captured CUDA graphs,
            and returns whether there was any.

    Attributes:
        device: Where the network runs.
        world: The processes that train together.
        total: Micro-batches per optimizer step, over all ranks.
    """

    def __init__(
        self,
        device: torch.device,
        world: World,
        has_batch_norm: bool,
        total: int,
        release: Callable[[], bool] = lambda: False,
    ) -> None:
        self.device = device
        self.world = world
        self.total = total
        self._has_batch_norm = has_batch_norm
        self._release = release

    @property
    def per_rank(self) -> int:
        """Micro-batches per optimizer step on each rank."""
        return -(-self.total // self.world.size)

    @per_rank.setter
    def per_rank(self, number: int) -> None:
        self.total = number * self.world.size

    def count(self, num_pictures: int) -> int:
        """Return how many micro-batches so many pictures of one rank are split into."""
        smallest = 2 if self._has_batch_norm else 1
        return max(1, min(self.per_rank, num_pictures // smallest))

    def agree(self) -> None:
        """Take the largest number that any rank needs; all ranks must call this."""
        self.total = self.world.all_reduce_max(self.total)

    def retry(
        self,
        num_pictures: int,
        attempt: Callable[[], Result],
        undo: Callable[[], None] = lambda: None,
        may_split: bool = True,
    ) -> Result:
        """Call `attempt` until it fits into memory, each time with smaller micro-batches.

        Args:
            num_pictures: Pictures of this rank's batch.
            attempt: Computes something with `count(num_pictures)` micro-batches.
            undo: Called after an attempt that ran out of memory.
            may_split: Whether smaller micro-batches are allowed.

        Raises:
            ModelError: If the smallest micro-batches do not fit either.
            SettingsError: If a flag asks for what cannot be done here.
        """
        while True:
            try:
                return attempt()
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    blamed = blame_flag(error)
                    if blamed is None:
                        raise
                    raise blamed from error
            # Only here, where the error's traceback is gone, is the memory of the attempt free.
            undo()
            if not self._release():
                self._split_further(num_pictures, may_split)

    def _split_further(self, num_pictures: int, may_split: bool) -> None:
        count = self.count(num_pictures)
        pictures = f"{-(-num_pictures // count)} pictures at a time"
        self.per_rank = 2 * count
        if self.count(num_pictures) == count:
            raise ModelError(
                f"{self.device} has too little memory even for {pictures}",
                todo="Try --grad-checkpointing, a smaller model, or end what else uses the device",
            )
        if not may_split:
            raise ModelError(
                f"{self.device} has too little memory for {pictures}, and they cannot be split in "
                "a step that waits for other processes",
                todo="End what else uses the device and go on with --resume, or start anew with a "
                "smaller --batch-size and more --grad-accum-steps",
            )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        norm = "; batch norm sees one micro-batch at a time" if self._has_batch_norm else ""
        warn(
            f"out of memory: each batch is now split into {self.per_rank} micro-batches and still "
            f"makes one optimizer step{norm}."
        )
