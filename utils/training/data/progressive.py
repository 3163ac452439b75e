"""The schedule of --progressive-resizing: small pictures first, the full size last.

As FFCV and Composer's ProgressiveResizing do it. A step on half of the side costs a quarter, and
what a network learns first needs no detail. The end is at full size, as is every evaluation.
"""

from collections.abc import Sequence

from models.sizes import Size, stages_of

FULL_SHARE = 5
"""One epoch in so many, the last ones, has the full size."""


class Schedule:
    """The sizes of a training; a function of (epoch, epochs) alone, so nothing of it is stored.

    Args:
        epochs: Of the whole training.
        full: Height and width of the input, the same, in pixels.
        step: That sizes are multiples of, in pixels.
        frozen: Epochs at the start that train the classifier alone; they are at full size, and the
            others begin small.
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
        """Return how many epochs before this one had its size; None if none had another."""
        size = self.size(epoch)
        return next((back for back in range(epoch) if self.size(epoch - back - 1) != size), None)


def side_of(epoch: int, epochs: int, sides: Sequence[int]) -> int:
    """Return the side of the pictures of an epoch, in pixels.

    Each smaller side gets as many epochs as any other, as far as that can be; the last fifth of
    the epochs, at least one, gets the largest.

    Args:
        epoch: From 0.
        epochs: Of the whole training.
        sides: From the smallest to the full one, in pixels.

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
