"""Choose poor test pictures to show beside what was said of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.findings import Findings
from models.outputs import SUBJECTS, UNKNOWN
from utils.common.faults import FAULT_NAMES
from utils.common.labels import CLASSES, LOW_QUALITY
from utils.common.seeds import stable_hash
from utils.evaluation.assessing.truths import Truths

MOST = 12
"""Most examples in a report."""


@dataclass(frozen=True, slots=True)
class Example:
    """One poor picture.

    Attributes:
        file: Path relative to the data set's folder.
        label: What it was called: a class, or UNSURE.
        has: Names of its faults; None where nobody knows.
        shows: Name of its subject; None where nobody knows.
        severity: Its severity; None where nobody knows.
        faults: Names of the faults that are told, the likeliest first.
        subject: Name of the subject that is told, "" where none is.
        untold: Why none is told, "" where one is.
        said: The severity that is told.
        advice: What is advised, "" where no fault is told.
    """

    file: str
    label: str
    has: tuple[str, ...] | None
    shows: str | None
    severity: int | None
    faults: tuple[str, ...]
    subject: str
    untold: str
    said: float
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return asdict(self)


def choose_examples(
    files: Sequence[str],
    classes: NDArray[np.int64],
    called: Sequence[str],
    findings: Findings,
    truths: Truths,
) -> list[Example]:
    """Return at most `MOST` examples, which are drawn, so that they are as good as the others.

    Args:
        files: Of N test pictures.
        classes: True classes of these, N; examples are of LOW_QUALITY.
        called: What each picture was called, N.
        findings: What is said of them.
        truths: What is true of them.
    """
    poor = np.flatnonzero(classes == CLASSES.index(LOW_QUALITY))
    drawn = sorted(poor.tolist(), key=lambda row: stable_hash("example", files[row]))[:MOST]
    faults, subjects, untold, advice = (
        findings.faults, findings.subjects, findings.untold, findings.advice
    )  # fmt: skip
    return [
        Example(
            files[row],
            called[row],
            _faults_of(truths.faults[row]),
            None if truths.subjects[row] == UNKNOWN else SUBJECTS[truths.subjects[row]],
            None if truths.severities[row] == UNKNOWN else int(truths.severities[row]),
            faults[row],
            subjects[row],
            untold[row],
            float(findings.severities[row]),
            advice[row],
        )
        for row in drawn
    ]


def _faults_of(truth: NDArray[np.int64]) -> tuple[str, ...] | None:
    """Return the names of the faults that a picture is known to have; None if nothing is known."""
    if (truth == UNKNOWN).all():
        return None
    return tuple(FAULT_NAMES[fault] for fault in np.flatnonzero(truth == 1))
