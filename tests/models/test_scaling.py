"""Probabilities of logits: they sum to 1, keep their order, and follow a prior by Bayes' rule."""

import numpy as np
import pytest

from models.scaling import Scaling
from utils.common.labels import CLASSES

NUM_CLASSES = len(CLASSES)
LOGITS = np.random.default_rng(0).normal(0, 300, (50, NUM_CLASSES)).astype(np.float32)


@pytest.mark.parametrize("temperature", [0.01, 1.0, 30.0])
def test_probabilities_sum_to_one_and_keep_their_order(temperature: float) -> None:
    probabilities = Scaling(temperature).probabilities(LOGITS)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities.argmax(axis=1) == LOGITS.argmax(axis=1)).all()


def test_a_higher_temperature_is_less_sure() -> None:
    sure, unsure = (Scaling(number).probabilities(LOGITS).max(axis=1) for number in (1.0, 30.0))
    assert unsure.mean() < sure.mean()


def test_a_prior_counts_by_the_rule_of_bayes() -> None:
    scaling = Scaling(100.0, (0.3, -0.2, 0.0, 0.1, -0.2))
    equal, prior = scaling.probabilities(LOGITS), np.array([5.0, 1, 2, 1, 0.5])
    expected = equal * prior / (equal * prior).sum(axis=1, keepdims=True)
    assert scaling.probabilities(LOGITS, prior) == pytest.approx(expected)
    assert scaling.probabilities(LOGITS, 7 * prior) == pytest.approx(expected)
    assert scaling.probabilities(LOGITS, np.ones(NUM_CLASSES)) == pytest.approx(equal)


def test_a_class_that_never_comes_has_no_probability() -> None:
    prior = np.array([0.0, 0, 1, 0, 0])
    assert np.array_equal(Scaling().probabilities(LOGITS, prior), np.tile(prior, (50, 1)))
