"""The schedule of --progressive-resizing: small pictures first, the full size last.

As in FFCV and Composer's ProgressiveResizing. A step at half the side costs a quarter, and what a
network learns first needs no detail. The last epochs are at full size, as is every evaluation.
"""

from collections.abc import Sequence

from models.sizes import Size, stages_of

FULL_SHARE = 5
"""The last 1 / FULL_SHARE of the epochs has the full size."""


class Schedule:
    """The input sizes of a training; they follow from (epoch, epochs) and are not stored.

    Args:
        epochs: Epochs of the whole training.
        full: Height and width of the input, which are equal, in pixels.
        step: Sides are multiples of it, in pixels.
        frozen: Frozen epochs at the start; they are at full size, and the sizes grow after them.
    """

    def __init__(self, epochs: int, full: Size, step: int, frozen: int = 0) -> None:
        self.epochs = epochs
        self.frozen = frozen
        self.sides = stages_of(full[0], step)

    def size(self, epoch: int) -> Size:
        """Return height and width of the pictures of an epoch, from 0."""
        if epoch < self.frozen:
            return self.sides[-1], self.sides[-1]
        side = side_of(epoch - self.frozen, self.epochs - self.frozen, self.sides)
        return side, side

    def is_full(self, epoch: int) -> bool:
        """Return whether an epoch, from 0, trains at full size."""
        return self.size(epoch)[0] == self.sides[-1]

    def epochs_since_change(self, epoch: int) -> int | None:
        """Return how many epochs before this one had its size; None if the size never changed."""
        size = self.size(epoch)
        return next((back for back in range(epoch) if self.size(epoch - back - 1) != size), None)


def side_of(epoch: int, epochs: int, sides: Sequence[int]) -> int:
    """Return the side of the pictures of an epoch, in pixels.

    The smaller sides share the epochs as evenly as possible; the last fifth of the epochs, at
    least one, has the largest.

    Args:
        epoch: Counted from 0.
        epochs: Epochs of the whole training.
        sides: Sides from the smallest to the full one, in pixels.

    >>> [side_of(epoch, 10, (128, 160, 192, 224)) for epoch in range(10)]
    [128, 128, 128, 160, 160, 160, 192, 192, 224, 224]
    >>> side_of(0, 1, (128, 160, 192, 224))
    224
    """
    *smaller, full = sides
    num_small = epochs - -(-epochs // FULL_SHARE)
    if epoch >= num_small or not smaller:
        return full
    return smaller[epoch * len(smaller) // num_small]
