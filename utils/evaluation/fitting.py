"""Train and val predictions in, a fitted `Calibration` out; test is never looked at."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from models.calibration import Calibration, Novelty, softmax
from utils.common.labels import CLASSES
from utils.training.predictions import Examined, Looks

REFUSED = 0.02
"""Share of the val pictures that are called unlike."""

MAX_TEMPERATURE = 20.0
"""Its inverse is the lowest."""

LOG_TEMPERATURE_SPREAD = 0.5
"""Standard deviation of the logarithm of temperatures before any val picture is seen."""

SHRINKAGE = 0.01
"""Of the features' correlations towards none; few pictures cannot tell them all."""


def fit(train: Looks, val: Examined, coverage: float) -> Calibration:
    """Fit all that makes a model's outputs trustworthy.

    Args:
        train: Some pictures that were trained on.
        val: All val pictures.
        coverage: Share of each class's pictures whose set is to hold their class, 0-1.
    """
    temperature = fit_temperature(val.logits, val.labels)
    probabilities = softmax(val.logits, temperature)
    quantiles, reasons = fit_quantiles(probabilities, val.labels, coverage)
    novelty = fit_novelty(train.features, train.labels, val.features)
    return Calibration(temperature, coverage, quantiles, reasons, novelty)


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return what logits are to be divided by, so that the true classes are likeliest.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", with a log-normal prior around 1:
    where the model is right on all of few val pictures, they alone would ask for a temperature
    near 0, and for probabilities near 1 of every mistake to come. Of simulated val sets of 20 to
    300 pictures a spread of 0.5 gave the least log loss on others, before 0.3, 1 and Platt's
    smoothed targets; on thousands it changes nothing.
    """
    bound = math.log(MAX_TEMPERATURE)
    chosen = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        given = softmax(logits, math.exp(log_temperature))[chosen, labels]
        fit = -float(np.log(np.maximum(given, np.finfo(float).tiny)).sum())
        return fit + (log_temperature / LOG_TEMPERATURE_SPREAD) ** 2 / 2

    found = minimize_scalar(loss, bounds=(-bound, bound), method="bounded")
    return math.exp(found.x)


def rank_of(share: float, count: int) -> int | None:
    """Return which of `count` values, sorted, from 1, a new one is below with this probability.

    None if there are too few for it: then no value is large enough.

    >>> rank_of(0.95, 19), rank_of(0.95, 18)
    (19, None)
    """
    rank = math.ceil((count + 1) * share - 1e-9)
    return rank if rank <= count else None


def fit_quantiles(
    probabilities: NDArray[np.float64], labels: NDArray[np.int64], coverage: float
) -> tuple[tuple[float | None, ...], dict[str, str]]:
    """Return for each class how unlikely it may be and still be possible, or why nobody can say."""
    quantiles: list[float | None] = []
    reasons = {}
    enough = math.ceil(coverage / (1 - coverage) - 1e-9)
    for label, name in enumerate(CLASSES):
        scores = np.sort(1 - probabilities[labels == label, label])
        rank = rank_of(coverage, len(scores))
        quantiles.append(None if rank is None else float(scores[rank - 1]))
        if rank is None:
            reasons[name] = f"{len(scores)} val pictures; {coverage:.0%} takes at least {enough}"
    return tuple(quantiles), reasons


def fit_novelty(
    train_features: NDArray[np.float32],
    train_labels: NDArray[np.int64],
    val_features: NDArray[np.float32],
) -> Novelty:
    """Learn how pictures look in training, and from val how far one may be from it."""
    features = train_features.astype(np.float64)
    occurring, codes = np.unique(train_labels, return_inverse=True)
    centres = np.stack([features[codes == code].mean(axis=0) for code in range(len(occurring))])
    spread = features.std(axis=0) + 1e-6
    scattered = (features - centres[codes]) / spread
    covariance = scattered.T @ scattered / len(scattered) + SHRINKAGE * np.eye(len(spread))
    variances, axes = np.linalg.eigh(covariance)
    projection = axes / np.sqrt(variances) / spread[:, None]
    unbounded = Novelty(
        None, "", projection.astype(np.float32), (centres @ projection).astype(np.float32)
    )
    distances = np.sort(unbounded.distances(val_features))
    rank = rank_of(1 - REFUSED, len(distances))
    if rank is None:
        enough = math.ceil(1 / REFUSED) - 1
        reason = f"{len(distances)} val pictures; to refuse {REFUSED:.0%} takes at least {enough}"
        return Novelty(None, reason, unbounded.projection, unbounded.centres)
    threshold = float(distances[rank - 1])
    return Novelty(threshold, "", unbounded.projection, unbounded.centres)
