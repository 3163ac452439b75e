"""What is known of pictures once a model is trained: all that training hands to evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.scaling import LOG_TEMPERATURE_SPREAD, MAX_TEMPERATURE
from utils.common.labels import CLASSES

TEMPERATURES = np.geomspace(1 / MAX_TEMPERATURE, MAX_TEMPERATURE, 121)
"""Of which the best one is found; steps of 5 % change a loss by far less than any picture does."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Pictures that something was asked of, one row each.

    Attributes:
        files: Paths below the data set's folder.
        labels: True classes, N, int64, indices into `labels.CLASSES`.
    """

    files: tuple[str, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Looks(Asked):
    """How pictures look, whatever they show.

    Attributes:
        features: N x D, float32, as `models.texture` describes them.
    """

    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Predictions(Asked):
    """What a model says of pictures.

    Attributes:
        logits: Raw outputs, N x number of classes, float32.
    """

    logits: NDArray[np.float32]

    @property
    def unanswered(self) -> tuple[str, ...]:
        """Return the files of pictures for which the model gives NaN or infinite outputs."""
        is_bad = ~np.isfinite(self.logits)
        return tuple(self.files[row] for row in np.flatnonzero(is_bad.any(axis=1)))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Return the likeliest class of each picture, N."""
        likeliest: NDArray[np.int64] = self.logits.argmax(axis=1)
        return likeliest

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Return counts, rows true and columns predicted, number of classes squared."""
        return confusion_of(self.labels, self.predicted)


@dataclass(frozen=True, slots=True)
class Examined(Predictions):
    """What a model says of pictures, and how they look.

    Attributes:
        features: N x D, float32, as in `Looks`.
    """

    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answers:
    """All that evaluation needs.

    Attributes:
        train: Some training pictures, to know how pictures look in training.
        val: All val pictures, by the best weights: everything is fitted on them.
        test: All test pictures, by the best weights.
    """

    train: Looks
    val: Examined
    test: Examined


def interleave(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Undo dealing out rows in turns.

    >>> interleave([np.array([1, 3, 5]), np.array([2, 4])])
    array([1, 2, 3, 4, 5])
    """
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    for rank, part in enumerate(parts):
        whole[rank :: len(parts)] = part
    return whole


def confusion_of(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count pictures by true (rows) and predicted (columns) class."""
    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def accuracy(confusion: NDArray[np.int64]) -> float:
    """Return the share of right answers.

    >>> accuracy(np.array([[3, 1], [0, 0]]))
    0.75
    """
    return float(np.trace(confusion) / confusion.sum())


def balanced_accuracy(confusion: NDArray[np.int64]) -> float:
    """Return the mean recall of the classes that occur.

    >>> balanced_accuracy(np.array([[3, 1, 0], [1, 1, 0], [0, 0, 0]]))
    0.625
    """
    totals = confusion.sum(axis=1)
    occurs = totals > 0
    return float((np.diag(confusion)[occurs] / totals[occurs]).mean())


def balanced_log_loss(predictions: Predictions, temperature: float = 1.0) -> float:
    """Return the cross entropy averaged within each class that occurs, then over them.

    Args:
        predictions: At least one.
        temperature: Logits are divided by it.
    """
    labels, shifted = predictions.labels, predictions.logits.astype(np.float64) / temperature
    shifted -= shifted.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    occurring = np.unique(labels)
    return float(np.mean([losses[labels == label].mean() for label in occurring]))


def calibrated_log_loss(predictions: Predictions) -> float:
    """Return the balanced log loss at the best temperature, which tells epochs apart.

    One picture of few moves an accuracy by points, and a loss as it comes punishes a model for
    being too sure, which calibration undoes. The temperature has the prior that `evaluation` gives
    it: of few pictures that are all right, the surest epoch is not the best for that.
    """
    spreads = np.log(TEMPERATURES) / LOG_TEMPERATURE_SPREAD
    penalties = spreads**2 / 2 / len(predictions.labels)
    losses = [balanced_log_loss(predictions, temperature) for temperature in TEMPERATURES]
    return float(np.min(losses + penalties))
