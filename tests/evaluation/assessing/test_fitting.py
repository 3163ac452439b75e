"""What is fitted on val holds for other pictures, and few of them ask for little."""

from collections.abc import Callable

import numpy as np
import pytest

from models.assessment import SUBJECT, sigmoid
from models.outputs import SUBJECTS, UNKNOWN, fault_logits, severity_targets, subject_logits
from models.scaling import softmax
from utils.common.faults import FAULT_NAMES, FAULTS
from utils.evaluation.assessing.assessed import fit_on_val
from utils.evaluation.assessing.fitting import (
    FEWEST_WITH_FAULT,
    LEAST_THRESHOLD,
    MOST_THRESHOLD,
    RIGHT,
    best_threshold,
    fit_assessment,
    fit_faults,
    fit_temperature,
    fit_threshold,
    most_likely,
)
from utils.evaluation.assessing.truths import Truths
from utils.evaluation.reliability import reliability_of
from utils.training.predictions import EvaluationInputs, Predictions


def fitted(one, groups: np.ndarray | None = None):
    return fit_assessment(one.assessments, one.truths, one.groups if groups is None else groups)


def test_probabilities_of_faults_hold_on_other_pictures_whatever_the_scale_of_the_logits(
    draw: Callable,
) -> None:
    for slope in (0.3, 1.0, 3.0):
        val, test = draw(2000, 1, slope=slope), draw(2000, 2, slope=slope)
        found = fitted(val).fault_probabilities(test.assessments)
        has = test.truths.faults == 1
        own = sigmoid(fault_logits(test.assessments))
        after, before = (reliability_of(p.ravel(), has.ravel()).ece for p in (found, own))
        assert after < 0.015
        assert slope == 1.0 or after < before / 2


def test_the_temperature_undoes_the_scale_of_the_logits(draw: Callable) -> None:
    temperatures = [
        fit_temperature(subject_logits(one.assessments), one.truths)
        for one in (draw(1000, slope=slope) for slope in (0.5, 1.0, 2.0))
    ]
    assert temperatures[1] / temperatures[0] == pytest.approx(2, rel=0.15)
    assert temperatures[2] / temperatures[1] == pytest.approx(2, rel=0.15)


def test_without_a_known_subject_there_is_no_temperature(draw: Callable) -> None:
    one = draw(50)
    truths = Truths(np.full(50, UNKNOWN), one.truths.faults, one.truths.severities)
    assert fit_temperature(subject_logits(one.assessments), truths) == 1.0


def test_told_subjects_of_new_poor_pictures_are_as_often_right_as_promised(draw: Callable) -> None:
    num_poor = num_told = num_right = 0
    for seed in range(6):
        val = draw(500, 2 * seed, clarity=1.6)
        test = draw(600, 2 * seed + 1, clarity=1.6)
        findings = fitted(val).judge(test.assessments, test.verdicts)
        poor = test.truths.is_poor
        chosen = poor & findings.is_subject_told
        right = findings.likeliest_subjects == test.truths.subjects
        assert right[poor].mean() < RIGHT  # all of them would break the promise
        num_poor, num_told = num_poor + poor.sum(), num_told + chosen.sum()
        num_right += right[chosen].sum()
    assert num_right / num_told >= RIGHT - 0.01  # less than its standard error
    assert num_told / num_poor > 0.3


def probabilities_of(*confidences: float) -> np.ndarray:
    """Return probabilities of the first subject, and of the others alike."""
    first = np.array(confidences)
    rest = np.repeat(((1 - first) / (len(SUBJECTS) - 1))[:, None], len(SUBJECTS) - 1, axis=1)
    return np.column_stack([first, rest])


def poor(subjects: list[int]) -> Truths:
    count = len(subjects)
    faults = np.zeros((count, len(FAULTS)), dtype=np.int64)
    return Truths(np.array(subjects), faults, np.full(count, 3))


