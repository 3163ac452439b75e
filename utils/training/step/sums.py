"""Sums of an epoch's losses and answers: kept on the device, divided at the end."""

from dataclasses import dataclass

import torch

from utils.common.labels import CLASSES
from utils.training.data.batches import IGNORED
from utils.training.processes.world import World

MAX_BAD_STEPS = 3


@dataclass(slots=True)
class EpochSums:
    """What one epoch has added up so far.

    Attributes:
        totals: Weighted loss, weights, skipped steps, skipped steps in a row; float32. Of all
            processes.
        confusion: Rows true, columns predicted, flattened; int64. Of this process's pictures.
    """

    totals: torch.Tensor
    confusion: torch.Tensor

    @classmethod
    def empty(cls, device: torch.device) -> "EpochSums":
        """Return sums of nothing."""
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
            loss_sum: Weighted sum over the batch of all processes, scalar.
            weight_sum: Of its pictures, scalar.
            good: Whether the step was taken; False counts it as skipped, scalar bool.
        """
        loss, weight, skipped, streak = self.totals.unbind()
        # A streak that was long enough stays, because the device is looked at only now and then.
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
        """Return sums of nothing, save the skipped steps in a row: short epochs have few."""
        following = EpochSums.empty(self.totals.device)
        following.totals[3] = self.totals[3]
        return following

    def of_all(self, world: World) -> "EpochSums":
        """Return the sums over all processes."""
        return EpochSums(self.totals, world.all_reduce(self.confusion))

    def is_diverging(self) -> bool:
        """Return whether too many steps in a row were skipped; waits for the device."""
        return bool(self.totals[3] >= MAX_BAD_STEPS)
