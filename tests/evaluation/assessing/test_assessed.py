"""What is fitted on val, and when nothing is: nobody taught the network what a fault is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.assessment import Assessment
from models.outputs import UNKNOWN
from utils.common.labels import CLASSES, LOW_QUALITY
from utils.evaluation.assessing.assessed import NO_OUTPUTS, NO_TRUTHS, fit_on_val
from utils.training.data.targets import of_good
from utils.training.predictions import Labelled, Predictions


@pytest.fixture
def val(draw: Callable) -> Predictions:
    one = draw(60)
    files = tuple(map(str, range(60)))
    logits = np.zeros((60, len(CLASSES)), np.float32)
    return Predictions(files, one.labels, logits, assessments=one.assessments, targets=one.targets)


def as_in_folders(pictures: Labelled) -> Labelled:
    """Return pictures of which nothing is known but the folders that they lie in."""
    targets = np.array([of_good(CLASSES[label]) for label in pictures.labels], np.int8)
    return Labelled(pictures.files, pictures.labels, targets=targets)


def test_what_was_learnt_is_calibrated(val: Predictions) -> None:
    assert isinstance(fit_on_val(val, val, np.arange(60)), Assessment)


def test_without_a_known_fault_in_training_nothing_is_told(val: Predictions) -> None:
    train = as_in_folders(val)
    assert train.targets is not None
    poor = val.labels == CLASSES.index(LOW_QUALITY)
    assert (train.targets[poor] == UNKNOWN).all()
    for part in (train, replace(train, targets=None)):
        assert fit_on_val(part, val, np.arange(60)) == NO_TRUTHS


def test_without_poor_val_pictures_there_is_still_an_assessment(val: Predictions) -> None:
    good = np.flatnonzero(val.labels != CLASSES.index(LOW_QUALITY))
    some = Predictions(
        tuple(val.files[row] for row in good), val.labels[good], val.logits[good],
        assessments=val.assessments[good], targets=val.targets[good],
    )  # fmt: skip
    found = fit_on_val(val, some, good)
    assert isinstance(found, Assessment)
    assert found.caveat


def test_without_outputs_nothing_is_told(val: Predictions) -> None:
    plain = Predictions(val.files, val.labels, val.logits, targets=val.targets)
    assert fit_on_val(val, plain, np.arange(60)) == NO_OUTPUTS
