"""Predictions in, the figures of the report out; what is undefined is None, never 0."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from utils.common.labels import CLASSES
from utils.training.predictions import Predictions, accuracy, balanced_accuracy


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How well one class was told from the rest.

    Attributes:
        precision: Share of the answers with this class that are right; None if there were none.
        recall: Share of its pictures that were recognised; None if there are none.
        f1: Harmonic mean of the two; None if the class neither occurs nor was answered.
        pictures: Number of its pictures.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    pictures: int


@dataclass(frozen=True, slots=True)
class Metrics:
    """The figures of one test.

    Attributes:
        accuracy: Share of right answers.
        balanced_accuracy: Mean recall of the classes that occur.
        macro_f1: Mean F1 of the classes that have one.
        per_class: In the order of `labels.CLASSES`.
        confusion: Counts, rows true and columns predicted.
    """

    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    per_class: dict[str, ClassFigures]
    confusion: NDArray[np.int64]


def measure(predictions: Predictions) -> Metrics:
    """Compute all figures of a test with at least one picture."""
    numbers = precision_recall_fscore_support(
        predictions.labels,
        predictions.predicted,
        labels=range(len(CLASSES)),
        zero_division=np.nan,
    )
    per_class = {
        name: ClassFigures(defined(precision), defined(recall), defined(f1), int(pictures))
        for name, precision, recall, f1, pictures in zip(CLASSES, *numbers, strict=True)
    }
    confusion = predictions.confusion
    return Metrics(
        accuracy(confusion),
        balanced_accuracy(confusion),
        float(np.nanmean(numbers[2])),
        per_class,
        confusion,
    )


def defined(value: Any) -> float | None:
    """Return a number, or None for not-a-number."""
    return None if math.isnan(value) else float(value)
