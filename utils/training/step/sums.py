"""Sums of an epoch's losses and predictions, kept on the device and divided at the end."""

from dataclasses import dataclass

import torch

from utils.common.labels import CLASSES
from utils.training.data.batches import IGNORED
from utils.training.processes.world import World

MAX_BAD_STEPS = 3
"""Skipped steps in a row that end the training."""


@dataclass(slots=True)
class EpochSums:
    """Sums over the steps of one epoch.

    Attributes:
        totals: Weighted loss, weights, skipped steps, skipped steps in a row, over all ranks;
            float32.
        confusion: Confusion matrix of this rank's pictures, flattened; int64.
    """

    totals: torch.Tensor
    confusion: torch.Tensor

    @classmethod
    def empty(cls, device: torch.device) -> "EpochSums":
        """Return sums over no step."""
        return cls(
            torch.zeros(4, device=device),
            torch.zeros(len(CLASSES) ** 2, dtype=torch.int64, device=device),
        )

    def add(
        self,
        logits: torch.Tensor,
        labels: torch.Tensor,
        loss_sum: torch.Tensor,
        weight_sum: torch.Tensor,
        good: torch.Tensor,
    ) -> None:
        """Add one step without waiting for the device.

        Args:
            logits: N x classes.
            labels: N, int64; IGNORED ones are not counted.
            loss_sum: Weighted sum of the losses of the batch over all ranks, scalar.
            weight_sum: Sum of the class weights of the same pictures, scalar.
            good: Whether the step was taken, scalar bool; False counts it as skipped.
        """
        loss, weight, skipped, streak = self.totals.unbind()
        # A streak that is long enough stays, because the device is looked at only now and then.
        lasts = ~good | (streak >= MAX_BAD_STEPS)
        self.totals = torch.stack(
            [
                loss + torch.where(good, loss_sum, 0),
                weight + torch.where(good, weight_sum, 0),
                skipped + ~good,
                torch.where(lasts, streak + ~good, 0),
            ]
        )
        cells = labels.clamp(min=0) * len(CLASSES) + logits.argmax(dim=1)
        self.confusion.index_add_(0, cells, (good & (labels != IGNORED)).long())

    def of_next_epoch(self) -> "EpochSums":
        """Return sums over no step, but for the skipped steps in a row: epochs may be short."""
        following = EpochSums.empty(self.totals.device)
        following.totals[3] = self.totals[3]
        return following

    def over_all_ranks(self, world: World) -> "EpochSums":
        """Return the sums over all ranks."""
        return EpochSums(self.totals, world.all_reduce(self.confusion))

    def is_diverging(self) -> bool:
        """Return whether too many steps in a row were skipped; waits for the device."""
        return bool(self.totals[3] >= MAX_BAD_STEPS)
