"""Fixtures of what assesses pictures: good and poor ones with outputs that are often right."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from models.calibration import Verdicts
from models.outputs import NUM_ASSESSMENTS, NUM_TARGETS, SUBJECTS
from utils.common.faults import FAULTS, MAX_SEVERITY
from utils.common.labels import CLASSES, LOW_QUALITY
from utils.evaluation.assessing.truths import Truths


@dataclass(frozen=True)
class Drawn:
    """Pictures, each a group of its own, with what is said and what is true of them."""

    assessments: np.ndarray
    targets: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    @property
    def truths(self) -> Truths:
        return Truths.of(self.targets)

    @property
    def verdicts(self) -> Verdicts:
        """Return verdicts that are right throughout."""
        probabilities = np.eye(len(CLASSES))[self.labels]
        return Verdicts(probabilities, probabilities > 0, np.zeros(len(self.labels), dtype=bool))


def draw_assessed(
    count: int, seed: int = 0, poor: float = 0.3, clarity: float = 3.0, slope: float = 1.0
) -> Drawn:
    """Draw pictures of which one in three is poor, with one fault or two.

    Logits are those of perfectly calibrated outputs, times a slope.
    """
    rng = np.random.default_rng([seed, count])
    subjects = rng.integers(len(SUBJECTS), size=count)
    severities = np.where(rng.random(count) < poor, rng.integers(1, MAX_SEVERITY + 1, count), 0)
    has = np.zeros((count, len(FAULTS)), dtype=bool)
    for row in np.flatnonzero(severities):
        has[row, rng.choice(len(FAULTS), size=rng.integers(1, 3), replace=False)] = True
    # Normal distributions of spread 1 at +-c have the log-odds 2 c x + log(share / (1 - share)).
    share = has.mean(axis=0)
    places = rng.normal(size=has.shape) + np.where(has, clarity / 2, -clarity / 2)
    faults = clarity * places + np.log((share + 1e-9) / (1 - share))
    shown = rng.normal(size=(count, len(SUBJECTS)))
    shown[np.arange(count), subjects] += clarity
    levels = 3.0 * (severities[:, None] - np.arange(1, MAX_SEVERITY + 1) + 0.5)
    levels = levels + rng.normal(size=levels.shape)
    assessed = np.concatenate([clarity * shown, faults, levels], axis=1) * slope
    assert assessed.shape[1] == NUM_ASSESSMENTS
    targets = np.column_stack([subjects, has, severities]).astype(np.int8)
    assert targets.shape[1] == NUM_TARGETS
    good = np.array([CLASSES.index(name) for name in SUBJECTS])[subjects]
    labels = np.where(severities > 0, CLASSES.index(LOW_QUALITY), good)
    return Drawn(assessed.astype(np.float32), targets, labels, np.arange(count))


@pytest.fixture(scope="session")
def draw() -> Callable[..., Drawn]:
    """Give `draw_assessed(count, seed, poor, clarity, slope)`."""
    return draw_assessed
