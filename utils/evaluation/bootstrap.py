"""Compute figures with 95 % intervals, by a bootstrap over groups of pictures.

Pictures of one patient are not independent, so whole groups are resampled, with replacement
(Davison and Hinkley 1997, "Bootstrap Methods and their Application", chapter 3.8).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from utils.common.seeds import generator
from utils.evaluation.proportions import LEVEL, clopper_pearson, proportion_interval

RESAMPLES = 2000
FEWEST_GROUPS = 30
"""Least groups of a reliable interval; with fewer it is too narrow."""

CHUNK_CELLS = 1_000_000
"""Weights of groups, or of pictures, that are in memory at a time."""

MOST_BLOCKS = 400
"""Most blocks of groups that are left out in turn."""

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Computes K values, B x K, from weights of the groups, B x G; NaN where undefined."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the report.

    Attributes:
        value: Value of the figure; None if it is undefined.
        interval: Low and high end of the 95 % interval; None if the value is undefined, or rests on
            a single group, which cannot be resampled.
        groups: Number of groups that it rests on.
        reason: Why the value is undefined; empty if it is not.
    """

    value: float | None
    interval: tuple[float, float] | None
    groups: int
    reason: str = ""

    @property
    def is_reliable(self) -> bool:
        """Whether there are enough groups for the interval to mean what it says."""
        return self.groups >= FEWEST_GROUPS

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return {
            "value": self.value,
            "interval": None if self.interval is None else list(self.interval),
            "groups": self.groups,
            "reliable": self.is_reliable,
            **({"reason": self.reason} if self.reason else {}),
        }


def figures(
    statistic: Statistic,
    num_groups: int,
    resting_on: Sequence[int],
    reasons: Sequence[str],
    resamples: int = RESAMPLES,
) -> list[Figure]:
    """Compute K figures from all groups, each with an interval from resampled groups.

    Args:
        statistic: Computes the K values for any weights of the groups.
        num_groups: Number of groups, G.
        resting_on: Number of groups that each of the K figures rests on.
        reasons: Reason of each of the K figures in case it is undefined.
        resamples: Number of resamples.
    """
    values = statistic(np.ones((1, num_groups)))[0]
    has_interval = num_groups > 1
    ends = interval(statistic, num_groups, resamples) if has_interval else np.stack([values] * 2)
    return [
        Figure(None, None, groups, reason)
        if np.isnan(value)
        else Figure(
            float(value), widen(float(low), float(high), groups) if has_interval else None, groups
        )
        for value, low, high, groups, reason in zip(values, *ends, resting_on, reasons, strict=True)
    ]


def interval(
    statistic: Statistic, num_groups: int, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Return the low and the high ends of K intervals, 2 x K.

    Bias-corrected and accelerated (BCa: Efron 1987, "Better Bootstrap Confidence Intervals"): near
    0 and 1 the resampled figures are skewed, and their plain quantiles lie too close to these.
    """
    rng = generator("bootstrap", num_groups)
    rows = max(1, CHUNK_CELLS // num_groups)
    sizes = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    drawn = np.concatenate([statistic(draw(rng, size, num_groups)) for size in sizes])
    value = statistic(np.ones((1, num_groups)))[0]
    shares = _corrected_shares(drawn, value, _acceleration(statistic, num_groups))
    ends = np.full(shares.shape, np.nan)
    for column, own in enumerate(shares.T):
        defined = drawn[~np.isnan(drawn[:, column]), column]
        if len(defined):  # a figure may be undefined in every draw
            ends[:, column] = np.quantile(defined, own)
    return ends


def _corrected_shares(
    drawn: NDArray[np.float64], value: NDArray[np.float64], acceleration: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return which quantiles of the resampled figures, B x K, are the interval's ends, 2 x K."""
    with np.errstate(invalid="ignore"):
        below = (drawn < value).mean(axis=0) + (drawn == value).mean(axis=0) / 2
    least = 0.5 / len(drawn)
    bias = ndtri(np.clip(below, least, 1 - least))
    wanted = bias + ndtri([[(1 - LEVEL) / 2], [(1 + LEVEL) / 2]])
    corrected: NDArray[np.float64] = ndtr(bias + wanted / (1 - acceleration * wanted))
    return corrected


def _acceleration(statistic: Statistic, num_groups: int) -> NDArray[np.float64]:
    """Return the acceleration of K figures, K, by a jackknife over the groups.

    With many groups several are left out together, which gives about the same result faster.
    """
    blocks = min(num_groups, MOST_BLOCKS)
    weights = np.ones((blocks, num_groups))
    weights[np.arange(num_groups) % blocks, np.arange(num_groups)] = 0
    rows = max(1, CHUNK_CELLS // num_groups)
    left = np.concatenate(
        [statistic(weights[start : start + rows]) for start in range(0, blocks, rows)]
    )
    with warnings.catch_warnings():  # some figures are undefined without certain groups
        warnings.filterwarnings("ignore", message="Mean of empty slice")
        deviation = np.nan_to_num(np.nanmean(left, axis=0) - left)
    spread = np.square(deviation).sum(axis=0)
    skew = (deviation**3).sum(axis=0)
    acceleration: NDArray[np.float64] = np.divide(
        skew, 6 * spread**1.5, out=np.zeros_like(skew), where=spread > 1e-24
    )
    return acceleration


def widen(low: float, high: float, groups: int) -> tuple[float, float]:
    """Return an interval, widened where the groups do not differ at all.

    Where all are right, or all wrong, resampling tells nothing; the exact binomial interval does,
    with one trial per group.

    >>> widen(1.0, 1.0, 36)[0].__round__(2), widen(0.5, 0.7, 36)
    (0.9, (0.5, 0.7))
    """
    if low == high and low in (0, 1):
        return clopper_pearson(low * max(groups, 1), max(groups, 1))
    return low, high


def draw(rng: np.random.Generator, resamples: int, num_groups: int) -> NDArray[np.float64]:
    """Resample the groups, and return how often each was drawn, B x G."""
    chosen = rng.integers(num_groups, size=(resamples, num_groups))
    chosen += num_groups * np.arange(resamples)[:, None]
    counts = np.bincount(chosen.ravel(), minlength=resamples * num_groups)
    return counts.reshape(resamples, num_groups).astype(np.float64)


def sum_by_group(
    values: NDArray[Any], groups: NDArray[np.int64], num_groups: int
) -> NDArray[np.float64]:
    """Add up the rows of each group, N x K to G x K.

    >>> sum_by_group(np.array([[1], [2], [4]]), np.array([1, 0, 1]), 2).tolist()
    [[2.0], [5.0]]
    """
    sums = np.zeros((num_groups, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums


def share(right: NDArray[np.bool_], groups: NDArray[np.int64], nothing: str = "") -> Figure:
    """Return the share of pictures for which something is true.

    Args:
        right: Whether it is true, N.
        groups: Groups of the pictures, N, as any numbers that differ between groups.
        nothing: Reason of the figure if there are no pictures.
    """
    if not len(right):
        return Figure(None, None, 0, nothing)
    _, codes = np.unique(groups, return_inverse=True)
    return Figure(float(right.mean()), proportion_interval(right, codes), int(codes.max()) + 1)
