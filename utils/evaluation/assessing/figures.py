"""Compute how right a model is on subjects, faults and severities of test pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.findings import Findings
from models.outputs import UNKNOWN
from utils.common.faults import FAULT_NAMES, MAX_SEVERITY
from utils.evaluation.assessing.scores import (
    NO_FAULTS,
    f1s,
    macro_f1,
    mean,
    severity_error,
    share_of_chosen,
)
from utils.evaluation.assessing.truths import Truths, any_of
from utils.evaluation.bootstrap import Figure
from utils.evaluation.reliability import Reliability, reliability_of

NO_FAULT = "no test picture has it"
NOT_TOLD = "it was never told"


@dataclass(frozen=True, slots=True)
class FaultFigures:
    """How well one fault is told.

    Attributes:
        precision: Share of the pictures of which it is told that have it.
        recall: Share of the pictures that have it of which it is told.
        f1: Harmonic mean of the two.
        pictures: Number of pictures that have it.
    """

    precision: Figure
    recall: Figure
    f1: Figure
    pictures: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class PartFigures:
    """How right a model is on some of the test pictures.

    Attributes:
        pictures: Number of them.
        any_told: Share of them of which any fault is told.
        macro_f1: Mean F1 of their faults; undefined where they have none.
        named: Share of them of which a fault that they have is told.
        first_right: Share of them whose first told fault is one that they have.
        subject: Share of them whose likeliest subject is right, told or not.
        subject_told: Share of them whose subject is told.
        told_right: Share of the told subjects that are right.
        said: Mean of the severity that is said of them.
        error: Mean absolute error of the severity, in levels.
    """

    pictures: int
    any_told: Figure
    macro_f1: Figure
    named: Figure
    first_right: Figure
    subject: Figure
    subject_told: Figure
    told_right: Figure
    said: Figure
    error: Figure

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return _plain(self)


@dataclass(frozen=True, slots=True)
class AssessmentFigures:
    """How right a model is on what it says of test pictures beside their classes.

    Attributes:
        by_fault: Figures of each fault, by its name; empty where nobody knows the faults of any
            poor picture.
        macro_f1: Mean F1 of the faults that occur or are told, good pictures included.
        good: Figures of the good pictures.
        poor: Figures of the poor ones whose severity is known.
        by_severity: Figures of these by severity.
        named_as_voted: Share of the real poor pictures of which a fault is told that people voted
            for; they may have others, and count in no other figure of faults.
        severity_error: Mean absolute error of the severity over good and poor pictures, in levels.
        reliability: Probabilities of all faults beside the share that is there; None where nobody
            knows the faults of any poor picture.
    """

    by_fault: dict[str, FaultFigures]
    macro_f1: Figure
    good: PartFigures
    poor: PartFigures
    by_severity: dict[int, PartFigures]
    named_as_voted: Figure
    severity_error: Figure
    reliability: Reliability | None

    @property
    def knows_faults(self) -> bool:
        """Whether the faults of any poor picture are known."""
        return bool(self.by_fault)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        found = self.reliability
        return {
            "faults": {name: row.to_dict() for name, row in self.by_fault.items()},
            "macro_f1": self.macro_f1.to_dict(),
            "fault_calibration_error": found and found.ece,
            "fault_calibration_error_if_perfect": found and list(found.perfect),
            "named_as_voted": self.named_as_voted.to_dict(),
            "severity_error": self.severity_error.to_dict(),
            "good": self.good.to_dict(),
            "poor": self.poor.to_dict(),
            "by_severity": {str(level): row.to_dict() for level, row in self.by_severity.items()},
        }


def assess(findings: Findings, truths: Truths, groups: NDArray[np.int64]) -> AssessmentFigures:
    """Compute all figures.

    Args:
        findings: What is said of N test pictures.
        truths: What is true of them.
        groups: Groups of these pictures, N, as any numbers that differ between groups.
    """
    has: NDArray[np.bool_] = truths.faults == 1
    told, is_complete = findings.has_fault, truths.is_complete
    complete = has[is_complete], told[is_complete], groups[is_complete]
    by_fault = _by_fault(*complete)
    probabilities = findings.fault_probabilities[is_complete].ravel()

    def part(chosen: NDArray[np.bool_]) -> PartFigures:
        return _part(chosen, findings, truths, groups)

    return AssessmentFigures(
        by_fault,
        macro_f1(*complete),
        part(truths.is_good),
        part(truths.is_poor),
        {
            level: part(np.equal(truths.severities, level))
            for level in range(1, MAX_SEVERITY + 1)
            if level in truths.severities
        },
        share_of_chosen(any_of(has & told), any_of(has) & ~is_complete, groups),
        severity_error(findings, truths, truths.is_good | truths.is_poor, groups),
        reliability_of(probabilities, complete[0].ravel()) if by_fault else None,
    )


def _part(
    chosen: NDArray[np.bool_], findings: Findings, truths: Truths, groups: NDArray[np.int64]
) -> PartFigures:
    has: NDArray[np.bool_] = truths.faults == 1
    told = findings.has_fault
    complete = chosen & truths.is_complete
    with_faults, with_subject = complete & any_of(has), chosen & (truths.subjects != UNKNOWN)
    is_subject_told = findings.is_subject_told
    is_right: NDArray[np.bool_] = findings.likeliest_subjects == truths.subjects
    first = findings.first_faults
    is_first_right = (first >= 0) & has[np.arange(len(first)), first]
    return PartFigures(
        int(chosen.sum()),
        share_of_chosen(any_of(told), chosen, groups),
        macro_f1(has[complete], told[complete], groups[complete]),
        share_of_chosen(any_of(has & told), with_faults, groups, NO_FAULTS),
        share_of_chosen(is_first_right, with_faults, groups, NO_FAULTS),
        share_of_chosen(is_right, with_subject, groups),
        share_of_chosen(is_subject_told, with_subject, groups),
        share_of_chosen(is_right, with_subject & is_subject_told, groups, "no subject is told"),
        mean(findings.severities[chosen], groups[chosen]),
        severity_error(findings, truths, chosen, groups),
    )


def _by_fault(
    has: NDArray[np.bool_], told: NDArray[np.bool_], groups: NDArray[np.int64]
) -> dict[str, FaultFigures]:
    if not has.any():
        return {}
    harmonic = f1s(has, told, groups)
    return {
        name: FaultFigures(
            share_of_chosen(has[:, fault], told[:, fault], groups, NOT_TOLD),
            share_of_chosen(told[:, fault], has[:, fault], groups, NO_FAULT),
            harmonic[fault],
            int(has[:, fault].sum()),
        )
        for fault, name in enumerate(FAULT_NAMES)
    }


def _plain(row: Any) -> dict[str, Any]:
    values = ((name, getattr(row, name)) for name in row.__slots__)
    return {name: v.to_dict() if isinstance(v, Figure) else v for name, v in values}
