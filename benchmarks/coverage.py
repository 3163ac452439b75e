"""Measure how often the report's 95 % intervals hold the truth, on simulated tests.

python benchmarks/coverage.py

Each test has groups of 1 to 5 pictures that share their class and part of their errors, as the
pictures of one patient do. The truth is measured on far more groups than any test has.
"""

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from models.calibration import softmax
from utils.common.labels import CLASSES
from utils.common.seeds import generator
from utils.evaluation.bootstrap import interval
from utils.evaluation.metrics import make_basic_statistic

NAMES = ("accuracy", "balanced accuracy", "Brier")
COLUMNS = (0, 1, 3)
"""Of these among the figures of `make_basic_statistic`."""

CLASS_SHARES = (0.35, 0.15, 0.15, 0.2, 0.15)
CLARITY = np.array((2.5, 1.5, 1.0, 2.0, 1.8), dtype=np.float32)
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
        held += ((low <= truth) & (truth <= high))[list(COLUMNS)]
    return held / num_sets


def main() -> None:
    """Print one line for each number of groups."""
    for num_groups in (200, 300, 1000):
        started = time.monotonic()
        covered = cover(num_groups, num_sets=1000, resamples=500)
        shown = ", ".join(f"{n} {s:.1%}" for n, s in zip(NAMES, covered, strict=True))
        seconds = time.monotonic() - started
        print(f"{num_groups} groups, 1,000 tests: {shown} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
