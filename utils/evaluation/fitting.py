"""Fit a `Calibration` on features of train and predictions of val; test is never looked at."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.calibration import Calibration
from models.novelty import REFUSED
from utils.common.labels import CLASSES, LOW_QUALITY
from utils.evaluation.conformal import fit_quantiles
from utils.evaluation.cross_fitting import cross_fitted_probabilities
from utils.evaluation.novelty_fitting import fit_novelty, refit_novelty
from utils.evaluation.temperature_scaling import fit_scaling
from utils.training.predictions import OodFeatures, PredictionsWithFeatures

PICTURES = "pictures"
"""What a calibration is fitted anew on."""


def fit(
    train: OodFeatures,
    val: PredictionsWithFeatures,
    counts: Sequence[int],
    coverage: float,
    groups: NDArray[np.int64] | None = None,
    val_by_epoch: Sequence[Sequence[NDArray[np.float32]]] = (),
    refused: float = REFUSED,
) -> Calibration:
    """Fit scaling, prediction sets and out-of-distribution detection.

    Args:
        train: Features of some training pictures.
        val: Predictions and features of all val pictures, N.
        counts: Number of training pictures of each class.
        coverage: Share of each class's pictures whose set is to contain their class, 0-1.
        groups: Groups of the val pictures, N, as any numbers that differ between groups; each
            picture is a group of its own when left out.
        val_by_epoch: Of each network, logits of the val pictures after each epoch, N x number of
            classes each, from which val has chosen the best epoch; those of `val` alone when left
            out.
        refused: Share of the good val pictures that count as out of distribution, 0-1.
    """
    groups = np.arange(len(val.labels)) if groups is None else groups
    scaling = fit_scaling(val.logits, val.labels, counts)
    probabilities = cross_fitted_probabilities(val_by_epoch or [[val.logits]], val, groups, counts)
    quantiles, reasons = fit_quantiles(probabilities, val.labels, coverage, groups)
    good = is_good(val.labels)
    novelty = fit_novelty(
        train.features, train.labels, val.features[good], groups[good], refused, train.num_surface
    )
    return Calibration(scaling, coverage, quantiles, reasons, novelty)


def refit(
    calibration: Calibration,
    labelled: PredictionsWithFeatures,
    coverage: float,
    groups: NDArray[np.int64],
    refused: float | None = None,
) -> Calibration:
    """Fit a trained model's calibration anew on other pictures, weights and distances untouched.

    A class of which there are too few pictures is promised nothing: what was promised on other
    pictures need not hold here. Too few for a threshold, the one that was there stays, and its
    `reason` says why: without one, no stranger would be refused at all.

    Args:
        calibration: Calibration of the model so far.
        labelled: The model's predictions for the other pictures, N.
        coverage: Share of each class's pictures whose set is to contain their class, 0-1.
        groups: Groups of these pictures, N, as any numbers that differ between groups.
        refused: Share of good ones that may count as out of distribution, 0-1; that of the
            calibration so far if None.
    """
    none = [1] * len(CLASSES)  # shares of training, which stay as they were
    scaling = fit_scaling(labelled.logits, labelled.labels, none)
    probabilities = cross_fitted_probabilities([[labelled.logits]], labelled, groups, none)
    quantiles, reasons = fit_quantiles(probabilities, labelled.labels, coverage, groups, PICTURES)
    before = calibration.novelty
    share = before.refused if refused is None else refused
    good = is_good(labelled.labels)
    return Calibration(
        replace(scaling, class_shares=calibration.scaling.class_shares),
        coverage, quantiles, reasons,
        refit_novelty(
            before, labelled.features[good], groups[good], share, f"good {PICTURES}"
        ),
    )  # fmt: skip


def is_good(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which pictures are of a good class, N.

    A poor one may be as unlike all others as a stranger is: what is refused is told of good ones.
    """
    return np.not_equal(labels, CLASSES.index(LOW_QUALITY))
