"""Every figure equals scikit-learn's, and what is undefined is None."""

import numpy as np
import pytest
from sklearn import metrics as reference

from utils.common.labels import CLASSES
from utils.evaluation.metrics import measure
from utils.training.predictions import Predictions, balanced_log_loss


def random_predictions(seed: int, num_pictures: int = 60) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), num_pictures)
    logits = rng.normal(size=(num_pictures, len(CLASSES))).astype(np.float32)
    logits[np.arange(num_pictures), labels] += 1
    return Predictions(tuple(f"{n}.jpg" for n in range(num_pictures)), labels, logits)


@pytest.mark.parametrize("seed", range(20))
def test_figures_equal_scikit_learn(seed: int) -> None:
    predictions = random_predictions(seed)
    truth, answer = predictions.labels, predictions.predicted
    figures = measure(predictions)
    assert figures.accuracy == pytest.approx(reference.accuracy_score(truth, answer))
    assert figures.balanced_accuracy == pytest.approx(
        reference.balanced_accuracy_score(truth, answer)
    )
    assert figures.macro_f1 == pytest.approx(reference.f1_score(truth, answer, average="macro"))
    assert np.array_equal(figures.confusion, reference.confusion_matrix(truth, answer))
    for index, name in enumerate(CLASSES):
        row = figures.per_class[name]
        only = {"labels": [index], "average": None}
        assert row.precision == pytest.approx(reference.precision_score(truth, answer, **only)[0])
        assert row.recall == pytest.approx(reference.recall_score(truth, answer, **only)[0])
        assert row.f1 == pytest.approx(reference.f1_score(truth, answer, **only)[0])
        assert row.pictures == (truth == index).sum()


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_the_mean_of_the_classes_means(seed: int) -> None:
    predictions = random_predictions(seed)
    by_class = [
        reference.log_loss(
            predictions.labels[predictions.labels == label],
            np.exp(predictions.log_probabilities)[predictions.labels == label],
            labels=range(len(CLASSES)),
        )
        for label in range(len(CLASSES))
    ]
    assert balanced_log_loss(predictions) == pytest.approx(np.mean(by_class))


def test_what_is_undefined_is_none() -> None:
    logits = np.eye(5, dtype=np.float32)[[0, 0, 1]]
    figures = measure(Predictions(("a", "b", "c"), np.array([0, 2, 1]), logits))
    assert figures.per_class["LOW_QUALITY"].precision is None
    assert figures.per_class["LOW_QUALITY"].recall == 0
    assert figures.per_class["PAN"].recall is None
    assert figures.per_class["PAN"].precision is None
    assert figures.per_class["PAN"].f1 is None
    assert figures.balanced_accuracy == pytest.approx(2 / 3)
    assert figures.macro_f1 == pytest.approx((2 / 3 + 1 + 0) / 3)
