"""Figures of what is said beside the classes: right by count, and silent on what nobody knows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.findings import Findings
from models.outputs import SUBJECTS, UNKNOWN
from utils.common.faults import FAULT_NAMES, FAULTS
from utils.evaluation.assessing.figures import assess
from utils.evaluation.assessing.fitting import fit_assessment
from utils.evaluation.assessing.truths import Truths


def said(truths: Truths, **changes: np.ndarray) -> Findings:
    """Return findings that are right on all pictures, with some changes."""
    count = len(truths.subjects)
    has = truths.faults == 1
    nobody = np.zeros(count, dtype=bool)
    right = Findings(
        np.eye(len(SUBJECTS))[truths.subjects.clip(0)],
        nobody, nobody, nobody, has.astype(np.float64), has, truths.severities.astype(np.float64),
    )  # fmt: skip
    return replace(right, **changes)


@pytest.fixture
def truths(draw: Callable) -> Truths:
    return draw(400).truths


def test_all_right_is_one_and_no_error(truths: Truths) -> None:
    found = assess(said(truths), truths, np.arange(400))
    assert found.macro_f1.value == 1
    assert found.good.any_told.value == 0
    for part in (found.poor, *found.by_severity.values()):
        assert (part.first_right.value, part.named.value, part.subject.value) == (1, 1, 1)
        assert (part.told_right.value, part.macro_f1.value, part.error.value) == (1, 1, 0)
    assert found.severity_error.value == 0
    assert found.reliability is not None and found.reliability.ece == 0
    assert sum(part.pictures for part in found.by_severity.values()) == found.poor.pictures
    assert found.good.pictures + found.poor.pictures == 400
    assert found.named_as_voted.value is None


def test_shares_are_counts(draw: Callable) -> None:
    val, test = draw(500, 1), draw(500, 2)
    findings = fit_assessment(val.assessments, val.truths, val.groups).judge(
        test.assessments, test.verdicts
    )
    truths = test.truths
    found = assess(findings, truths, test.groups)
    has, told = truths.faults == 1, findings.has_fault
    for fault, name in enumerate(FAULT_NAMES):
        both = (has & told)[:, fault].sum()
        row = found.by_fault[name]
        assert row.precision.value == pytest.approx(both / told[:, fault].sum())
        assert row.recall.value == pytest.approx(both / has[:, fault].sum())
        mean = 2 / (1 / row.precision.value + 1 / row.recall.value)
        assert row.f1.value == pytest.approx(mean)
        assert row.pictures == has[:, fault].sum()
    f1s = [row.f1.value for row in found.by_fault.values()]
    assert found.macro_f1.value == pytest.approx(np.mean(f1s))
    assert found.macro_f1.interval[0] < found.macro_f1.value < found.macro_f1.interval[1]
    first = [row[0] if row else "" for row in findings.faults]
    poor = np.flatnonzero(truths.is_poor)
    hits = [first[row] in np.array(FAULT_NAMES)[has[row]] for row in poor]
    assert found.poor.first_right.value == pytest.approx(np.mean(hits))
    third = truths.severities == 3
    errors = np.abs(findings.severities[third] - 3)
    assert found.by_severity[3].error.value == pytest.approx(errors.mean())
    assert found.by_severity[3].pictures == third.sum()


def test_a_fault_that_is_told_of_a_good_picture_is_a_false_alarm(truths: Truths) -> None:
    told = (truths.faults == 1).copy()
    good = np.flatnonzero(truths.is_good)
    told[good[:10], 0] = True
    found = assess(said(truths, has_fault=told), truths, np.arange(400))
    assert found.good.any_told.value == pytest.approx(10 / len(good))
    assert found.poor.macro_f1.value == 1 > found.macro_f1.value


def test_what_voters_did_not_name_counts_in_no_precision(truths: Truths) -> None:
    voted = np.flatnonzero(truths.is_poor)[:20]
    faults, severities = truths.faults.copy(), truths.severities.copy()
    faults[voted] = UNKNOWN
    faults[voted, 1], severities[voted] = 1, UNKNOWN
    partly = Truths(truths.subjects, faults, severities)
    told = (truths.faults == 1).copy()
    told[voted] = False
    told[voted[:5], 1] = told[voted, 2] = True
    found = assess(said(truths, has_fault=told), partly, np.arange(400))
    assert found.named_as_voted.value == pytest.approx(5 / 20)
    assert (found.macro_f1.value, found.poor.named.value) == (1, 1)
    assert found.poor.pictures == truths.is_poor.sum() - 20


def test_class_folders_tell_of_good_pictures_alone(draw: Callable) -> None:
    one = draw(100)
    truths = Truths.of_folders(one.labels)
    assert np.array_equal(truths.is_good, one.truths.is_good)
    assert not truths.is_poor.any()
    assert np.array_equal(truths.subjects[truths.is_good], one.truths.subjects[truths.is_good])
    found = assess(said(truths), truths, one.groups)
    assert not found.knows_faults and found.reliability is None
    assert found.by_severity == {}
    assert found.poor.subject.value is None and found.poor.subject.reason
    assert found.good.subject.value == 1


def test_where_nothing_is_known_nothing_is_claimed(draw: Callable) -> None:
    one = draw(10, poor=1.0)
    truths = Truths.of_folders(one.labels)
    found = assess(said(one.truths), truths, one.groups)
    assert found.macro_f1.value is found.severity_error.value is found.good.subject.value is None
    assert "null" not in str(found.to_dict())  # reasons stand in their places
    assert found.to_dict()["macro_f1"]["reason"]


def test_groups_count_as_one(truths: Truths) -> None:
    told = (truths.faults == 1).copy()
    told[truths.is_poor, :] ^= np.arange(truths.is_poor.sum())[:, None] % 4 == 0
    alone = assess(said(truths, has_fault=told), truths, np.arange(400))
    grouped = assess(said(truths, has_fault=told), truths, np.arange(400) // 8)
    assert alone.macro_f1.value == grouped.macro_f1.value
    assert alone.macro_f1.groups > grouped.macro_f1.groups
    assert len(FAULTS) == len(alone.by_fault)
