"""Predictions and features of pictures: all that training hands to evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.scaling import LOG_TEMPERATURE_SPREAD, MAX_TEMPERATURE
from models.texture import NUM_FEATURES
from utils.common.labels import CLASSES

TEMPERATURES = np.geomspace(1 / MAX_TEMPERATURE, MAX_TEMPERATURE, 121)
"""Temperatures that are tried; steps of 5 % change a loss by far less than any picture does."""

SMOOTHED_EPOCHS = 2
"""Epochs over which the val loss is averaged to compare epochs."""


def _none() -> NDArray[np.float32]:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Pictures with their true classes, one row each.

    Attributes:
        files: Paths relative to the data set's folder.
        labels: True classes, N, int64, indices into `labels.CLASSES`.
        targets: What `assessments` are compared with, N x `NUM_TARGETS`, int8, in the columns of
            `models.outputs`; None where the pictures were not looked up in a manifest.
    """

    files: tuple[str, ...]
    labels: NDArray[np.int64]
    targets: NDArray[np.int8] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class OodFeatures(Labelled):
    """Features of pictures for out-of-distribution (OOD) detection.

    Attributes:
        features: Texture features, those of the network's first feature map, and its embeddings,
            as `models.inference.outputs_and_features` returns them, N x (D + E), float32.
        num_surface: D, how many of them are of texture and the first feature map.
    """

    features: NDArray[np.float32]
    num_surface: int = field(default=NUM_FEATURES, kw_only=True)


@dataclass(frozen=True, slots=True)
class Predictions(Labelled):
    """A model's predictions for pictures.

    Attributes:
        logits: N x number of classes, float32.
        assessments: The outputs that assess pictures, in the columns of `models.outputs`, N x
            `NUM_ASSESSMENTS`, float32; N x 0 of a network that does not.
    """

    logits: NDArray[np.float32]
    assessments: NDArray[np.float32] = field(default_factory=_none, kw_only=True)

    def __post_init__(self) -> None:
        if not self.assessments.size:
            empty = np.zeros((len(self.labels), 0), np.float32)
            object.__setattr__(self, "assessments", empty)

    @property
    def non_finite(self) -> tuple[str, ...]:
        """Return the files of pictures for which any output is NaN or infinite."""
        is_bad = ~np.isfinite(self.logits).all(axis=1) | ~np.isfinite(self.assessments).all(axis=1)
        return tuple(self.files[row] for row in np.flatnonzero(is_bad))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Return the likeliest class of each picture, N."""
        likeliest: NDArray[np.int64] = self.logits.argmax(axis=1)
        return likeliest

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Return the confusion matrix: counts, rows true and columns predicted."""
        return confusion_of(self.labels, self.predicted)


@dataclass(frozen=True, slots=True)
class PredictionsWithFeatures(Predictions):
    """A model's predictions for pictures, with their features for OOD detection.

    Attributes:
        features: N x D, float32, as in `OodFeatures`.
    """

    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EvaluationInputs:
    """Everything that evaluation needs of a trained model.

    Attributes:
        train: Features of some training pictures, to which OOD detection compares others.
        val: All val pictures, predicted by the best weights; the calibration is fitted on them.
        test: All test pictures, predicted by the best weights.
        val_by_epoch: Of each network whose answers are averaged, mostly one: logits of all val
            pictures after each epoch, N x number of classes each, from which val has chosen the
            best epoch.
        drawn: Newly degraded val pictures, each with the file of the good one that it was made
            from, and with targets; None if there are none.
    """

    train: OodFeatures
    val: PredictionsWithFeatures
    test: PredictionsWithFeatures
    val_by_epoch: Sequence[Sequence[NDArray[np.float32]]] = ()
    drawn: Predictions | None = None


def joined(parts: Sequence[Predictions]) -> Predictions:
    """Return several predictions with targets, at least one, as one."""
    return Predictions(
        tuple(file for part in parts for file in part.files),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.logits for part in parts]),
        assessments=np.concatenate([part.assessments for part in parts]),
        targets=np.concatenate([part.targets for part in parts if part.targets is not None]),
    )


