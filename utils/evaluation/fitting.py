"""Fit a `Calibration` on features of train and predictions of val; test is never looked at."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.novelty import Neighbours, Novelty, Scale, unit
from models.texture import NUM_FEATURES
from utils.evaluation.conformal import fit_quantiles, quantile_by_group, too_few
from utils.evaluation.cross_fitting import cross_fitted_probabilities
from utils.evaluation.temperature_scaling import fit_scaling
from utils.training.predictions import OodFeatures, PredictionsWithFeatures

REFUSED = 0.02
"""Share of the val pictures that count as out of distribution, unless --refuse sets another."""

SHRINKAGE = 0.01
"""Shrinkage of the features' correlations towards 0; few pictures do not determine all of them."""


def fit(
    train: OodFeatures,
    val: PredictionsWithFeatures,
    counts: Sequence[int],
    coverage: float,
    groups: NDArray[np.int64] | None = None,
    val_by_epoch: Sequence[NDArray[np.float32]] = (),
    refused: float = REFUSED,
) -> Calibration:
    """Fit scaling, prediction sets and out-of-distribution detection.

    Args:
        train: Features of some training pictures.
        val: Predictions and features of all val pictures, N.
        counts: Number of training pictures of each class.
        coverage: Share of each class's pictures whose set is to contain their class, 0-1.
        groups: Groups of the val pictures, N, as any numbers that differ between groups; each
            picture is a group of its own when left out.
        val_by_epoch: Logits of the val pictures after each epoch, N x number of classes each, from
            which val has chosen the best epoch; those of `val` alone when left out.
        refused: Share of the val pictures that count as out of distribution, 0-1.
    """
    groups = np.arange(len(val.labels)) if groups is None else groups
    scaling = fit_scaling(val.logits, val.labels, counts)
    probabilities = cross_fitted_probabilities(val_by_epoch or [val.logits], val, groups, counts)
    quantiles, reasons = fit_quantiles(probabilities, val.labels, coverage, groups)
    novelty = fit_novelty(train.features, train.labels, val.features, groups, refused)
    return Calibration(scaling, coverage, quantiles, reasons, novelty)


def fit_novelty(
    train_features: NDArray[np.float32],
    train_labels: NDArray[np.int64],
    val_features: NDArray[np.float32],
    val_groups: NDArray[np.int64] | None = None,
    refused: float = REFUSED,
) -> Novelty:
    """Fit distances on the features of train, and scales and a threshold on those of val.

    Args:
        train_features: Texture features, N x `NUM_FEATURES` or fewer, and then embeddings, if any.
        train_labels: True classes, N.
        val_features: The same features of val.
        val_groups: Groups of the val pictures; each is one of its own when left out.
        refused: Share of the val pictures that count as out of distribution, 0-1.
    """
    texture = train_features[:, :NUM_FEATURES]
    unbounded = Novelty(None, "", *_whitened(texture.astype(np.float64), train_labels))
    bank = unit(train_features[:, NUM_FEATURES:])
    if bank.size:
        unbounded = replace(unbounded, neighbours=_neighbours(bank, unbounded, val_features))
    groups = np.arange(len(val_features)) if val_groups is None else val_groups
    threshold = quantile_by_group(unbounded.scores(val_features), groups, 1 - refused)
    reason = too_few(groups, f"to refuse {100 * refused:.4g}% takes", 1 - refused)
    return replace(unbounded, threshold=threshold, reason="" if threshold is not None else reason)


def _whitened(
    features: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the projection that makes distances Euclidean, and the class centres behind it."""
    occurring, codes = np.unique(labels, return_inverse=True)
    centres = np.stack([features[codes == code].mean(axis=0) for code in range(len(occurring))])
    spread = features.std(axis=0) + 1e-6
    scattered = (features - centres[codes]) / spread
    covariance = scattered.T @ scattered / len(scattered) + SHRINKAGE * np.eye(len(spread))
    variances, axes = np.linalg.eigh(covariance)
    projection = axes / np.sqrt(variances) / spread[:, None]
    return projection.astype(np.float32), (centres @ projection).astype(np.float32)


def _neighbours(
    bank: NDArray[np.float32], novelty: Novelty, val_features: NDArray[np.float32]
) -> Neighbours:
    """Return the neighbours in a bank, with both scales fitted on val."""
    stored = bank.astype(np.float16).astype(np.float32)
    texture = Scale.of(novelty.distances(val_features))
    unscaled = Neighbours(stored, texture, texture)
    distances = unscaled.distances(val_features[:, NUM_FEATURES:])
    return replace(unscaled, embedding=Scale.of(distances))
