"""Measure how often the two clinical classes are taken for each other, and what that costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.common.labels import CLASSES, CLINIC_OR_PAN, DERM_CLINIC, PAN
from utils.evaluation.bootstrap import Figure, figures, share
from utils.evaluation.metrics import NO_PICTURES, divide, mean_of_defined

PAIR = (DERM_CLINIC, PAN)
"""The classes that differ by how much of the body is in view alone."""

NUM_MERGED = len(CLASSES) - 1
MERGED = f"{DERM_CLINIC} and {PAN} taken as one"


@dataclass(frozen=True, slots=True)
class Border:
    """How well a model keeps the border between the two clinical classes.

    Attributes:
        taken: Share of the pictures of each class of `PAIR` that were taken for the other, by
            (true, predicted).
        balanced_accuracy: Balanced accuracy with both taken as one class, so that confusing them is
            no mistake.
    """

    taken: dict[tuple[str, str], Figure]
    balanced_accuracy: Figure

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return {
            "rule": CLINIC_OR_PAN,
            "confusion": [
                {"true": true, "predicted": predicted, "share": figure.to_dict()}
                for (true, predicted), figure in self.taken.items()
            ],
            "balanced_accuracy_merged": self.balanced_accuracy.to_dict(),
        }


def measure_border(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], groups: NDArray[np.int64]
) -> Border:
    """Measure the border on a test of at least one picture.

    Args:
        labels: True classes, N, indices into `labels.CLASSES`.
        predicted: Likeliest classes, N.
        groups: Groups of the pictures, N, as numbers from 0 without gaps.
    """
    taken = {}
    for true, other in (PAIR, PAIR[::-1]):
        chosen = labels == CLASSES.index(true)
        is_taken = predicted[chosen] == CLASSES.index(other)
        taken[true, other] = share(is_taken, groups[chosen], NO_PICTURES)
    return Border(taken, _merged_balanced_accuracy(merge(labels), merge(predicted), groups))


def merge(classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return classes with both of `PAIR` as one, N, numbers below `NUM_MERGED`.

    >>> merge(np.arange(len(CLASSES))).tolist()
    [0, 1, 2, 3, 1]
    """
    numbers = [name for name in CLASSES if name != PAN]
    codes = [numbers.index(DERM_CLINIC if name == PAN else name) for name in CLASSES]
    return np.array(codes, dtype=np.int64)[classes]


def _merged_balanced_accuracy(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], groups: NDArray[np.int64]
) -> Figure:
    num_groups = int(groups.max()) + 1
    right, pictures = np.zeros((2, num_groups, NUM_MERGED))
    np.add.at(right, (groups, labels), predicted == labels)
    np.add.at(pictures, (groups, labels), 1)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return mean_of_defined(divide(weights @ right, weights @ pictures))[:, None]

    fewest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    (figure,) = figures(statistic, num_groups, [fewest], [""])
    return figure