def interleave(shares: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put rows back into order that were dealt out to several ranks in turns.

    >>> interleave([np.array([1, 3, 5]), np.array([2, 4])])
    array([1, 2, 3, 4, 5])
    """
    whole = np.empty((sum(map(len, shares)), *shares[0].shape[1:]), shares[0].dtype)
    for rank, share in enumerate(shares):
        whole[rank :: len(shares)] = share
    return whole


def confusion_of(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the confusion matrix: counts by true (rows) and predicted (columns) class."""
    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def accuracy(confusion: NDArray[np.int64]) -> float:
    """Return the share of correct predictions.

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
        predictions: Predictions of at least one picture.
        temperature: Divisor of the logits.
    """
    labels = predictions.labels
    losses = log_losses(predictions.logits, labels, temperature)
    return float(np.mean([losses[labels == label].mean() for label in np.unique(labels)]))


def log_losses(
    logits: NDArray[np.float32], labels: NDArray[np.int64], temperature: float
) -> NDArray[np.float64]:
    """Return each picture's cross entropy, N; logits are N x number of classes."""
    shifted = logits.astype(np.float64) / temperature
    shifted -= shifted.max(axis=1, keepdims=True)
    losses: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=1))
    return losses - shifted[np.arange(len(labels)), labels]


def calibrated_log_loss(predictions: Predictions) -> float:
    """Return the balanced log loss at the best temperature, by which epochs are compared.

    On few pictures a single one moves accuracy by points, and the plain loss punishes
    overconfidence, which calibration undoes. The temperature has the same prior as in `evaluation`,
    so that among epochs that get all of few pictures right the most confident is not the best just
    for that.
    """
    losses = [balanced_log_loss(predictions, temperature) for temperature in TEMPERATURES]
    return float(np.min(losses + temperature_penalties(len(predictions.labels))))


def criterion(losses: Sequence[float | None]) -> float | None:
    """Return the criterion by which the best epoch is chosen, of the last of these epochs.

    It is the `calibrated_log_loss` of val, as the mean of this epoch and the one before; None if
    this epoch has none. On few val pictures one epoch looks good by chance, two in a row seldom do.
    On the real pictures (three seeds, epochs chosen on 71 pictures and tested on 108, and vice
    versa) test balanced accuracy was 1.9 +- 1.2 points higher than with the highest val balanced
    accuracy, and 1.1 +- 1.9 points higher than with the loss of one epoch; always taking the last
    epoch did as well, but would not notice overfitting.

    >>> criterion([9.0, 0.5, 0.25])
    0.375
    """
    if losses[-1] is None:
        return None
    known = [loss for loss in losses[-SMOOTHED_EPOCHS:] if loss is not None]
    return sum(known) / len(known)


def best_epoch(losses: Sequence[float | None]) -> int | None:
    """Return the epoch, from 0, with the lowest `criterion`; None if no epoch has one.

    The first that has one is it only until there is another: it alone is no mean of two, and after
    frozen epochs it is hardly more than what they have prepared, which few val pictures may like
    best (docs/measured.md).

    >>> best_epoch([0.3]), best_epoch([0.3, 0.6, 0.5, 0.7]), best_epoch([None, 0.5, None])
    (0, 1, 1)
    """
    reached = [criterion(losses[: epoch + 1]) for epoch in range(len(losses))]
    known = [(value, epoch) for epoch, value in enumerate(reached) if value is not None]
    return min(known[1:] or known)[1] if known else None


def temperature_penalties(num_pictures: int) -> NDArray[np.float64]:
    """Return minus the log prior of each of `TEMPERATURES`, divided by a number of pictures."""
    spreads = np.log(TEMPERATURES) / LOG_TEMPERATURE_SPREAD
    penalties: NDArray[np.float64] = spreads**2 / 2 / num_pictures
    return penalties
