"""Fit out-of-distribution detection on features of train, and its threshold on those of val."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.novelty import REFUSED, Neighbours, Novelty, Scale, unit
from models.texture import NUM_FEATURES
from utils.evaluation.conformal import VAL_PICTURES, in_percent, quantile_by_group, too_few

SHRINKAGE, SHRINKAGE_WITH_STEM = 0.01, 4.0
"""Added to each feature's variance of 1, which shrinks correlations towards 0: few pictures do not
determine all of them. With the first feature map it takes more: in what its many features happen
not to vary, nothing is strange yet. Of texture alone that much would miss pages of text."""

UNSCALED = Scale(0.0, 1.0)


def fit_novelty(
    train_features: NDArray[np.float32],
    train_labels: NDArray[np.int64],
    val_features: NDArray[np.float32],
    val_groups: NDArray[np.int64] | None = None,
    refused: float = REFUSED,
    num_surface: int = NUM_FEATURES,
) -> Novelty:
    """Fit distances on the features of train, and scales and a threshold on those of val.

    Args:
        train_features: Features as in `Novelty.scores`, N x (D + E); a picture with a feature that
            is NaN or infinite is left out.
        train_labels: True classes, N.
        val_features: The same features of the good pictures of val, all finite.
        val_groups: Groups of the val pictures; each is one of its own when left out.
        refused: Share of these val pictures that count as out of distribution, 0-1.
        num_surface: D, how many of the features are of texture and the first feature map; the
            others are embeddings.
    """
    is_finite = np.isfinite(train_features).all(axis=1)
    features, labels = train_features[is_finite], train_labels[is_finite]
    surface, embeddings = np.split(features, [num_surface], axis=1)
    shrinkage = SHRINKAGE_WITH_STEM if surface.shape[1] > NUM_FEATURES else SHRINKAGE
    novelty = Novelty(None, "", *whitened(surface, labels, shrinkage), _in_bank(embeddings))
    groups = np.arange(len(val_features)) if val_groups is None else val_groups
    return _fitted(novelty, val_features, groups, refused, f"good {VAL_PICTURES}")


def refit_novelty(
    novelty: Novelty,
    features: NDArray[np.float32],
    groups: NDArray[np.int64],
    refused: float,
    what: str,
) -> Novelty:
    """Return the same distances with scales and a threshold fitted on other pictures.

    If these are too few for a threshold, only the reason is new.

    Args:
        novelty: The detection so far.
        features: Features of the pictures, N x D, all finite, as in `Novelty.scores`.
        groups: Groups of the pictures, N.
        refused: Share of them that count as out of distribution, 0-1.
        what: What a reason calls the pictures.
    """
    fitted = _fitted(novelty, features, groups, refused, what)
    return replace(novelty, reason=fitted.reason) if fitted.threshold is None else fitted


def _fitted(
    novelty: Novelty,
    features: NDArray[np.float32],
    groups: NDArray[np.int64],
    refused: float,
    what: str,
) -> Novelty:
    """Return the same distances with scales and a threshold, or a reason why there is none."""
    if novelty.neighbours and len(features):
        scaled = _scaled(novelty.neighbours, novelty, features)
        novelty = replace(novelty, neighbours=scaled)
    threshold = quantile_by_group(novelty.scores(features), groups, 1 - refused)
    reason = too_few(groups, f"to refuse {in_percent(refused)} takes", 1 - refused, what)
    reason = "" if threshold is not None else reason
    return replace(novelty, threshold=threshold, reason=reason, refused=refused)


def whitened(
    features: NDArray[np.float32], labels: NDArray[np.int64], shrinkage: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the projection that makes distances Euclidean, and the class centres behind it.

    Args:
        features: Features of texture and the first feature map, N x D.
        labels: True classes, N.
        shrinkage: What is added to variances of 1.
    """
    features = features.astype(np.float64)
    occurring, codes = np.unique(labels, return_inverse=True)
    centres = np.stack([features[codes == code].mean(axis=0) for code in range(len(occurring))])
    spread = features.std(axis=0) + 1e-6
    scattered = (features - centres[codes]) / spread
    covariance = scattered.T @ scattered / len(scattered) + shrinkage * np.eye(len(spread))
    variances, axes = np.linalg.eigh(covariance)
    projection = axes / np.sqrt(variances) / spread[:, None]
    return projection.astype(np.float32), (centres @ projection).astype(np.float32)


def _in_bank(embeddings: NDArray[np.float32]) -> Neighbours | None:
    """Return neighbours that have no scales yet; None if a network has no embeddings."""
    if not embeddings.size:
        return None
    return Neighbours(unit(embeddings).astype(np.float16).astype(np.float32), UNSCALED, UNSCALED)


def _scaled(neighbours: Neighbours, novelty: Novelty, features: NDArray[np.float32]) -> Neighbours:
    """Return neighbours with both scales of these pictures."""
    return replace(
        neighbours,
        texture=Scale.of(novelty.distances(features)),
        embedding=Scale.of(neighbours.distances(neighbours.embeddings_in(features))),
    )
