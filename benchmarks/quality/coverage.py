"""Measure how often the report's 95 % intervals hold the truth, on simulated tests.

python -m benchmarks.quality.coverage

Each test has groups of 1 to 5 pictures that share their class and part of their errors, as the
pictures of one patient do. The truth is measured on far more groups than any test has. A table
before that tells of shares near 1, in groups of 1 to 20 pictures that are right or wrong each by
itself, partly together, or almost as one.
"""

import time

import numpy as np
from numpy.typing import NDArray

from models.scaling import softmax
from utils.common.cli.console import table
from utils.common.labels import CLASSES
from utils.common.seeds import generator
from utils.evaluation.bootstrap import interval
from utils.evaluation.metrics import make_basic_statistic
from utils.evaluation.proportions import proportion_interval

NAMES = ("balanced accuracy", "macro F1", "Brier")
"""The first figures of `make_basic_statistic`."""

CLASS_SHARES = (0.35, 0.15, 0.15, 0.2, 0.15)
CLARITY = np.array((2.5, 1.5, 1.0, 2.0, 1.8), dtype=np.float32)
NUM_SETS = 1000
SHARES = (0.8, 0.9, 0.95, 0.98, 0.995)
GROUPS_OF_SHARES = (30, 60, 100, 400)
TOGETHER = (0, 0.3, 0.8)
GROUPS_OF_TRUTH = 50_000
SETS_OF_TRUTH = 8


def simulate(
    rng: np.random.Generator, num_groups: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return labels, probabilities and groups of one simulated test."""
    groups = np.repeat(np.arange(num_groups), rng.integers(1, 6, num_groups))
    labels = rng.choice(len(CLASSES), size=num_groups, p=CLASS_SHARES)[groups]
    shared = rng.normal(size=(num_groups, len(CLASSES)))[groups]
    logits = (shared + rng.normal(size=shared.shape)).astype(np.float32)
    logits[np.arange(len(labels)), labels] += CLARITY[labels]
    return labels, softmax(logits), groups


def cover(num_groups: int, num_sets: int, resamples: int) -> NDArray[np.float64]:
    """Return for each of `NAMES` the share of simulated tests whose interval holds the truth."""
    everyone = np.ones((1, GROUPS_OF_TRUTH))
    truth = np.mean(
        [
            make_basic_statistic(*simulate(generator("truth", n), GROUPS_OF_TRUTH))(everyone)[0]
            for n in range(SETS_OF_TRUTH)
        ],
        axis=0,
    )
    held = np.zeros(len(NAMES))
    for number in range(num_sets):
        drawn = simulate(generator("test", num_groups, number), num_groups)
        low, high = interval(make_basic_statistic(*drawn), num_groups, resamples)
        held += ((low <= truth) & (truth <= high))[: len(NAMES)]
    return held / num_sets


def simulate_share(
    rng: np.random.Generator, num_groups: int, share: float, together: float
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which pictures of a simulated test are right, and their groups.

    Args:
        rng: Draws.
        num_groups: How many.
        share: Of pictures that are right in truth, 0-1.
        together: Correlation of two pictures of a group, 0 to below 1 (beta-binomial).
    """
    sizes = np.minimum(rng.geometric(0.4, num_groups) + 8 * (rng.random(num_groups) < 0.1), 20)
    chances = np.full(num_groups, share)
    if together:
        strength = 1 / together - 1
        chances = rng.beta(share * strength, (1 - share) * strength, num_groups)
    groups = np.repeat(np.arange(num_groups), sizes)
    return rng.random(len(groups)) < chances[groups], groups


def cover_share(
    num_groups: int, share: float, together: float, num_sets: int
) -> tuple[float, float, float]:
    """Return how often the low end was too high and the high end too low, and the mean width."""
    ends = np.array(
        [
            proportion_interval(
                *simulate_share(
                    generator("share", num_groups, share, together, number),
                    num_groups, share, together,
                )
            )
            for number in range(num_sets)
        ]
    )  # fmt: skip
    low, high = ends.T
    return float((low > share).mean()), float((high < share).mean()), float((high - low).mean())


def shares_table(num_sets: int = NUM_SETS) -> str:
    """Return the table of shares near 1."""
    rows = []
    for num_groups in GROUPS_OF_SHARES:
        for share in SHARES:
            row: list[object] = [num_groups, share]
            for together in TOGETHER:
                low, high, width = cover_share(num_groups, share, together, num_sets)
                row.append(f"{1 - low - high:.1%} ({low:.1%}, {high:.1%}), {width:.3f}")
            rows.append(row)
    header = [f"together {together}" for together in TOGETHER]
    return table(["groups", "true share", *header], rows)


def main() -> None:
    """Print a table of shares, then a line for each number of groups."""
    print("held by the interval (low end too high, high end too low), mean width")
    print(shares_table(), flush=True)
    for num_groups in (200, 300, 1000):
        started = time.monotonic()
        covered = cover(num_groups, num_sets=1000, resamples=500)
        shown = ", ".join(f"{n} {s:.1%}" for n, s in zip(NAMES, covered, strict=True))
        seconds = time.monotonic() - started
        print(f"{num_groups} groups, 1,000 tests: {shown} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
