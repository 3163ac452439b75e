"""Whether sets hold what they promise is judged by what chance allows."""

import numpy as np
import pytest
from scipy.stats import betabinom, binom

from models.calibration import Calibration
from utils.common.labels import CLASSES
from utils.evaluation.conformal import rank_of
from utils.evaluation.promises import expected_coverage, groups_by_class, promises
from utils.training.predictions import EvaluationInputs


def test_the_range_is_where_simulated_coverage_lies() -> None:
    rng = np.random.default_rng(0)
    val, test = np.sort(rng.random((4000, 60)), axis=1), rng.random((4000, 40))
    covered = (test <= val[:, [58 - 1]]).mean(axis=1)  # the rank for 95 % of 60: ceil(61 x 0.95)
    low, high = expected_coverage(0.95, 60, 40)
    assert 0.94 <= ((covered >= low) & (covered <= high)).mean() <= 1
    assert ((covered >= low + 1 / 40) & (covered <= high)).mean() < 0.97


def alone(inputs: EvaluationInputs) -> list[int]:
    """Return the number of val groups of each class, where each picture is one."""
    return groups_by_class(inputs.val.labels, np.arange(len(inputs.val.labels)))


def test_more_than_promised_is_kept_and_less_is_not(
    inputs: EvaluationInputs, calibration: Calibration
) -> None:
    test = inputs.test
    groups = np.arange(len(test.labels))
    verdicts = calibration.judge(test.logits, test.features)
    found = promises(calibration, verdicts, test.labels, groups, alone(inputs))
    assert list(found) == list(CLASSES)
    for label, name in enumerate(CLASSES):
        chosen = test.labels == label
        covered = verdicts.sets[chosen, label].mean()
        assert found[name].covered.value == pytest.approx(covered)
        assert found[name].is_kept or covered < found[name].expected[0]
    verdicts.sets[:] = False
    found = promises(calibration, verdicts, test.labels, groups, alone(inputs))
    assert [promise.is_kept for promise in found.values()] == [False] * len(CLASSES)


@pytest.mark.parametrize("is_one_patient", [True, False])
def test_one_patient_whose_pictures_all_fail_breaks_no_promise(
    inputs: EvaluationInputs, calibration: Calibration, is_one_patient: bool
) -> None:
    test, often = inputs.test, (10, 1)
    verdicts = calibration.judge(np.tile(test.logits, often), np.tile(test.features, often))
    labels = np.tile(test.labels, often[0])
    mine = np.flatnonzero(labels == 0)
    lost = mine[: len(mine) // 2]
    verdicts.sets[:] = True
    verdicts.sets[lost, 0] = False
    groups = np.arange(len(labels))
    if is_one_patient:
        groups[lost] = lost[0]
    found = promises(calibration, verdicts, labels, groups, alone(inputs))[CLASSES[0]]
    assert found.covered.value < found.expected[0]
    assert (found.is_kept, found.is_unclear) == (is_one_patient, False)
    few = groups // 20 if is_one_patient else groups
    few[lost] = -1
    found = promises(calibration, verdicts, labels, few, alone(inputs))[CLASSES[0]]
    assert found.is_unclear != found.covered.is_reliable


def test_a_class_without_test_pictures_is_neither_kept_nor_broken(
    inputs: EvaluationInputs, calibration: Calibration
) -> None:
    test = inputs.test
    some = test.labels != 4
    verdicts = calibration.judge(test.logits[some], test.features[some])
    groups = np.arange(some.sum())
    found = promises(calibration, verdicts, test.labels[some], groups, alone(inputs))["PAN"]
    assert (found.is_kept, found.covered.value, found.mean_set_size) == (None, None, None)
    assert found.to_dict()["covered"]["reason"]


@pytest.mark.parametrize("num_val", [19, 60, 500])
@pytest.mark.parametrize("num_test", [1, 10, 400])
def test_the_range_is_that_of_the_beta_binomial_distribution(num_val: int, num_test: int) -> None:
    rank = rank_of(0.95, num_val)
    spread = betabinom(num_test, rank, num_val + 1 - rank)
    wanted = spread.ppf([0.025, 0.975]) / num_test
    assert expected_coverage(0.95, num_val, num_test) == pytest.approx(tuple(wanted))


@pytest.mark.parametrize("num_test", [1, 10, 400])
def test_a_quantile_of_unknown_origin_counts_as_exact(num_test: int) -> None:
    wanted = binom(num_test, 0.95).ppf([0.025, 0.975]) / num_test
    assert expected_coverage(0.95, None, num_test) == pytest.approx(tuple(wanted))
