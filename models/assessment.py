"""Apply the calibration of what assesses a picture: its subject, its faults and its severity.

It was fitted by `utils.evaluation` on val.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import Verdicts
from models.findings import Findings
from models.numbers import number, text
from models.outputs import SUBJECTS, fault_logits, severity_logits, subject_logits
from models.scaling import softmax
from utils.common.errors import ModelError
from utils.common.faults import FAULT_NAMES, FAULTS, MAX_SEVERITY
from utils.common.labels import CLASSES, LOW_QUALITY

SUBJECT = "subject"
"""Key of the subject among the reasons."""

LARGEST_LOGIT = 500.0
"""Sigmoids of what is farther from 0 are 0 or 1 to double precision, and would overflow."""

SUBJECT_RULE = (
    "The subject is the likeliest by softmax(subject_logits / temperature). It is not told where "
    "that probability is below the threshold, where the picture is unlike those of training, or "
    "where the label is another class than it and not LOW_QUALITY."
)
FAULT_RULE = (
    "The probability of a fault is sigmoid(slope * logit + bias). A fault is told where that is at "
    "least its threshold; where none is and the label is LOW_QUALITY, the likeliest is told."
)
SEVERITY_RULE = (
    "The severity, 0 (good) to 5 (useless), is the sum of the running minimum of "
    "sigmoid(severity_logits), which are of a severity of at least 1, 2, ... 5."
)


@dataclass(frozen=True, slots=True)
class FaultScale:
    """Turns the logit of one fault into a probability (Platt 1999).

    Attributes:
        slope: Factor of the logit, above 0.
        bias: Added to it.
        threshold: Least probability at which the fault is told, 0-1.
    """

    slope: float = 1.0
    bias: float = 0.0
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that was fitted on val to calibrate the outputs that assess pictures.

    Attributes:
        temperature: Temperature of the subjects' logits, above 0.
        threshold: Least probability of a subject that is told, 0-1.
        right: Share of the told subjects of poor pictures that are to be right, 0-1.
        faults: Scale of each fault, in the order of `FAULTS`.
        reasons: Why the subject's threshold or a fault's scale was not fitted on pictures of its
            own, by `SUBJECT` or the fault's name.
    """

    temperature: float
    threshold: float
    right: float
    faults: tuple[FaultScale, ...]
    reasons: Mapping[str, str]

    def judge(self, assessments: NDArray[np.float32], verdicts: Verdicts) -> Findings:
        """Return what is said of pictures beside their classes.

        Args:
            assessments: N x `outputs.NUM_ASSESSMENTS`.
            verdicts: Calibrated predictions of the classes of the same pictures.
        """
        subjects = self.subject_probabilities(assessments)
        faults = self.fault_probabilities(assessments)
        is_told = subjects.max(axis=1) >= self.threshold
        is_contradicted = _contradicted(subjects.argmax(axis=1), verdicts)
        has_fault = faults >= np.array([scale.threshold for scale in self.faults])
        is_poor = verdicts.likeliest == CLASSES.index(LOW_QUALITY)
        unexplained = is_poor & ~verdicts.is_unlike & ~has_fault.any(axis=1)
        has_fault[unexplained, faults[unexplained].argmax(axis=1)] = True
        return Findings(
            subjects, ~is_told, verdicts.is_unlike, is_contradicted, faults, has_fault,
            severities(assessments),
        )  # fmt: skip

    def subject_probabilities(self, assessments: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each subject, N x number of subjects; rows sum to 1."""
        return softmax(subject_logits(assessments).astype(np.float64) / self.temperature)

    def fault_probabilities(self, assessments: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each fault, N x number of faults; several may hold at once."""
        slopes = np.array([scale.slope for scale in self.faults])
        biases = np.array([scale.bias for scale in self.faults])
        return sigmoid(fault_logits(assessments).astype(np.float64) * slopes + biases)

    @property
    def caveat(self) -> str:
        """Return one line on what was not fitted on pictures of its own; "" if all was."""
        told = []
        if few := [name for name in FAULT_NAMES if name in self.reasons]:
            told.append(
                f"{len(few)} of {len(FAULTS)} faults had too few val pictures for a calibration "
                f"of their own and mostly share that of all: {', '.join(few)}"
            )
        if SUBJECT in self.reasons:
            told.append(f"no promise holds for subjects: {self.reasons[SUBJECT]}")
        return "; ".join(told)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, with what another program needs to do the same."""
        return {
            "subject": {
                "outputs": list(SUBJECTS),
                "temperature": self.temperature,
                "threshold": self.threshold,
                "right": self.right,
                "reason": self.reasons.get(SUBJECT, ""),
                "rule": SUBJECT_RULE,
            },
            "faults": {
                "outputs": {
                    fault.name: {
                        "slope": scale.slope,
                        "bias": scale.bias,
                        "threshold": scale.threshold,
                        "reason": self.reasons.get(fault.name, ""),
                        "advice": fault.advice,
                    }
                    for fault, scale in zip(FAULTS, self.faults, strict=True)
                },
                "rule": FAULT_RULE,
            },
            "severity": {
                "outputs": [f"at least {level}" for level in range(1, MAX_SEVERITY + 1)],
                "rule": SEVERITY_RULE,
            },
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Assessment":
        """Rebuild an assessment from the result of `to_dict`.

        Raises:
            ModelError: If a value is missing, of the wrong type or out of range.
        """
        try:
            subject, faults = fields["subject"], fields["faults"]["outputs"]
            if list(subject["outputs"]) != list(SUBJECTS) or list(faults) != list(FAULT_NAMES):
                raise ValueError("its subjects or faults are not those of this version")
            reasons = {name: text(faults[name]["reason"]) for name in FAULT_NAMES}
            reasons[SUBJECT] = text(subject["reason"])
            return cls(
                _positive(subject["temperature"]),
                _share(subject["threshold"]),
                _share(subject["right"]),
                tuple(
                    FaultScale(
                        _positive(faults[name]["slope"]),
                        number(faults[name]["bias"]),
                        _share(faults[name]["threshold"]),
                    )
                    for name in FAULT_NAMES
                ),
                {name: reason for name, reason in reasons.items() if reason},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"The assessment cannot be used: {type(error).__name__}, {error}",
                expected="one that launch_training_test.py has stored",
            ) from error


def severities(assessments: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the expected severities, N, 0 to `MAX_SEVERITY`.

    A picture of severity 3 has one of 2 as well, so no probability may exceed the one before it.
    """
    at_least = np.minimum.accumulate(sigmoid(severity_logits(assessments)), axis=1)
    expected: NDArray[np.float64] = at_least.sum(axis=1)
    return expected


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities of the same shape.

    >>> sigmoid(np.array([-1e9, 0.0, 1e9])).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    clipped = np.clip(logits.astype(np.float64), -LARGEST_LOGIT, LARGEST_LOGIT)
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-clipped))
    return probabilities


def _contradicted(subjects: NDArray[np.int64], verdicts: Verdicts) -> NDArray[np.bool_]:
    """Return where the label is a good class and the subject another one, N."""
    as_class = np.array([CLASSES.index(name) for name in SUBJECTS])[subjects]
    is_good = verdicts.likeliest != CLASSES.index(LOW_QUALITY)
    is_other: NDArray[np.bool_] = is_good & (verdicts.likeliest != as_class)
    return is_other


def _positive(value: Any) -> float:
    found = number(value)
    if found <= 0:
        raise ValueError(f"{found!r} is not above 0")
    return found


def _share(value: Any) -> float:
    found = number(value)
    if not 0 <= found <= 1:
        raise ValueError(f"{found!r} is not from 0 to 1")
    return found
