"""Name the columns of what is true of pictures beside their classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.outputs import (
    NUM_TARGETS,
    SUBJECTS,
    UNKNOWN,
    fault_targets,
    severity_targets,
    subject_targets,
)
from utils.common.labels import CLASSES


@dataclass(frozen=True, slots=True)
class Truths:
    """What is true of pictures beside their classes; `outputs.UNKNOWN` where nobody knows.

    Attributes:
        subjects: What each picture shows, N, int64, indices into `outputs.SUBJECTS`.
        faults: Whether each picture has each fault, N x number of faults, int64: 1, 0 or unknown.
            Where only some are known, these are faults that it has.
        severities: How poor each picture is, N, int64: 0 (good) to 5 (useless).
    """

    subjects: NDArray[np.int64]
    faults: NDArray[np.int64]
    severities: NDArray[np.int64]

    @classmethod
    def of(cls, targets: NDArray[np.int8]) -> "Truths":
        """Return the truths in targets, N x `outputs.NUM_TARGETS`."""
        parts = subject_targets(targets), fault_targets(targets), severity_targets(targets)
        return cls(*(part.astype(np.int64) for part in parts))

    @classmethod
    def of_folders(cls, labels: NDArray[np.int64]) -> "Truths":
        """Return what class folders alone tell: good pictures show their class and have no fault.

        Args:
            labels: Classes of the pictures, N, indices into `labels.CLASSES`.
        """
        known = np.full((len(CLASSES), NUM_TARGETS), UNKNOWN, np.int8)
        for label, name in enumerate(CLASSES):
            if name in SUBJECTS:
                known[label] = [SUBJECTS.index(name), *[0] * (NUM_TARGETS - 1)]
        return cls.of(known[labels])

    @property
    def is_complete(self) -> NDArray[np.bool_]:
        """Whether of each picture everything is known that may be wrong with it, N.

        People who vote on real pictures name some faults, and nobody knows of the others.
        """
        return ~any_of(self.faults == UNKNOWN)

    @property
    def is_good(self) -> NDArray[np.bool_]:
        """Whether each picture is known to be good, N."""
        is_good: NDArray[np.bool_] = self.severities == 0
        return is_good

    @property
    def is_poor(self) -> NDArray[np.bool_]:
        """Whether each picture is known to be poor, and how much so, N."""
        is_poor: NDArray[np.bool_] = self.severities > 0
        return is_poor


def any_of(table: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether anything in each row is true, N x K to N."""
    found: NDArray[np.bool_] = np.logical_or.reduce(table, axis=1)
    return found
