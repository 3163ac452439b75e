"""Calibration error, its range by chance, and the price of answering everything."""

import numpy as np
import pytest

from models.scaling import softmax
from utils.evaluation.reliability import NUM_BINS, reliability, risk_by_coverage


def perfect(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    probabilities = softmax(rng.normal(0, 2, (count, 5)).astype(np.float32))
    labels = (rng.random((count, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return probabilities, labels.clip(0, 4)


def test_it_is_what_the_definition_says() -> None:
    probabilities, labels = perfect(0, 500)
    found = reliability(probabilities, labels)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    expected = 0.0
    for index in range(NUM_BINS):
        chosen = (confidence >= index / NUM_BINS) & (confidence < (index + 1) / NUM_BINS)
        if chosen.any():
            expected += chosen.mean() * abs(confidence[chosen].mean() - right[chosen].mean())
            assert found.accuracy[index] == pytest.approx(right[chosen].mean())
        else:
            assert np.isnan(found.accuracy[index])
    assert found.ece == pytest.approx(expected)
    assert found.counts.sum() == 500


def test_a_perfect_model_lies_in_the_range_19_times_of_20() -> None:
    inside = 0
    for seed in range(200):
        found = reliability(*perfect(seed, 150))
        inside += found.perfect[0] <= found.ece <= found.perfect[1]
    assert 180 <= inside <= 199


def test_an_overconfident_model_lies_above_the_range() -> None:
    probabilities, labels = perfect(0, 800)
    sharpened = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    found = reliability(sharpened, labels)
    assert found.ece > 2 * found.perfect[1]


def test_certainty_is_in_the_last_bin() -> None:
    found = reliability(np.eye(5), np.array([0, 1, 2, 3, 0]))
    assert found.counts[-1] == 5
    assert found.ece == pytest.approx(0.2)


def test_risk_rises_as_the_less_sure_are_answered() -> None:
    confidence = np.array([0.9, 0.5, 0.8, 0.6])
    coverage, risk = risk_by_coverage(confidence, np.array([True, False, True, False]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk == pytest.approx([0, 0, 1 / 3, 0.5])
