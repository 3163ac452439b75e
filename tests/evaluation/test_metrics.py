"""Every figure equals scikit-learn's, with any weights of the groups; undefined is None."""

import tracemalloc

import numpy as np
import pytest
from sklearn import metrics as reference

from models.scaling import softmax
from utils.common.labels import CLASSES
from utils.evaluation.bootstrap import draw
from utils.evaluation.metrics import ALL_FIGURES, make_auroc, make_statistic, measure
from utils.training.predictions import Predictions, balanced_log_loss

NUM_CLASSES = len(CLASSES)


def random_answers(seed: int, num_pictures: int = 80) -> tuple[np.ndarray, ...]:
    """Return labels, probabilities with many ties, and groups of about three pictures."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, NUM_CLASSES, num_pictures)
    logits = rng.normal(size=(num_pictures, NUM_CLASSES)).astype(np.float32).round(1)
    logits[np.arange(num_pictures), labels] += 1
    logits[num_pictures // 2 :] = logits[: num_pictures // 2]
    groups = np.unique(rng.integers(0, num_pictures // 3, num_pictures), return_inverse=True)[1]
    return labels, softmax(logits), groups


@pytest.mark.parametrize("seed", range(20))
def test_figures_equal_scikit_learn(seed: int) -> None:
    labels, probabilities, groups = random_answers(seed)
    answer = probabilities.argmax(axis=1)
    figures = measure(labels, probabilities, groups)
    assert figures.accuracy.value == pytest.approx(reference.accuracy_score(labels, answer))
    assert figures.balanced_accuracy.value == pytest.approx(
        reference.balanced_accuracy_score(labels, answer)
    )
    assert figures.macro_f1.value == pytest.approx(
        reference.f1_score(labels, answer, average="macro")
    )
    assert figures.brier.value == pytest.approx(
        sum(
            reference.brier_score_loss(labels == label, probabilities[:, label])
            for label in range(NUM_CLASSES)
        )
    )
    assert np.array_equal(figures.confusion, reference.confusion_matrix(labels, answer))
    for index, name in enumerate(CLASSES):
        row = figures.per_class[name]
        only = {"labels": [index], "average": None}
        for kind, score in (
            ("precision", reference.precision_score),
            ("recall", reference.recall_score),
            ("f1", reference.f1_score),
        ):
            assert row[kind].value == pytest.approx(score(labels, answer, **only)[0]), kind
        assert row["auroc"].value == pytest.approx(
            reference.roc_auc_score(labels == index, probabilities[:, index])
        )
        assert figures.pictures[name] == (labels == index).sum()
        assert figures.groups[name] == len(np.unique(groups[labels == index]))


@pytest.mark.parametrize("seed", range(5))
def test_a_group_that_came_twice_counts_twice(seed: int) -> None:
    labels, probabilities, groups = random_answers(seed)
    times = np.random.default_rng(seed).integers(0, 3, groups.max() + 1)
    repeated = np.repeat(np.arange(len(labels)), times[groups])
    weighted = make_statistic(labels, probabilities, groups)(times[None].astype(float))[0]
    alone = make_statistic(labels[repeated], probabilities[repeated], np.zeros_like(repeated))
    assert weighted == pytest.approx(alone(np.ones((1, 1)))[0], nan_ok=True)


@pytest.mark.parametrize("seed", range(5))
def test_the_loss_is_the_mean_of_the_classes_means(seed: int) -> None:
    labels, probabilities, _ = random_answers(seed)
    logits = np.log(probabilities).astype(np.float32)
    by_class = [
        reference.log_loss(
            labels[labels == label], probabilities[labels == label], labels=range(NUM_CLASSES)
        )
        for label in range(NUM_CLASSES)
    ]
    found = Predictions(("",) * len(labels), labels, logits)
    assert balanced_log_loss(found) == pytest.approx(np.mean(by_class), rel=1e-5)


def test_many_pictures_of_few_groups_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    num_pictures, num_groups, resamples = 5_000, 10, 200
    is_positive, scores = rng.random(num_pictures) < 0.3, rng.random(num_pictures).round(2)
    area = make_auroc(is_positive, scores, rng.integers(0, num_groups, num_pictures))
    weights = draw(rng, resamples, num_groups)
    at_once = area(weights)
    monkeypatch.setattr("utils.evaluation.metrics.CHUNK_CELLS", 7 * num_pictures)
    tracemalloc.start()
    in_slabs = area(weights)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(in_slabs, at_once)
    assert peak < 4 * 7 * num_pictures * weights.itemsize  # and not resamples x num_pictures


def test_what_is_undefined_is_none_and_says_why() -> None:
    probabilities = np.eye(NUM_CLASSES)[[0, 0, 1]]
    figures = measure(np.array([0, 2, 1]), probabilities, np.arange(3))
    low, pan = figures.per_class["LOW_QUALITY"], figures.per_class["PAN"]
    assert (low["precision"].value, low["recall"].value) == (None, 0)
    assert low["precision"].reason == "no test picture was called this"
    for figure in pan.values():
        assert figure.value is None
        assert figure.interval is None
        assert figure.reason
    assert figures.balanced_accuracy.value == pytest.approx(2 / 3)
    assert figures.macro_f1.value == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_an_interval_holds_its_value_and_few_groups_are_unreliable() -> None:
    labels, probabilities, groups = random_answers(0, num_pictures=300)
    figures = measure(labels, probabilities, groups)
    for name in ALL_FIGURES:
        figure = getattr(figures, name)
        low, high = figure.interval
        assert low < figure.value < high
        assert figure.is_reliable
    few = measure(labels, probabilities, groups % 20)
    assert not any(getattr(few, name).is_reliable for name in ALL_FIGURES)
    assert (few.accuracy.groups, few.accuracy.value) == (20, figures.accuracy.value)


def test_balanced_figures_rest_on_the_class_with_the_fewest_groups() -> None:
    labels = np.repeat(np.arange(NUM_CLASSES), [40, 3, 40, 40, 40])
    figures = measure(labels, np.eye(NUM_CLASSES)[labels], np.arange(len(labels)))
    assert (figures.balanced_accuracy.groups, figures.accuracy.groups) == (3, 163)
    assert figures.accuracy.is_reliable
    assert not figures.balanced_accuracy.is_reliable


def sure(answers: np.ndarray) -> np.ndarray:
    """Return probabilities of which each is nearly 1 for the answer."""
    return softmax(20 * np.eye(NUM_CLASSES, dtype=np.float32)[answers])


def test_a_class_that_does_not_occur_counts_in_no_mean_though_it_was_answered() -> None:
    labels = np.repeat([0, 1], 100)
    answers = labels.copy()
    answers[0] = 4
    figures = measure(labels, sure(answers), np.arange(200))
    assert figures.macro_f1.value == pytest.approx((2 * 99 / 199 + 1) / 2)
    assert figures.macro_f1.interval[0] > 0.95
    assert figures.per_class[CLASSES[4]]["f1"].value == 0


def test_an_auroc_rests_on_the_groups_of_the_rarer_side() -> None:
    labels, groups = np.array([0] * 100 + [4] * 2), np.array([*range(100), 100, 100])
    figures = measure(labels, sure(labels), groups)
    assert (figures.per_class[CLASSES[0]]["auroc"].groups, figures.brier.groups) == (1, 101)


@pytest.mark.filterwarnings("error")
def test_a_single_group_has_no_interval_but_those_of_shares() -> None:
    labels = np.array([0, 0, 1])
    figures = measure(labels, sure(np.array([0, 1, 1])), np.zeros(3, dtype=np.int64))
    assert (figures.balanced_accuracy.value, figures.balanced_accuracy.interval) == (0.75, None)
    assert figures.brier.interval is None
    assert figures.accuracy.interval is not None
