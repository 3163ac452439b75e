"""Choose the most confident mistakes on test, and turn their pictures into data URLs."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.calibration import Verdicts
from utils.common.labels import CLASSES
from utils.training.predictions import Predictions

MOST = 24
"""Most mistakes in a report."""

SIDE = 224
"""Longer side of a picture in the report, in pixels."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong prediction.

    Attributes:
        file: Path relative to the data set's folder.
        true: True class.
        predicted: Predicted class.
        probability: Calibrated probability of the predicted class.
        abstained: Reason for abstaining: "ambiguous", "unlike", or "" if the model would answer.
    """

    file: str
    true: str
    predicted: str
    probability: float
    abstained: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return asdict(self)


def mistakes(predictions: Predictions, verdicts: Verdicts) -> list[Mistake]:
    """Return the wrong predictions, the most confident first, at most `MOST`."""
    confidence = verdicts.probabilities.max(axis=1)
    wrong = np.flatnonzero(verdicts.likeliest != predictions.labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST]
    abstained = verdicts.abstained
    return [
        Mistake(
            predictions.files[index],
            CLASSES[predictions.labels[index]],
            CLASSES[verdicts.likeliest[index]],
            float(confidence[index]),
            abstained[index],
        )
        for index in surest
    ]
