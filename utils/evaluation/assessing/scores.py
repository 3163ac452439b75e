"""Figures of what is said of test pictures, each with its interval: shares, means and F1."""

import numpy as np
from numpy.typing import NDArray

from models.findings import Findings
from utils.common.faults import FAULT_NAMES
from utils.evaluation.assessing.truths import Truths, any_of
from utils.evaluation.bootstrap import Figure, Statistic, figures, share, sum_by_group
from utils.evaluation.metrics import divide, mean_of_defined

NOTHING = "there are no such test pictures"
NO_FAULTS = "of no such test picture it is known which faults it has"


def f1s(has: NDArray[np.bool_], told: NDArray[np.bool_], groups: NDArray[np.int64]) -> list[Figure]:
    """Return the F1 of each fault.

    Args:
        has: Whether each picture has each fault, N x number of faults, N at least 1.
        told: Whether it is told of each, of the same shape.
        groups: Groups of the pictures, N, as any numbers that differ between groups.
    """
    statistic, num_groups = _f1_statistic(has, told, groups)
    resting_on = [len(np.unique(groups[column])) for column in has.T]
    reasons = ["no test picture has it, and it was never told"] * len(FAULT_NAMES)
    return figures(statistic, num_groups, resting_on, reasons)


def macro_f1(has: NDArray[np.bool_], told: NDArray[np.bool_], groups: NDArray[np.int64]) -> Figure:
    """Return the mean F1 of the faults that occur or are told; the arguments are those of `f1s`."""
    resting_on = len(np.unique(groups[any_of(has)]))
    if not resting_on:
        return Figure(None, None, 0, NO_FAULTS)
    f1, num_groups = _f1_statistic(has, told, groups)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return mean_of_defined(f1(weights))[:, None]

    return figures(statistic, num_groups, [resting_on], [""])[0]


def _f1_statistic(
    has: NDArray[np.bool_], told: NDArray[np.bool_], groups: NDArray[np.int64]
) -> tuple[Statistic, int]:
    """Return the statistic of each fault's F1, B x F from B x G, and the number of groups, G."""
    _, codes = np.unique(groups, return_inverse=True)
    num_groups, num_faults = int(codes.max()) + 1, has.shape[1]
    counts = np.concatenate([has & told, has, told], axis=1)
    sums = sum_by_group(counts, codes, num_groups)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = weights @ sums
        both, are, said = (totals[:, k * num_faults : (k + 1) * num_faults] for k in range(3))
        return divide(2 * both, are + said)

    return statistic, num_groups


def mean(values: NDArray[np.float64], groups: NDArray[np.int64]) -> Figure:
    """Return the mean of a value over pictures, N."""
    if not len(values):
        return Figure(None, None, 0, NOTHING)
    _, codes = np.unique(groups, return_inverse=True)
    num_groups = int(codes.max()) + 1
    sums = sum_by_group(np.column_stack([values, np.ones(len(values))]), codes, num_groups)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = weights @ sums
        return divide(totals[:, :1], totals[:, 1:])

    return figures(statistic, num_groups, [num_groups], [""])[0]


def severity_error(
    findings: Findings, truths: Truths, chosen: NDArray[np.bool_], groups: NDArray[np.int64]
) -> Figure:
    """Return the mean absolute error of the severity of the chosen pictures."""
    errors = np.abs(findings.severities - truths.severities)
    return mean(errors[chosen], groups[chosen])


def share_of_chosen(
    right: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    groups: NDArray[np.int64],
    nothing: str = NOTHING,
) -> Figure:
    """Return the share of the chosen pictures, N, for which something is true.

    Args:
        right: Whether it is true, N.
        chosen: Which pictures count, N.
        groups: Groups of the pictures, N.
        nothing: Reason of the figure if none is chosen.
    """
    return share(right[chosen], groups[chosen], nothing)
