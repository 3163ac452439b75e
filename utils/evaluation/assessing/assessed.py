"""All that a report says of subjects, faults and severities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.assessment import Assessment
from models.calibration import Verdicts
from models.findings import Findings
from models.outputs import fault_targets
from utils.evaluation.assessing.examples import Example, choose_examples
from utils.evaluation.assessing.figures import AssessmentFigures, assess
from utils.evaluation.assessing.fitting import fit_assessment
from utils.evaluation.assessing.truths import Truths
from utils.training.predictions import Labelled, Predictions

NO_OUTPUTS = (
    "the network has no outputs for them: it was trained with --assessment-weight 0, or its "
    "classifier is no single linear layer"
)
NO_TRUTHS = "no manifest told the network what is wrong with any of its training pictures"


@dataclass(frozen=True, slots=True)
class Assessed:
    """What is said of test pictures beside their classes, and how right that is.

    Attributes:
        assessment: Calibration fitted on val.
        findings: What is said.
        figures: How right it is.
        examples: Poor pictures with what is said of them.
    """

    assessment: Assessment
    findings: Findings
    figures: AssessmentFigures
    examples: list[Example]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return {
            **self.figures.to_dict(),
            "calibration": self.assessment.to_dict(),
            "examples": [example.to_dict() for example in self.examples],
        }


def fit_on_val(
    train: Labelled,
    val: Predictions,
    groups: NDArray[np.int64],
    drawn: Predictions | None = None,
) -> Assessment | str:
    """Fit an assessment on val, or return why there is none.

    A network that never saw a picture with a known fault would name any for a poor one.

    Args:
        train: Some training pictures.
        val: Predictions of all val pictures, N.
        groups: Groups of these pictures, N, as any numbers that differ between groups.
        drawn: Predictions of newly degraded ones, with the files of those that they were made of.
    """
    if not val.assessments.shape[1]:
        return NO_OUTPUTS
    if train.targets is None or val.targets is None:
        return NO_TRUTHS
    if not (fault_targets(train.targets) == 1).any():
        return NO_TRUTHS
    assessments, targets = val.assessments, val.targets
    if drawn is not None and drawn.targets is not None:
        group_of = dict(zip(val.files, groups.tolist(), strict=True))
        assessments = np.concatenate([assessments, drawn.assessments])
        targets = np.concatenate([targets, drawn.targets])
        groups = np.append(groups, [group_of[file] for file in drawn.files])
    return fit_assessment(assessments, Truths.of(targets), groups)


def assess_test(
    test: Predictions, verdicts: Verdicts, assessment: Assessment | str, groups: NDArray[np.int64]
) -> Assessed | str:
    """Judge the test pictures, and compare what is said of them with what is true.

    Without a manifest nothing but the class folders tells what is true.

    Args:
        test: Predictions of the test pictures, N, with assessments.
        verdicts: Calibrated predictions of their classes.
        assessment: Calibration fitted on val, or why there is none, which is then returned.
        groups: Groups of these pictures, N, as numbers from 0 without gaps.
    """
    if isinstance(assessment, str):
        return assessment
    findings = assessment.judge(test.assessments, verdicts)
    targets = test.targets
    truths = Truths.of_folders(test.labels) if targets is None else Truths.of(targets)
    return Assessed(
        assessment,
        findings,
        assess(findings, truths, groups),
        choose_examples(test.files, test.labels, verdicts.labels, findings, truths),
    )
