"""Figures of predictions, above all the one that tells the best epoch."""

import doctest

import numpy as np
import pytest

from utils.common.labels import CLASSES
from utils.training import predictions
from utils.training.predictions import (
    Predictions,
    balanced_accuracy,
    balanced_log_loss,
    calibrated_log_loss,
)


def predicted(count: int, sureness: float = 1.0, skill: float = 2.0) -> Predictions:
    """Return what a model says of pictures; the same ones for each sureness and skill."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(CLASSES), count)
    logits = rng.normal(size=(count, len(CLASSES)))
    logits[np.arange(count), labels] += skill
    return Predictions(("",) * count, labels, (sureness * logits).astype(np.float32))


def test_the_examples_hold() -> None:
    assert doctest.testmod(predictions) == (0, 5)


@pytest.mark.parametrize("sureness", [0.5, 2, 4, 8])
def test_too_sure_or_too_unsure_is_as_good(sureness: float) -> None:
    expected = calibrated_log_loss(predicted(2000))
    assert calibrated_log_loss(predicted(2000, sureness)) == pytest.approx(expected, rel=1e-2)
    assert balanced_log_loss(predicted(2000, 8)) > 1.5 * expected


def test_more_skill_is_better_also_where_all_is_right_already() -> None:
    found = [predicted(30, skill=skill) for skill in (8, 9, 10)]
    assert {balanced_accuracy(one.confusion) for one in found} == {1}
    losses = [calibrated_log_loss(one) for one in found]
    assert losses == sorted(losses, reverse=True)
    assert len(set(losses)) == 3


def test_one_picture_of_few_moves_it_little() -> None:
    """A class of four pictures: one of them is 5 points of balanced accuracy."""
    few = predicted(71, skill=1.5)
    few.labels[:] = np.repeat(range(len(CLASSES)), (25, 4, 14, 19, 9))
    logits = few.logits.copy()
    logits[np.arange(71), few.labels] += 2
    logits[26] = 0
    logits[26, :2] = 1, 0.99  # by a hair of another class
    other = logits.copy()
    other[26, :2] = 0.99, 1
    wrong, right = (Predictions(few.files, few.labels, one) for one in (logits, other))
    gained = balanced_accuracy(right.confusion) - balanced_accuracy(wrong.confusion)
    assert gained == pytest.approx(0.05)
    assert abs(calibrated_log_loss(right) - calibrated_log_loss(wrong)) < 0.001


def test_without_assessments_there_is_a_row_of_none_for_each_picture() -> None:
    found = predicted(7)
    assert (found.assessments.shape, found.assessments.dtype) == ((7, 0), np.float32)
    assert found.non_finite == ()


def test_an_assessment_that_is_no_number_is_no_finite_output() -> None:
    assessed = np.zeros((3, 2), np.float32)
    assessed[1, 1] = np.inf
    logits = np.zeros((3, len(CLASSES)), np.float32)
    found = Predictions(("a", "b", "c"), np.zeros(3, np.int64), logits, assessments=assessed)
    assert found.non_finite == ("b",)
