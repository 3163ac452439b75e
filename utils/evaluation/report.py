"""Evaluate a model's predictions: one report with all figures and the facts of the run."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration, Verdicts
from models.prior import EQUAL, TRAIN
from models.scaling import softmax
from utils.common.labels import CLASSES
from utils.dataset.output.manifest import ManifestRow
from utils.evaluation.bootstrap import Figure, share
from utils.evaluation.gallery import Mistake, mistakes
from utils.evaluation.metrics import ALL_FIGURES, Metrics, measure
from utils.evaluation.promises import Promise, promises
from utils.evaluation.reliability import (
    Called,
    Reliability,
    called,
    reliability,
    risk_by_coverage,
)
from utils.evaluation.rows import group_codes, rows_of
from utils.evaluation.shortcuts import probe
from utils.evaluation.slices import Slices, cut
from utils.evaluation.temperature_scaling import fit_temperature
from utils.training.predictions import EvaluationInputs, PredictionsWithFeatures


class Terms(Protocol):
    """The facts of a collection that a report shows: an entry of `sources.catalog` has them."""

    @property
    def name(self) -> str:
        """Short name, as in the manifest."""

    @property
    def title(self) -> str:
        """Full name."""

    @property
    def licence(self) -> str:
        """Licence in words."""

    @property
    def commercial(self) -> bool:
        """Whether commercial use is allowed."""


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection that the data set holds pictures of.

    Attributes:
        title: Full name.
        licence: Licence in words.
        commercial: Whether the licence allows commercial use.
        pictures: Number of its pictures in the data set, with those made from them.
    """

    title: str
    licence: str
    commercial: bool
    pictures: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for report.json."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is reported about one test of one run.

    Attributes:
        test: Predictions of the test pictures, and their features.
        verdicts: Calibrated predictions.
        calibration: Calibration fitted on val.
        metrics: Metrics of the calibrated probabilities, for equally common classes.
        before: Reliability of the uncalibrated probabilities, the softmax of the logits.
        by_temperature: Reliability after scaling by a temperature alone.
        after: Reliability of the calibrated probabilities, with the prior of training, which test
            shares.
        called_by_temperature: Confidence and accuracy by predicted class, as in `by_temperature`.
        called: Confidence and accuracy by predicted class, as in `after`.
        promises: Coverage of the prediction sets by class.
        answered: Share of the pictures in distribution with a single possible class.
        ambiguous: Share of the pictures in distribution with several possible classes.
        unlike: Share of the pictures out of distribution.
        accuracy_answered: Share of correct predictions among the answered pictures.
        slices: Share of correct predictions in parts of test.
        shortcuts: Balanced accuracy of probes that do not see what a picture shows.
        mistakes: Most confident mistakes.
        collections: Collections of the data set.
        facts: Facts about the run.
        history: One row per epoch.
    """

    test: PredictionsWithFeatures
    verdicts: Verdicts
    calibration: Calibration
    metrics: Metrics
    before: Reliability
    by_temperature: Reliability
    after: Reliability
    called_by_temperature: dict[str, Called]
    called: dict[str, Called]
    promises: dict[str, Promise]
    answered: Figure
    ambiguous: Figure
    unlike: Figure
    accuracy_answered: Figure
    slices: Slices
    shortcuts: dict[str, Figure]
    mistakes: list[Mistake]
    collections: list[Collection]
    facts: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]

    @property
    def risk(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coverage and risk of the risk-coverage curve, N each."""
        confidence = self.verdicts.probabilities.max(axis=1)
        return risk_by_coverage(confidence, self.verdicts.likeliest == self.test.labels)

    def figures(self) -> dict[str, Any]:
        """Return the figures of the test, as plain values."""
        metrics = self.metrics
        return {
            **{name: getattr(metrics, name).to_dict() for name in ALL_FIGURES},
            "classes": list(CLASSES),
            "confusion_matrix": metrics.confusion.tolist(),
            "per_class": {
                name: {
                    **{kind: figure.to_dict() for kind, figure in row.items()},
                    "pictures": metrics.pictures[name],
                    "groups": metrics.groups[name],
                }
                for name, row in metrics.per_class.items()
            },
            "calibration": {
                **self.calibration.scaling.to_dict(),
                "prior": EQUAL,
                "prior_of_the_errors": TRAIN,
                "ece_before": self.before.ece,
                "ece_by_temperature_alone": self.by_temperature.ece,
                "ece": self.after.ece,
                "ece_if_perfect": list(self.after.perfect),
                "called": {name: one.to_dict() for name, one in self.called.items()},
                "called_by_temperature_alone": {
                    name: one.to_dict() for name, one in self.called_by_temperature.items()
                },
            },
            "abstention": {
                "answered": self.answered.to_dict(),
                "ambiguous": self.ambiguous.to_dict(),
                "unlike": self.unlike.to_dict(),
                "accuracy_answered": self.accuracy_answered.to_dict(),
                "promised_coverage": self.calibration.coverage,
                "coverage": {name: kept.to_dict() for name, kept in self.promises.items()},
            },
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything for report.json, as plain values."""
        return {
            **self.figures(),
            "slices": self.slices.to_dict(),
            "shortcuts": {name: figure.to_dict() for name, figure in self.shortcuts.items()},
            "mistakes": [mistake.to_dict() for mistake in self.mistakes],
            "collections": [collection.to_dict() for collection in self.collections],
            **self.facts,
        }


def evaluate(
    inputs: EvaluationInputs,
    calibration: Calibration,
    folder: Path,
    known: Mapping[str, ManifestRow],
    facts: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    terms: Iterable[Terms],
) -> Report:
    """Compute the whole report.

    Args:
        inputs: Predictions of the best weights, and features of train.
        calibration: Calibration fitted on train and val.
        folder: Folder of the data set.
        known: Rows of its manifest, by file.
        facts: Facts about the run, as plain values.
        history: One row per epoch.
        terms: Facts of all collections that the data set may contain.
    """
    test, labels = inputs.test, inputs.test.labels
    rows = rows_of(known, test.files)
    groups = group_codes(rows)
    val_groups = group_codes(rows_of(known, inputs.val.files))
    verdicts = calibration.judge(test.logits, test.features)
    right = verdicts.likeliest == labels
    answered = verdicts.is_answered
    scaling = calibration.scaling
    as_in_training = scaling.probabilities(test.logits, scaling.train_prior)
    by_temperature = fit_temperature(inputs.val.logits, inputs.val.labels)
    scaled = by_temperature.probabilities(test.logits)
    return Report(
        test,
        verdicts,
        calibration,
        measure(labels, verdicts.probabilities, groups),
        reliability(softmax(test.logits), labels),
        reliability(scaled, labels),
        reliability(as_in_training, labels),
        called(scaled, labels, groups),
        called(as_in_training, labels, groups),
        promises(calibration, verdicts, labels, groups, inputs.val.labels, val_groups),
        share(answered, groups),
        share(verdicts.is_ambiguous & ~verdicts.is_unlike, groups),
        share(verdicts.is_unlike, groups),
        share(right[answered], groups[answered], "no picture was answered"),
        cut(rows, right, groups),
        probe(folder, rows_of(known, inputs.train.files), rows),
        mistakes(test, verdicts),
        collections_of(known.values(), terms),
        facts,
        history,
    )


def collections_of(rows: Iterable[ManifestRow], terms: Iterable[Terms]) -> list[Collection]:
    """Return the collections of which a data set holds pictures, with their licences."""
    counts = Counter(row.source for row in rows)
    return [
        Collection(entry.title, entry.licence, entry.commercial, counts[entry.name])
        for entry in terms
        if counts[entry.name]
    ]
