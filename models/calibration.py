"""Apply a calibration: probabilities, prediction sets, and out-of-distribution detection.

It was fitted by `utils.evaluation` on val.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.novelty import Novelty
from models.numbers import number, optional_number
from models.scaling import Prior, Scaling
from utils.common.errors import ModelError
from utils.common.labels import CLASSES

UNSURE = "UNSURE"
"""Label of an out-of-distribution picture, one unlike anything seen in training."""

CERTAIN, AMBIGUOUS, UNLIKE = "", "ambiguous", "unlike"
"""Values of `abstained`."""

SET_RULE = (
    "A class is possible where 1 - its probability among equally common classes is at most its "
    "quantile, and always where its quantile is null or the class is the likeliest; a picture is "
    "ambiguous where several are."
)
"""How sets follow from probabilities, for people who use a stored model without this program."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The calibrated predictions for pictures.

    Attributes:
        probabilities: Probabilities under the prior that was given, N x number of classes, float64;
            rows sum to 1.
        sets: Prediction sets: whether each class is possible, N x number of classes.
        is_unlike: Whether each picture is out of distribution, N.
    """

    probabilities: NDArray[np.float64]
    sets: NDArray[np.bool_]
    is_unlike: NDArray[np.bool_]

    @property
    def likeliest(self) -> NDArray[np.int64]:
        """Return the likeliest class of each picture, N, indices into `labels.CLASSES`."""
        likeliest: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return likeliest

    @property
    def is_ambiguous(self) -> NDArray[np.bool_]:
        """Return which pictures have more than one possible class, N."""
        has_several: NDArray[np.bool_] = self.sets.sum(axis=1) > 1
        return has_several

    @property
    def is_answered(self) -> NDArray[np.bool_]:
        """Return which pictures are in distribution and have a single possible class, N."""
        return ~(self.is_unlike | self.is_ambiguous)

    @property
    def labels(self) -> list[str]:
        """Return the name of each picture's class, `UNSURE` where it is out of distribution."""
        return [
            UNSURE if unlike else CLASSES[label]
            for unlike, label in zip(self.is_unlike, self.likeliest, strict=True)
        ]

    @property
    def abstained(self) -> list[str]:
        """Return for each picture "unlike", "ambiguous", or "" where the answer is certain."""
        return [
            UNLIKE if unlike else AMBIGUOUS if ambiguous else CERTAIN
            for unlike, ambiguous in zip(self.is_unlike, self.is_ambiguous, strict=True)
        ]

    @property
    def possible(self) -> list[tuple[str, ...]]:
        """Return the names of each picture's possible classes, in the order of the classes."""
        return [
            tuple(name for name, is_in in zip(CLASSES, row, strict=True) if is_in)
            for row in self.sets
        ]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Everything that was fitted on val to calibrate a model's outputs.

    A class is in a picture's prediction set if one minus its probability is at most its quantile
    (split conformal prediction with one quantile per class: Vovk 2012, "Conditional validity of
    inductive conformal predictors"). A class without a quantile is always in the set, as if its
    quantile were infinite: too few val pictures are no reason to exclude it. The likeliest class is
    always in the set, too: where the model is right almost always, sets would else be empty, as if
    nobody could tell, and a larger set contains the true class no less often.

    Each quantile rests on the pictures of one class, so its coverage holds however common that
    class is.

    Attributes:
        scaling: Turns logits into probabilities.
        coverage: Share of each class's pictures whose set is to contain their class.
        quantiles: Quantile of each class; None with too few val pictures.
        reasons: Why a class has no quantile, by the class's name.
        novelty: Out-of-distribution detection.
    """

    scaling: Scaling
    coverage: float
    quantiles: tuple[float | None, ...]
    reasons: Mapping[str, str]
    novelty: Novelty

    def judge(
        self,
        logits: NDArray[np.float32],
        features: NDArray[np.float32],
        prior: Prior | None = None,
    ) -> Verdicts:
        """Return probabilities, prediction sets and out-of-distribution flags of pictures.

        Args:
            logits: N x number of classes.
            features: Features of the same pictures, N x D, as in `Novelty.scores`.
            prior: How common each class is where they come from, relative to one another; all are
                equally common when left out.
        """
        probabilities = self.scaling.probabilities(logits)
        sets, is_unlike = self.possible(probabilities), self.novelty.is_unlike(features)
        if prior is not None:
            probabilities = self.scaling.probabilities(logits, prior)
            sets = _include_likeliest(sets & (prior > 0), probabilities)
        return Verdicts(probabilities, sets, is_unlike)

    def possible(self, probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return the prediction sets, N x number of classes.

        Args:
            probabilities: Probabilities among equally common classes, N x number of classes.
        """
        sets = np.ones(probabilities.shape, dtype=bool)
        for label, quantile in enumerate(self.quantiles):
            if quantile is not None:
                sets[:, label] = 1 - probabilities[:, label] <= quantile
        return _include_likeliest(sets, probabilities)

    @property
    def unpromised(self) -> tuple[str, ...]:
        """Return the names of the classes without a quantile, whose coverage is not promised."""
        return tuple(name for name, q in zip(CLASSES, self.quantiles, strict=True) if q is None)

    @property
    def caveat(self) -> str:
        """Return one line on what classes without a quantile do to every answer; "" if none."""
        names = self.unpromised
        if not names:
            return ""
        reasons = [self.reasons.get(name, "not told") for name in names]
        told = ", ".join(f"{name} ({why})" for name, why in zip(names, reasons, strict=True))
        if len(names) == 1:
            return (
                f"{told} has no promised coverage, so it stays possible for every picture: every "
                f"answer but {names[0]} is ambiguous"
            )
        return (
            f"{told} have no promised coverage, so they stay possible for every picture: every "
            "answer is ambiguous"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, as plain values."""
        return {
            **self.scaling.to_dict(),
            "coverage": self.coverage,
            "quantiles": dict(zip(CLASSES, self.quantiles, strict=True)),
            "set_rule": SET_RULE,
            "reasons": dict(self.reasons),
            "unlike": self.novelty.to_dict(),
        }

    def arrays(self) -> dict[str, NDArray[np.floating]]:
        """Return the arrays by name, which are stored as safetensors beside the weights."""
        return self.novelty.arrays()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any], arrays: Mapping[str, Any]) -> "Calibration":
        """Rebuild a calibration from the results of `to_dict` and `arrays`.

        Raises:
            ModelError: If a value is missing or of the wrong type.
        """
        try:
            quantiles = tuple(optional_number(fields["quantiles"][name]) for name in CLASSES)
            reasons = {str(name): str(reason) for name, reason in fields["reasons"].items()}
            novelty = Novelty.from_dict(fields["unlike"], arrays)
            scaling, coverage = Scaling.from_dict(fields), number(fields["coverage"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"The calibration cannot be used: {type(error).__name__}, {error}",
                expected="one that launch_training_test.py has stored",
            ) from error
        return cls(scaling, coverage, quantiles, reasons, novelty)


def _include_likeliest(
    sets: NDArray[np.bool_], probabilities: NDArray[np.float64]
) -> NDArray[np.bool_]:
    sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
    return sets
