"""Fit the conformal quantiles by which a prediction set keeps its promised coverage."""

import math

import numpy as np
from numpy.typing import NDArray

from utils.common.labels import CLASSES

VAL_PICTURES = "val pictures"
"""What quantiles are fitted on in a training."""


def in_percent(share: float) -> str:
    """Return a share that somebody has set as text, with all of its digits.

    >>> [in_percent(share) for share in (0.95, 0.975, 0.999)]
    ['95%', '97.5%', '99.9%']
    """
    return f"{100 * share:.6g}%"


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
    what: str = VAL_PICTURES,
) -> tuple[tuple[float | None, ...], dict[str, str]]:
    """Return the quantile of each class, or None and the reason by the class's name.

    Args:
        probabilities: Probabilities among equally common classes, N x number of classes.
        labels: True classes, N.
        coverage: Share of each class's pictures whose set is to contain their class, 0-1.
        groups: Groups of the pictures, N; each picture is a group of its own when left out.
        what: What the reasons call the pictures.
    """
    groups = np.arange(len(labels)) if groups is None else groups
    quantiles: list[float | None] = []
    reasons = {}
    for label, name in enumerate(CLASSES):
        chosen = labels == label
        scores, own = 1 - probabilities[chosen, label], groups[chosen]
        quantiles.append(quantile_by_group(scores, own, coverage))
        if quantiles[-1] is None:
            reasons[name] = too_few(own, f"{in_percent(coverage)} takes", coverage, what)
    return tuple(quantiles), reasons


def too_few(groups: NDArray[np.int64], purpose: str, share: float, what: str = VAL_PICTURES) -> str:
    """Return a reason: how many pictures or groups there are, and how many a quantile takes.

    >>> too_few(np.array([3, 4]), "80% takes", 0.8)
    '2 val pictures; 80% takes at least 4'
    >>> too_few(np.array([3, 3, 3, 3]), "80% takes", 0.8)
    '4 val pictures of 1 group; 80% takes at least 4 groups'
    """
    num_groups = len(np.unique(groups))
    enough = math.ceil(share / (1 - share) - 1e-9)
    if num_groups == len(groups):
        return f"{len(groups)} {what}; {purpose} at least {enough}"
    of_groups = f"{num_groups} group{'s' * (num_groups != 1)}"
    return f"{len(groups)} {what} of {of_groups}; {purpose} at least {enough} groups"
