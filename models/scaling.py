"""Turn logits into calibrated probabilities under any prior of the classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.numbers import number
from utils.common.labels import CLASSES

MAX_TEMPERATURE = 20.0
"""Highest temperature; its inverse is the lowest."""

LOG_TEMPERATURE_SPREAD = 0.5
"""Standard deviation of the prior of the temperature's logarithm."""

Prior = NDArray[np.float64]
"""How common each class is, relative to one another: number of classes, at least 0."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Turns logits into probabilities.

    Bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar 2020, "Maximum Likelihood
    with Bias-Corrected Calibration is Hard-To-Beat at Label Shift Adaptation"): the softmax of
    logits / temperature + biases + log(prior). The loss of training weighs all classes alike, so
    the first two terms assume equally common classes, and the third adapts them to another prior
    (Saerens, Latinne and Decaestecker 2002, "Adjusting the Outputs of a Classifier to New a Priori
    Probabilities").

    Attributes:
        temperature: Temperature of the logits, above 0.
        biases: Bias of each class.
        class_shares: Share of each class in the training pictures; they sum to 1.
    """

    temperature: float = 1.0
    biases: tuple[float, ...] = (0.0,) * len(CLASSES)
    class_shares: tuple[float, ...] = (1 / len(CLASSES),) * len(CLASSES)

    def probabilities(
        self, logits: NDArray[np.float32], prior: Prior | None = None
    ) -> NDArray[np.float64]:
        """Return N x number of classes, rows sum to 1.

        Args:
            logits: N x number of classes.
            prior: Prior of the classes; all are equally common when left out.
        """
        scores = logits.astype(np.float64) / self.temperature + np.array(self.biases)
        if prior is not None:
            with np.errstate(divide="ignore"):  # of a class that never occurs
                scores = scores + np.log(prior)
        return softmax(scores)

    @property
    def train_prior(self) -> Prior:
        """Return the shares of the classes in the training pictures."""
        return np.array(self.class_shares)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "temperature": self.temperature,
            "biases": dict(zip(CLASSES, self.biases, strict=True)),
            "class_shares": dict(zip(CLASSES, self.class_shares, strict=True)),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Scaling":
        """Rebuild the result of `to_dict`.

        Raises:
            KeyError: If a value is missing.
            ValueError: If a value is of the wrong type or out of range.
        """
        temperature = number(fields["temperature"])
        biases, shares = (
            tuple(number(fields[name][label]) for label in CLASSES)
            for name in ("biases", "class_shares")
        )
        if temperature <= 0:
            raise ValueError("a temperature of 0 or less")
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError("shares of the classes that do not sum to 1")
        return cls(temperature, biases, shares)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities, N x number of classes.

    >>> softmax(np.zeros((1, 4), dtype=np.float32)).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    shifted = logits.astype(np.float64)
    shifted = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
    return probabilities
