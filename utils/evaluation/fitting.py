"""Fit a `Calibration` on features of train and predictions of val; test is never looked at."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration, Novelty
from utils.common.labels import CLASSES
from utils.evaluation.conformal import VAL_PICTURES, fit_quantiles, quantile_by_group, too_few
from utils.evaluation.cross_fitting import cross_fitted_probabilities
from utils.evaluation.temperature_scaling import fit_scaling
from utils.training.predictions import OodFeatures, PredictionsWithFeatures

REFUSED = 0.02
"""Share of the val pictures that count as out of distribution."""

SHRINKAGE = 0.01
"""Shrinkage of the features' correlations towards 0; few pictures do not determine all of them."""

PICTURES = "pictures"
"""What a calibration is fitted anew on."""


def fit(
    train: OodFeatures,
    val: PredictionsWithFeatures,
    counts: Sequence[int],
    coverage: float,
    groups: NDArray[np.int64] | None = None,
    val_by_epoch: Sequence[NDArray[np.float32]] = (),
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
    """
    groups = np.arange(len(val.labels)) if groups is None else groups
    scaling = fit_scaling(val.logits, val.labels, counts)
    probabilities = cross_fitted_probabilities(val_by_epoch or [val.logits], val, groups, counts)
    quantiles, reasons = fit_quantiles(probabilities, val.labels, coverage, groups)
    novelty = fit_novelty(train.features, train.labels, val.features, groups)
    return Calibration(scaling, coverage, quantiles, reasons, novelty)


def fit_novelty(
    train_features: NDArray[np.float32],
    train_labels: NDArray[np.int64],
    val_features: NDArray[np.float32],
    val_groups: NDArray[np.int64] | None = None,
) -> Novelty:
    """Fit the distance on the features of train, and its threshold on those of val."""
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
    groups = np.arange(len(val_features)) if val_groups is None else val_groups
    return with_threshold(unbounded, val_features, groups)


def with_threshold(
    novelty: Novelty,
    features: NDArray[np.float32],
    groups: NDArray[np.int64],
    what: str = VAL_PICTURES,
) -> Novelty:
    """Return the same distance with the threshold that refuses `REFUSED` of pictures like these.

    Args:
        novelty: The distance; its own threshold does not count.
        features: Texture features of the pictures, N x D.
        groups: Groups of the pictures, N.
        what: What a reason calls the pictures.
    """
    threshold = quantile_by_group(novelty.distances(features), groups, 1 - REFUSED)
    reason = too_few(groups, f"to refuse {REFUSED:.0%} takes", 1 - REFUSED, what)
    return replace(novelty, threshold=threshold, reason="" if threshold is not None else reason)


def refit(
    calibration: Calibration,
    labelled: PredictionsWithFeatures,
    coverage: float,
    groups: NDArray[np.int64],
) -> Calibration:
    """Fit a trained model's calibration anew on other pictures, weights and distance untouched.

    A class of which there are too few pictures is promised nothing: what was promised on other
    pictures need not hold here. Too few for a threshold, the one that was there stays, and its
    `reason` says why: without one, no stranger would be refused at all.

    Args:
        calibration: Calibration of the model so far.
        labelled: The model's predictions for the other pictures, N.
        coverage: Share of each class's pictures whose set is to contain their class, 0-1.
        groups: Groups of these pictures, N, as any numbers that differ between groups.
    """
    none = [1] * len(CLASSES)  # shares of training, which stay as they were
    scaling = fit_scaling(labelled.logits, labelled.labels, none)
    probabilities = cross_fitted_probabilities([labelled.logits], labelled, groups, none)
    quantiles, reasons = fit_quantiles(probabilities, labelled.labels, coverage, groups, PICTURES)
    novelty = with_threshold(calibration.novelty, labelled.features, groups, PICTURES)
    if novelty.threshold is None:
        novelty = replace(novelty, threshold=calibration.novelty.threshold)
    return Calibration(
        replace(scaling, class_shares=calibration.scaling.class_shares),
        coverage, quantiles, reasons, novelty,
    )  # fmt: skip
