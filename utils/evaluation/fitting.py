"""Fit a `Calibration` on features of train and predictions of val; test is never looked at."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.calibration import Calibration, Novelty
from models.scaling import LOG_TEMPERATURE_SPREAD, MAX_TEMPERATURE, Scaling
from utils.common.labels import CLASSES
from utils.training.predictions import OodFeatures, PredictionsWithFeatures

REFUSED = 0.02
"""Share of the val pictures that count as out of distribution."""

SPREADS = np.array([LOG_TEMPERATURE_SPREAD, *[0.25] * len(CLASSES)])
"""Standard deviations of the priors of the temperature's logarithm and of each bias."""

SHRINKAGE = 0.01
"""Shrinkage of the features' correlations towards 0; few pictures do not determine all of them."""


def fit(
    train: OodFeatures,
    val: PredictionsWithFeatures,
    counts: Sequence[int],
    coverage: float,
    groups: NDArray[np.int64] | None = None,
) -> Calibration:
    """Fit scaling, prediction sets and out-of-distribution detection.

    Args:
        train: Features of some training pictures.
        val: Predictions and features of all val pictures, N.
        counts: Number of training pictures of each class.
        coverage: Share of each class's pictures whose set is to contain their class, 0-1.
        groups: Groups of the val pictures, N, as any numbers that differ between groups; each
            picture is a group of its own when left out.
    """
    scaling = fit_scaling(val.logits, val.labels, counts)
    probabilities = scaling.probabilities(val.logits)
    quantiles, reasons = fit_quantiles(probabilities, val.labels, coverage, groups)
    novelty = fit_novelty(train.features, train.labels, val.features, groups)
    return Calibration(scaling, coverage, quantiles, reasons, novelty)


def fit_scaling(
    logits: NDArray[np.float32], labels: NDArray[np.int64], counts: Sequence[int]
) -> Scaling:
    """Return the most likely temperature and biases, given how common each class is in val.

    Temperature and biases have priors, log-normal around 1 and normal around 0. Where the model is
    right on all of few val pictures, the likelihood alone would ask for a temperature near 0, and
    so for probabilities near 1 of every later mistake. On simulated val sets of 20 to 300 pictures
    a spread of 0.5 gave the least log loss on other pictures, ahead of 0.3, 1 and Platt's smoothed
    targets; on thousands of pictures it changes nothing. For the biases 0.25 was chosen: on 71 to
    384 pictures 0.5 lowered the log loss by another 0.4 %, but balanced accuracy by 0.5 points; 1
    and more were worse in both.

    Args:
        logits: Logits of val, N x number of classes.
        labels: True classes, N.
        counts: Number of training pictures of each class.
    """
    # Plus one each, since a class without val pictures may occur all the same.
    prior = np.bincount(labels, minlength=len(CLASSES)) + 1.0
    log_temperature, *biases = _most_likely(logits, labels, np.log(prior / prior.sum()), True)
    shares = np.array(counts, dtype=np.float64) / sum(counts)
    return Scaling(math.exp(log_temperature), tuple(biases), tuple(shares.tolist()))


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Scaling:
    """Return the most likely scaling by a temperature alone (Guo et al. 2017), as a baseline."""
    log_temperature, *_ = _most_likely(logits, labels, np.zeros(len(CLASSES)), False)
    return Scaling(math.exp(log_temperature))


def _most_likely(
    logits: NDArray[np.float32],
    labels: NDArray[np.int64],
    log_prior: NDArray[np.float64],
    has_biases: bool,
) -> list[float]:
    """Return the logarithm of the most likely temperature, and the most likely biases."""
    scores, chosen = logits.astype(np.float64), np.arange(len(labels))
    bound = math.log(MAX_TEMPERATURE)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_temperature, biases = parameters[0], parameters[1:]
        scaled = scores * math.exp(-log_temperature)
        shifted = scaled + biases + log_prior
        shifted -= shifted.max(axis=1, keepdims=True)
        errors = np.exp(shifted)
        sums = errors.sum(axis=1, keepdims=True)
        fit = float((np.log(sums[:, 0]) - shifted[chosen, labels]).sum())
        errors /= sums
        errors[chosen, labels] -= 1
        slope = np.concatenate([[-(errors * scaled).sum()], errors.sum(axis=0)])
        spreads = parameters / SPREADS
        return fit + float((spreads**2).sum()) / 2, slope + spreads / SPREADS

    bounds = [(-bound, bound), *[(None, None) if has_biases else (0, 0)] * len(CLASSES)]
    start = np.zeros(len(SPREADS))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    best: list[float] = found.x.tolist()
    return best


def rank_of(share: float, count: int) -> int | None:
    """Return the rank, from 1, of the value that a new one does not exceed with this probability.

    None if `count` values are too few: then none of them is large enough.

    >>> rank_of(0.95, 19), rank_of(0.95, 18)
    (19, None)
    """
    rank = math.ceil((count + 1) * share - 1e-9)
    return rank if rank <= count else None


def quantile_by_group(
    scores: NDArray[np.floating], groups: NDArray[np.int64], share: float
) -> float | None:
    """Return the score that a picture of a new group does not exceed with this probability.

    Pictures of one patient are alike, so each group has weight 1, divided among its pictures (Lee,
    Barber and Willett 2023, "Distribution-free inference with hierarchical data"). Where each
    picture is a group of its own, this is the value at `rank_of`. None if there are too few groups.

    >>> quantile_by_group(np.array([0.1, 0.9, 0.9, 0.9]), np.array([0, 1, 1, 1]), 0.3)
    0.1
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if rank_of(share, len(sizes)) is None:
        return None
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(1 / sizes[codes[order]]) / (len(sizes) + 1)
    place = int(np.searchsorted(reached, share - 1e-9))
    return float(scores[order[min(place, len(order) - 1)]])


def fit_quantiles(
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    coverage: float,
    groups: NDArray[np.int64] | None = None,
) -> tuple[tuple[float | None, ...], dict[str, str]]:
    """Return the quantile of each class, or None and the reason by the class's name."""
    groups = np.arange(len(labels)) if groups is None else groups
    quantiles: list[float | None] = []
    reasons = {}
    for label, name in enumerate(CLASSES):
        chosen = labels == label
        scores, own = 1 - probabilities[chosen, label], groups[chosen]
        quantiles.append(quantile_by_group(scores, own, coverage))
        if quantiles[-1] is None:
            reasons[name] = too_few(own, f"{coverage:.0%} takes", coverage)
    return tuple(quantiles), reasons


def too_few(groups: NDArray[np.int64], purpose: str, share: float) -> str:
    """Return a reason: how many val pictures or groups there are, and how many a quantile takes.

    >>> too_few(np.array([3, 4]), "80% takes", 0.8)
    '2 val pictures; 80% takes at least 4'
    >>> too_few(np.array([3, 3, 3, 3]), "80% takes", 0.8)
    '4 val pictures of 1 group; 80% takes at least 4 groups'
    """
    num_groups = len(np.unique(groups))
    enough = math.ceil(share / (1 - share) - 1e-9)
    if num_groups == len(groups):
        return f"{len(groups)} val pictures; {purpose} at least {enough}"
    of_groups = f"{num_groups} group{'s' * (num_groups != 1)}"
    return f"{len(groups)} val pictures of {of_groups}; {purpose} at least {enough} groups"


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
    threshold = quantile_by_group(unbounded.distances(val_features), groups, 1 - REFUSED)
    reason = too_few(groups, f"to refuse {REFUSED:.0%} takes", 1 - REFUSED)
    return replace(unbounded, threshold=threshold, reason="" if threshold is not None else reason)
