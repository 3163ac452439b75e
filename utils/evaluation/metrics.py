"""Compute the metrics of a test with their intervals; an undefined one has a reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.common.labels import CLASSES
from utils.evaluation.bootstrap import CHUNK_CELLS, Figure, figures, share, sum_by_group
from utils.training.predictions import confusion_of

NUM_CLASSES = len(CLASSES)
ALL_FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "brier")

NO_PICTURES = "there are no test pictures of this class"
REASONS = {
    "precision": "no test picture was called this",
    "recall": NO_PICTURES,
    "f1": "the class neither occurs in test nor was it answered",
    "auroc": "test needs pictures of this class and of others",
}


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one test.

    Attributes:
        accuracy: Share of correct predictions.
        balanced_accuracy: Mean recall of the classes that occur.
        macro_f1: Mean F1 of the classes that occur.
        brier: Brier score: mean over the pictures of the squared error summed over the classes,
            0-2.
        per_class: Precision, recall, F1 and AUROC (one against the rest), by class, then by name.
        pictures: Number of each class's pictures.
        groups: Number of each class's groups.
        confusion: Confusion matrix: counts, rows true and columns predicted.
    """

    accuracy: Figure
    balanced_accuracy: Figure
    macro_f1: Figure
    brier: Figure
    per_class: dict[str, dict[str, Figure]]
    pictures: dict[str, int]
    groups: dict[str, int]
    confusion: NDArray[np.int64]

    @property
    def headline(self) -> dict[str, float | None]:
        """Return the values of the metrics over all classes."""
        names = ("accuracy", "balanced_accuracy", "macro_f1", "brier")
        return {name: getattr(self, name).value for name in names}


def measure(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], groups: NDArray[np.int64]
) -> Metrics:
    """Compute all metrics of a test with at least one picture.

    Args:
        labels: True classes, N, indices into `labels.CLASSES`.
        probabilities: N x number of classes.
        groups: Groups of the pictures, N, as numbers from 0 without gaps.
    """
    num_groups = int(groups.max()) + 1
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    of_class = [len(np.unique(groups[labels == label])) for label in range(NUM_CLASSES)]
    of_others = [len(np.unique(groups[labels != label])) for label in range(NUM_CLASSES)]
    of_pairs = [min(pair) for pair in zip(of_class, of_others, strict=True)]
    fewest = min(count for count in of_class if count)
    resting_on = [fewest, fewest, num_groups, *of_class, *of_pairs]
    reasons = [""] * 3 + [REASONS["f1"]] * NUM_CLASSES + [REASONS["auroc"]] * NUM_CLASSES
    balanced_accuracy, macro_f1, brier, *by_class = figures(
        make_statistic(labels, probabilities, groups), num_groups, resting_on, reasons
    )
    return Metrics(
        share(right, groups),
        balanced_accuracy,
        macro_f1,
        brier,
        {
            name: {
                "precision": share_of(predicted == label, right, groups, REASONS["precision"]),
                "recall": share_of(labels == label, right, groups, REASONS["recall"]),
                "f1": by_class[label],
                "auroc": by_class[NUM_CLASSES + label],
            }
            for label, name in enumerate(CLASSES)
        },
        dict(zip(CLASSES, np.bincount(labels, minlength=NUM_CLASSES).tolist(), strict=True)),
        dict(zip(CLASSES, of_class, strict=True)),
        confusion_of(labels, predicted),
    )


def share_of(
    chosen: NDArray[np.bool_], right: NDArray[np.bool_], groups: NDArray[np.int64], nothing: str
) -> Figure:
    """Return the share of correct predictions among the chosen pictures."""
    return share(right[chosen], groups[chosen], nothing)


def make_statistic(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], groups: NDArray[np.int64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the statistic of all metrics but plain shares of pictures, whose intervals are exact.

    It computes balanced accuracy, macro F1, Brier score, F1 and AUROC of each class, B x K, from
    weights of the groups, B x G.
    """
    basic = make_basic_statistic(labels, probabilities, groups)
    areas = [
        make_auroc(labels == label, probabilities[:, label], groups) for label in range(NUM_CLASSES)
    ]

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([basic(weights), *(area(weights) for area in areas)])

    return statistic


def make_basic_statistic(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], groups: NDArray[np.int64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the same statistic without AUROC; it needs only sums over the groups and is fast."""
    num_groups = int(groups.max()) + 1
    cells = np.zeros((num_groups, NUM_CLASSES, NUM_CLASSES))
    np.add.at(cells, (groups, labels, probabilities.argmax(axis=1)), 1)
    errors = np.square(probabilities - np.eye(NUM_CLASSES)[labels]).sum(axis=1)
    sums = np.column_stack(
        [cells.reshape(num_groups, -1), sum_by_group(errors[:, None], groups, num_groups)]
    )

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = weights @ sums
        counts = totals[:, :-1].reshape(-1, NUM_CLASSES, NUM_CLASSES)
        pictures, answers = counts.sum(axis=2), counts.sum(axis=1)
        right = counts.diagonal(axis1=1, axis2=2)
        f1 = divide(2 * right, pictures + answers)
        return np.column_stack(
            [
                mean_of_defined(divide(right, pictures)),
                mean_of_defined(np.where(pictures > 0, f1, np.nan)),
                totals[:, -1] / pictures.sum(axis=1),
                f1,
            ]
        )

    return statistic


def make_auroc(
    is_positive: NDArray[np.bool_], scores: NDArray[np.float64], groups: NDArray[np.int64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Return the statistic of the AUROC: the chance that a positive scores higher than a negative.

    A pair with equal scores counts half.
    """
    order = np.argsort(scores[~is_positive], kind="stable")
    others, of_others = scores[~is_positive][order], groups[~is_positive][order]
    of_positives = groups[is_positive]
    below = np.searchsorted(others, scores[is_positive], "left")
    not_above = np.searchsorted(others, scores[is_positive], "right")

    def area(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = max(1, CHUNK_CELLS // len(scores))  # each takes a number for every picture
        starts = range(0, len(weights), rows)
        return np.concatenate([area_of_few(weights[start : start + rows]) for start in starts])

    def area_of_few(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        of_groups = np.ascontiguousarray(weights.T)
        passed = np.zeros((len(others) + 1, len(weights)))
        np.cumsum(of_groups[of_others], axis=0, out=passed[1:])
        positives = of_groups[of_positives]
        won = np.einsum("nb,nb->b", positives, passed[below] + passed[not_above]) / 2
        return divide(won, positives.sum(axis=0) * passed[-1])

    return area


def divide(top: NDArray[np.float64], bottom: NDArray[Any]) -> NDArray[np.float64]:
    """Divide, with NaN where the denominator is 0."""
    quotient: NDArray[np.float64] = np.divide(
        top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0
    )
    return quotient


def mean_of_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row without its NaNs, B x K to B; NaN where there is nothing else."""
    is_defined = ~np.isnan(values)
    return divide(np.where(is_defined, values, 0).sum(axis=1), is_defined.sum(axis=1))
