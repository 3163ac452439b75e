"""Compare confidence with accuracy, and estimate how much they differ by chance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.common.labels import CLASSES
from utils.common.seeds import generator
from utils.evaluation.bootstrap import Figure, share
from utils.evaluation.proportions import LEVEL

NUM_BINS = 15
SIMULATIONS = 1000
CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence beside accuracy, in bins of equal width of the likeliest class's probability.

    Attributes:
        counts: Number of pictures in each bin.
        confidence: Mean probability in each bin; NaN where it is empty.
        accuracy: Share of correct predictions in each bin; NaN where it is empty.
        ece: Expected calibration error: mean difference of the two, weighted by the counts
            (Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning").
        perfect: Range of this error in 95 % of tests of this size for a perfectly calibrated model
            with these probabilities; above 0, since pictures are few.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    ece: float
    perfect: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Called:
    """Confidence and accuracy for the pictures with one predicted class.

    Over all classes, overconfidence in some and underconfidence in others would cancel out.

    Attributes:
        pictures: Number of pictures with this prediction.
        confidence: Mean probability of the class; None if there are no such pictures.
        right: Share of these pictures that are of the class.
    """

    pictures: int
    confidence: float | None
    right: Figure

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return {
            "pictures": self.pictures, "confidence": self.confidence, "right": self.right.to_dict()
        }  # fmt: skip


def called(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> dict[str, Called]:
    """Compare confidence and accuracy by predicted class.

    Args:
        probabilities: N x number of classes.
        labels: True classes, N.
        groups: Groups of the pictures, N.
    """
    likeliest, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found = {}
    for label, name in enumerate(CLASSES):
        chosen = likeliest == label
        right = share(labels[chosen] == label, groups[chosen], "no test picture was called this")
        mean = float(confidence[chosen].mean()) if chosen.any() else None
        found[name] = Called(int(chosen.sum()), mean, right)
    return found


def reliability(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> Reliability:
    """Compare confidence and accuracy.

    Args:
        probabilities: N x number of classes.
        labels: True classes, N.
    """
    return reliability_of(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def reliability_of(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Reliability:
    """Compare probabilities with how often what they are of is so.

    Args:
        confidence: Probabilities, N, at least 1.
        right: Whether each is so, N.
    """
    bins = np.minimum((confidence * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    counts = np.bincount(bins, minlength=NUM_BINS)
    sums = np.bincount(bins, confidence, minlength=NUM_BINS).astype(np.float64)
    hits = np.bincount(bins, right, minlength=NUM_BINS)
    filled = counts > 0
    empty = np.full(NUM_BINS, np.nan)
    return Reliability(
        counts,
        np.divide(sums, counts, out=empty.copy(), where=filled),
        np.divide(hits, counts, out=empty.copy(), where=filled),
        float(np.abs(sums - hits).sum() / len(right)),
        perfect_range(confidence, bins, sums),
    )


def perfect_range(
    confidence: NDArray[np.float64], bins: NDArray[np.int64], sums: NDArray[np.float64]
) -> tuple[float, float]:
    """Simulate tests in which each prediction is right with its own probability."""
    rng = generator("perfectly calibrated", len(confidence))
    order = np.argsort(bins, kind="stable")
    sorted_confidence, sorted_bins = confidence[order], bins[order]
    starts = np.flatnonzero(np.diff(sorted_bins, prepend=-1))
    expected = sums[sorted_bins[starts]]
    rows = max(1, CHUNK_CELLS // len(confidence))
    errors = []
    for start in range(0, SIMULATIONS, rows):
        size = (min(rows, SIMULATIONS - start), len(confidence))
        right = (rng.random(size, dtype=np.float32) < sorted_confidence).astype(np.float64)
        hits = np.add.reduceat(right, starts, axis=1)
        errors.append(np.abs(hits - expected).sum(axis=1) / len(confidence))
    low, high = np.quantile(np.concatenate(errors), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def risk_by_coverage(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the risk-coverage curve: the share of errors among the most confident predictions.

    Returns:
        Coverage, N, rising to 1, and risk, N.
    """
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(right) + 1)
    return answered / len(right), np.cumsum(~right[order]) / answered
