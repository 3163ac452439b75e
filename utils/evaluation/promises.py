"""Compare the coverage of the prediction sets on test with the promised one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, betaln

from models.calibration import Calibration, Verdicts
from utils.common.labels import CLASSES
from utils.evaluation.bootstrap import Figure, share
from utils.evaluation.conformal import rank_of
from utils.evaluation.proportions import LEVEL


@dataclass(frozen=True, slots=True)
class Promise:
    """The coverage of one class, promised and on test.

    Attributes:
        promised: Coverage that the calibration aims at.
        quantile: Quantile of the calibration; None if nothing was promised.
        reason: Why nothing was promised; empty if something was.
        covered: Share of the test pictures whose set contains their class.
        expected: Range of that share in 95 % of tests, for these numbers of groups in val and in
            test, if each were one picture (beta-binomial: Angelopoulos and Bates 2023, "Conformal
            Prediction: A Gentle Introduction", section 3.2).
        mean_set_size: Mean number of classes in the sets of the test pictures.
    """

    promised: float
    quantile: float | None
    reason: str
    covered: Figure
    expected: tuple[float, float] | None
    mean_set_size: float | None

    @property
    def is_kept(self) -> bool | None:
        """Whether the share is inside the expected range or above it; None if that is unclear.

        Pictures of one patient fail together, so a share below the range breaks the promise only
        if its interval, which accounts for groups, lies below the promised coverage, too; with few
        groups it is unclear.
        """
        if self.expected is None or self.covered.value is None or self.covered.interval is None:
            return None
        if self.covered.value >= self.expected[0]:
            return True
        if self.covered.interval[1] < self.promised:
            return False
        return True if self.covered.is_reliable else None

    @property
    def is_unclear(self) -> bool:
        """Whether coverage was promised and tested, but on too few groups to tell."""
        return self.is_kept is None and self.expected is not None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return {
            "quantile": self.quantile,
            **({"reason": self.reason} if self.reason else {}),
            "covered": self.covered.to_dict(),
            "expected": None if self.expected is None else list(self.expected),
            "kept": self.is_kept,
            "mean_set_size": self.mean_set_size,
        }


def promises(
    calibration: Calibration,
    verdicts: Verdicts,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    num_val: Sequence[int | None],
) -> dict[str, Promise]:
    """Compare the promised coverage with that on test, for each class.

    Args:
        calibration: Calibration fitted on val.
        verdicts: Calibrated predictions of N test pictures.
        labels: True classes of the test pictures, N.
        groups: Groups of the test pictures, N.
        num_val: Number of each class's groups that its quantile was fitted on; None if unknown.
    """
    holds = verdicts.sets[np.arange(len(labels)), labels]
    found = {}
    for label, name in enumerate(CLASSES):
        chosen = labels == label
        quantile = calibration.quantiles[label]
        num_test = int(chosen.sum())
        expected = None
        if quantile is not None and num_test:
            expected = expected_coverage(
                calibration.coverage, num_val[label], len(np.unique(groups[chosen]))
            )
        found[name] = Promise(
            calibration.coverage,
            quantile,
            calibration.reasons.get(name, ""),
            share(holds[chosen], groups[chosen], "there are no test pictures of this class"),
            expected,
            float(verdicts.sets[chosen].sum(axis=1).mean()) if num_test else None,
        )
    return found


def groups_by_class(labels: NDArray[np.int64], groups: NDArray[np.int64]) -> list[int]:
    """Return the number of groups of each class."""
    return [len(np.unique(groups[labels == label])) for label in range(len(CLASSES))]


def expected_coverage(coverage: float, num_val: int | None, num_test: int) -> tuple[float, float]:
    """Return the range of the share of covered test pictures in 95 % of tests.

    Where it is not known on how many groups the quantile was fitted, it counts as exact, and the
    range is that of the binomial distribution.

    >>> expected_coverage(0.95, 19, 10)
    (0.7, 1.0)
    """
    if num_val is None:
        chances = bdtr(np.arange(num_test + 1), num_test, coverage)
    else:
        rank = rank_of(coverage, num_val)
        if rank is None:
            raise ValueError(f"{num_val} groups of val promise no coverage of {coverage}")
        chances = _beta_binomial(num_test, rank, num_val + 1 - rank)
    low, high = np.searchsorted(chances, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low / num_test), float(high / num_test)


def _beta_binomial(count: int, alpha: int, beta: int) -> NDArray[np.float64]:
    """Return the distribution function at 0, 1 ... `count`; scipy.stats is slow to import."""
    number = np.arange(count + 1)
    ways = -np.log(count + 1) - betaln(count - number + 1, number + 1)
    chances = np.exp(ways + betaln(number + alpha, count - number + beta) - betaln(alpha, beta))
    return np.cumsum(chances)
