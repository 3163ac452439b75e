"""Evaluate a model's predictions: one report with all figures and the facts of the run."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.assessment import Assessment
from models.calibration import Calibration, Verdicts
from models.prior import EQUAL, TRAIN
from models.scaling import Prior, Scaling
from utils.common.labels import CLASSES
from utils.dataset.output.manifest import ManifestRow
from utils.evaluation.assessing.assessed import NO_OUTPUTS, Assessed, assess_test
from utils.evaluation.bootstrap import Figure, share
from utils.evaluation.border import Border, measure_border
from utils.evaluation.external import AS_HERE, External
from utils.evaluation.gallery import Mistake, mistakes
from utils.evaluation.metrics import ALL_FIGURES, Metrics, measure
from utils.evaluation.promises import Promise, groups_by_class, promises
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
from utils.evaluation.unseen import LEFT_OUT, measure_unseen, plain_unseen
from utils.training.predictions import EvaluationInputs, Labelled, PredictionsWithFeatures

ONE_CLASS = "all pictures are of one class, so the shares of the classes alone give the answer"
"""Why there is no calibration error."""


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
        border: How well DERM_CLINIC and PAN are told apart.
        before: Reliability of the uncalibrated probabilities, under the same prior as `after`.
        after: Reliability of the calibrated probabilities, with the prior of training, which test
            shares; in an external test, and on collections that training never saw, with the
            shares of the classes there. Like `before` it is None where all are of one class: this
            prior alone tells it.
        called: Confidence and accuracy by predicted class, as in `after`; empty without it.
        promises: Coverage of the prediction sets by class.
        answered: Share of the pictures in distribution with a single possible class.
        ambiguous: Share of the pictures in distribution with several possible classes.
        unlike: Share of the pictures out of distribution.
        accuracy_answered: Share of correct predictions among the answered pictures.
        slices: Share of correct predictions in parts of test.
        mistakes: Most confident mistakes.
        facts: Facts about the run.
        by_temperature: Reliability after scaling by a temperature alone, under the same prior as
            `after`; None without val or `after`, and where test did not come the way val did.
        called_by_temperature: Confidence and accuracy by predicted class, as in `by_temperature`.
        shortcuts: Balanced accuracy of probes that do not see what a picture shows; empty without
            training pictures.
        collections: Collections of the data set.
        history: One row per epoch; none in an external test.
        external: What an external test is of; None for the test of a run.
        unseen: Metrics of each collection that training never saw, by name; empty where test is of
            the collections that it saw.
        assessed: What is said of subjects, faults and severities, or why nothing is.
    """

    test: PredictionsWithFeatures
    verdicts: Verdicts
    calibration: Calibration
    metrics: Metrics
    border: Border
    before: Reliability | None
    after: Reliability | None
    called: dict[str, Called]
    promises: dict[str, Promise]
    answered: Figure
    ambiguous: Figure
    unlike: Figure
    accuracy_answered: Figure
    slices: Slices
    mistakes: list[Mistake]
    facts: Mapping[str, Any]
    by_temperature: Reliability | None = None
    called_by_temperature: Mapping[str, Called] = field(default_factory=dict)
    shortcuts: Mapping[str, Figure] = field(default_factory=dict)
    collections: Sequence[Collection] = ()
    history: Sequence[Mapping[str, Any]] = ()
    external: External | None = None
    assessed: Assessed | str = NO_OUTPUTS
    unseen: Mapping[str, Metrics] = field(default_factory=dict)

    @property
    def is_of_other_origin(self) -> bool:
        """Whether test came another way than training, so that its mix of classes says nothing."""
        return self.external is not None or LEFT_OUT in self.facts

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
            "border": self.border.to_dict(),
            "calibration": self._calibration_figures(),
            "abstention": {
                "answered": self.answered.to_dict(),
                "ambiguous": self.ambiguous.to_dict(),
                "unlike": self.unlike.to_dict(),
                "accuracy_answered": self.accuracy_answered.to_dict(),
                "promised_coverage": self.calibration.coverage,
                "coverage": {name: kept.to_dict() for name, kept in self.promises.items()},
            },
            "assessment": {"reason": self.assessed}
            if isinstance(self.assessed, str)
            else self.assessed.to_dict(),
        }

    def _calibration_figures(self) -> dict[str, Any]:
        alone = self.by_temperature
        scaling = {**self.calibration.scaling.to_dict(), "prior": EQUAL}
        if self.before is None or self.after is None:
            return {**scaling, "ece": None, "reason": ONE_CLASS}
        return {
            **scaling,
            "prior_of_the_errors": AS_HERE if self.is_of_other_origin else TRAIN,
            "ece_before": self.before.ece,
            **({"ece_by_temperature_alone": alone.ece} if alone else {}),
            "ece": self.after.ece,
            "ece_if_perfect": list(self.after.perfect),
            "called": _plain(self.called),
            **(
                {"called_by_temperature_alone": _plain(self.called_by_temperature)} if alone else {}
            ),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return everything for report.json, as plain values; what is not known is left out."""
        own = {
            "slices": self.slices.to_dict(),
            "shortcuts": _plain(self.shortcuts),
            **({"unseen_collections": plain_unseen(self.unseen)} if self.unseen else {}),
            "mistakes": [mistake.to_dict() for mistake in self.mistakes],
            "collections": [collection.to_dict() for collection in self.collections],
        }
        if self.external:
            own = {
                "external_test": self.external.to_dict(),
                "slices": self.slices.by_subfolder(),
                "mistakes": own["mistakes"],
            }
        return {**self.figures(), **own, **self.facts}


def _plain(figures: Mapping[str, Called] | Mapping[str, Figure]) -> dict[str, Any]:
    return {name: figure.to_dict() for name, figure in figures.items()}


def evaluate(
    inputs: EvaluationInputs,
    calibration: Calibration,
    folder: Path,
    known: Mapping[str, ManifestRow],
    facts: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    terms: Iterable[Terms],
    assessment: Assessment | str = NO_OUTPUTS,
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
        assessment: Assessment fitted on val, or why there is none.
    """
    test, labels = inputs.test, inputs.test.labels
    rows = rows_of(known, test.files)
    val_groups = group_codes(rows_of(known, inputs.val.files))
    num_val = groups_by_class(inputs.val.labels, val_groups)
    prior = common_here(test) if LEFT_OUT in facts else calibration.scaling.train_prior
    report = evaluate_test(test, calibration, rows, num_val, prior, facts, assessment)
    if report.after and not report.is_of_other_origin:
        by_temperature = fit_temperature(inputs.val.logits, inputs.val.labels)
        scaled = by_temperature.probabilities(test.logits, prior)
        report = replace(
            report,
            by_temperature=reliability(scaled, labels),
            called_by_temperature=called(scaled, labels, group_codes(rows)),
        )
    return replace(
        report,
        unseen=measure_unseen(test, report.verdicts, rows, facts),
        shortcuts=probe(folder, rows_of(known, inputs.train.files), rows),
        collections=collections_of(known.values(), terms),
        history=history,
    )


def evaluate_external(
    test: PredictionsWithFeatures,
    calibration: Calibration,
    rows: Sequence[ManifestRow],
    facts: Mapping[str, Any],
    external: External,
    assessment: Assessment | str = NO_OUTPUTS,
) -> Report:
    """Compute the report of a test on a user's own pictures, as far as it can be known.

    The calibration is judged with the classes as common as they are there: how many pictures of
    each class somebody has put into a folder is no fault of the model.

    Args:
        test: Predictions of the pictures, N.
        calibration: Calibration of the model.
        rows: What a manifest would say of them, N; a subfolder takes the place of a collection.
        facts: Facts about the model and the test, as plain values.
        external: What the test is of.
        assessment: Assessment of the model, or why it has none.
    """
    groups = external.recalibration and external.recalibration.groups
    num_fitted = [groups[name] if groups else None for name in CLASSES]
    here = common_here(test)
    report = evaluate_test(test, calibration, rows, num_fitted, here, facts, assessment)
    right = report.verdicts.likeliest == test.labels
    slices = cut(rows, right, group_codes(rows), CLASSES)  # its LOW_QUALITY is photographed, too
    return replace(report, slices=slices, external=external)


def common_here(test: Labelled) -> NDArray[np.float64]:
    """Return how common each class is in the test pictures, as counts."""
    return np.bincount(test.labels, minlength=len(CLASSES)).astype(np.float64)


def evaluate_test(
    test: PredictionsWithFeatures,
    calibration: Calibration,
    rows: Sequence[ManifestRow],
    num_fitted: Sequence[int | None],
    prior: Prior,
    facts: Mapping[str, Any],
    assessment: Assessment | str = NO_OUTPUTS,
) -> Report:
    """Compute all of a report that follows from the predictions of the test pictures.

    Args:
        test: Predictions of the test pictures, N.
        calibration: Calibration of the model.
        rows: Rows of the test pictures, N.
        num_fitted: Number of each class's groups that the calibration was fitted on, None if
            unknown.
        prior: How common each class is in test.
        facts: Facts about the run, as plain values.
        assessment: Assessment of the model, or why it has none.
    """
    labels, groups = test.labels, group_codes(rows)
    verdicts = calibration.judge(test.logits, test.features)
    right = verdicts.likeliest == labels
    answered = verdicts.is_answered
    before = after = None
    by_class: dict[str, Called] = {}
    if np.count_nonzero(prior) > 1:
        before = reliability(Scaling().probabilities(test.logits, prior), labels)
        as_here = calibration.scaling.probabilities(test.logits, prior)
        after, by_class = reliability(as_here, labels), called(as_here, labels, groups)
    return Report(
        test,
        verdicts,
        calibration,
        measure(labels, verdicts.probabilities, groups),
        measure_border(labels, verdicts.likeliest, groups),
        before,
        after,
        by_class,
        promises(calibration, verdicts, labels, groups, num_fitted),
        share(answered, groups),
        share(verdicts.is_ambiguous & ~verdicts.is_unlike, groups),
        share(verdicts.is_unlike, groups),
        share(right[answered], groups[answered], "no picture was answered"),
        cut(rows, right, groups),
        mistakes(test, verdicts),
        facts,
        assessed=assess_test(test, verdicts, assessment, groups),
    )


def collections_of(rows: Iterable[ManifestRow], terms: Iterable[Terms]) -> list[Collection]:
    """Return the collections of which a data set holds pictures, with their licences."""
    counts = Counter(row.source for row in rows)
    return [
        Collection(entry.title, entry.licence, entry.commercial, counts[entry.name])
        for entry in terms
        if counts[entry.name]
    ]