def test_one_group_counts_once() -> None:
    confidences = probabilities_of(*([0.9] * 20))
    threshold, reason = fit_threshold(confidences, poor([0] * 20), np.arange(20))
    assert (threshold, reason) == (pytest.approx(0.9), "")
    threshold, reason = fit_threshold(confidences, poor([0] * 20), np.arange(20) // 4)
    assert (threshold, reason) == (
        RIGHT, "20 poor val pictures of 5 groups; that 90% are right takes at least 9 groups"
    )  # fmt: skip


def test_pictures_that_are_as_sure_are_told_together_or_not_at_all() -> None:
    # The surest ten are right; of the next ten, which are equally sure, half are.
    confidences = probabilities_of(*([0.99] * 10), *([0.8] * 10))
    subjects = [0] * 15 + [1] * 5
    threshold, _ = fit_threshold(confidences, poor(subjects), np.arange(20))
    assert threshold == pytest.approx(0.99)


def test_what_cannot_be_promised_is_not_told() -> None:
    confidences = probabilities_of(*np.linspace(0.6, 0.99, 40))
    threshold, reason = fit_threshold(confidences, poor([1] * 40), np.arange(40))
    assert threshold == 1.0
    assert reason == ("9 of the 9 surest subjects of poor val pictures are wrong, and none is told")


def test_one_mistake_among_few_is_put_down_to_chance() -> None:
    confidences = probabilities_of(*[0.95] * 6, *[0.6] * 8)
    threshold, reason = fit_threshold(confidences, poor([1] + [0] * 13), np.arange(14))
    assert threshold == RIGHT
    assert reason == "14 poor val pictures do not tell from which probability on 90% are right"


def test_what_is_less_likely_than_not_is_never_told() -> None:
    confidences = probabilities_of(*[0.99] * 39, 0.35)
    assert fit_threshold(confidences, poor([0] * 40), np.arange(40)) == (0.5, "")


def test_what_was_right_by_luck_is_not_told() -> None:
    confidences = probabilities_of(*np.linspace(0.3, 0.99, 40))
    threshold, _ = fit_threshold(confidences, poor([0] * 40), np.arange(40))
    assert confidences.max(axis=1)[confidences.max(axis=1) >= threshold].mean() >= RIGHT


def test_few_pictures_with_a_fault_move_its_scale_little() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(-3, 2, size=(200, len(FAULTS))).astype(np.float32)
    has = (rng.random(logits.shape) < sigmoid(logits)).astype(np.int64)
    has[:, 0] = 0
    has[:2, 0], logits[:2, 0] = 1, 9.0  # two positives that the logits separate perfectly
    scales, reasons = fit_faults(logits, has, np.arange(200))
    assert all(1 / 3 < scale.slope < 3 and abs(scale.bias) < 3 for scale in scales)
    assert reasons[FAULT_NAMES[0]] == (
        "2 groups of val pictures have it; a scale of its own takes at least 10"
    )
    assert {name for name in FAULT_NAMES if name not in reasons} == {
        name for fault, name in enumerate(FAULT_NAMES) if has[:, fault].sum() >= FEWEST_WITH_FAULT
    }


def test_without_any_poor_picture_outputs_are_taken_as_they_are(draw: Callable) -> None:
    one = draw(40, poor=0.0)
    found = fitted(one)
    assert set(found.reasons) == {SUBJECT, *FAULT_NAMES}
    assert found.threshold == RIGHT
    for scale in found.faults:
        assert 0.2 < scale.slope < 3 and scale.bias <= 0
        assert scale.threshold == MOST_THRESHOLD or scale.threshold == LEAST_THRESHOLD


def test_pictures_whose_faults_are_half_known_do_not_count(draw: Callable) -> None:
    one = draw(400)
    targets = one.targets.copy()
    voted = np.flatnonzero(one.truths.is_poor)[:60]
    targets[voted, 1:-1] = np.where(targets[voted, 1:-1] == 1, 1, UNKNOWN)
    targets[voted, -1] = UNKNOWN
    known = np.setdiff1d(np.arange(400), voted)
    all_of_them = fit_assessment(one.assessments, Truths.of(targets), one.groups)
    rest = fit_assessment(one.assessments[known], Truths.of(targets[known]), one.groups[known])
    assert all_of_them.faults == rest.faults


def test_a_threshold_is_the_best_of_all_by_expected_f1() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        probabilities = np.clip(rng.beta(0.4, 1.5, size=200), 0, 1)

        def expected(threshold: float, of: np.ndarray = probabilities) -> float:
            chosen = of >= threshold
            return 2 * of[chosen].sum() / (of.sum() + chosen.sum())

        found = best_threshold(probabilities)
        assert LEAST_THRESHOLD <= found <= MOST_THRESHOLD
        if LEAST_THRESHOLD < found < MOST_THRESHOLD:
            assert expected(found) == pytest.approx(max(map(expected, probabilities)))
    assert best_threshold(np.zeros(0)) == MOST_THRESHOLD


def test_the_most_likely_scale_is_a_minimum() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=300).astype(np.float32) * 2
    truth = (rng.random(300) < sigmoid(1.7 * logits - 1.0)).astype(np.int64)
    log_slope, bias = most_likely(logits, truth, (0.0, 0.0), (100.0, 100.0))
    assert np.exp(log_slope) == pytest.approx(1.7, rel=0.3)
    assert bias == pytest.approx(-1.0, abs=0.4)


def test_good_and_poor_pictures_weigh_the_same(draw: Callable) -> None:
    one = draw(600, clarity=2.0)
    logits = subject_logits(one.assessments).astype(np.float64)
    logits[one.truths.is_good] *= 5  # far too sure of good pictures
    both = fit_temperature(logits.astype(np.float32), one.truths)
    twice = np.concatenate([np.flatnonzero(one.truths.is_good)] * 20 + [
        np.flatnonzero(one.truths.is_poor)
    ])  # fmt: skip
    many = Truths(*(part[twice] for part in (
        one.truths.subjects, one.truths.faults, one.truths.severities
    )))  # fmt: skip
    assert fit_temperature(logits[twice].astype(np.float32), many) == pytest.approx(both, rel=0.06)
    assert softmax(logits / both).max() <= 1


def test_newly_degraded_pictures_count_as_the_groups_that_they_were_made_of(
    assessed_inputs: EvaluationInputs,
) -> None:
    val = assessed_inputs.val
    numbers = np.arange(len(val.labels))
    is_poor = np.flatnonzero(severity_targets(val.targets) > 0)
    is_good = np.flatnonzero(severity_targets(val.targets) == 0)
    made = np.tile(is_poor, 4)
    parents = np.resize(is_good, len(made))
    drawn = Predictions(
        tuple(val.files[parent] for parent in parents),
        val.labels[made],
        val.logits[made],
        assessments=val.assessments[made],
        targets=val.targets[made],
    )
    train = assessed_inputs.train
    alone, more = (fit_on_val(train, val, numbers, also) for also in (None, drawn))
    rows = np.concatenate([numbers, made])
    by_hand = fit_assessment(
        val.assessments[rows], Truths.of(val.targets[rows]), np.append(numbers, parents)
    )
    assert more == by_hand
    assert more != alone
