"""Predict val pictures by epochs and calibrations that were chosen and fitted without them.

The val pictures choose the epoch and fit the calibration. Both therefore suit them better than they
suit new pictures, and conformal quantiles of their own scores promise too much. Here each val
picture gets its probabilities from the epoch that the other folds would have chosen, calibrated on
these folds, so that its score is like that of a new picture (cross-conformal prediction: Vovk 2015,
"Cross-conformal predictors").
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.ensemble import mean_logits
from utils.common.labels import CLASSES
from utils.common.seeds import stable_hash
from utils.evaluation.temperature_scaling import fit_scaling
from utils.training.predictions import (
    TEMPERATURES,
    Predictions,
    best_epoch,
    log_losses,
    temperature_penalties,
)

NUM_FOLDS = 10


def cross_fitted_probabilities(
    val_by_epoch: Sequence[Sequence[NDArray[np.float32]]],
    val: Predictions,
    groups: NDArray[np.int64],
    counts: Sequence[int],
) -> NDArray[np.float64]:
    """Return probabilities of the val pictures as if they were new, N x number of classes.

    They hold among equally common classes.

    Args:
        val_by_epoch: Of each network whose answers are averaged, mostly one: logits of the val
            pictures after each epoch, N x number of classes each; an epoch with NaN or infinite
            logits is never chosen.
        val: The val pictures, N, as the chosen epochs predict them.
        groups: Groups of the pictures, N, as any numbers that differ between groups.
        counts: Number of training pictures of each class.
    """
    labels, folds = val.labels, folds_of(val.files, val.labels, groups)
    if not folds.any():  # a single group, without which nothing can be fitted
        return fit_scaling(val.logits, labels, counts).probabilities(val.logits)
    probabilities = np.empty((len(labels), len(CLASSES)))
    chosen = [epochs_without(by_epoch, labels, folds) for by_epoch in val_by_epoch]
    for fold in chosen[0]:
        logits = _averaged(
            [by_epoch[epochs[fold]] for by_epoch, epochs in zip(val_by_epoch, chosen, strict=True)]
        )
        own = folds == fold
        scaling = fit_scaling(logits[~own], labels[~own], counts)
        probabilities[own] = scaling.probabilities(logits[own])
    return probabilities


def _averaged(each: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the logits of the mean probabilities of several networks, of one its own."""
    if len(each) == 1:
        return each[0]
    means: NDArray[np.float32] = mean_logits([torch.from_numpy(one) for one in each]).numpy()
    return means


def folds_of(
    files: Sequence[str], labels: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Deal the groups of each class out to the folds in turns, in an order drawn by hash.

    A group's class is that of its first picture by name. The order of the pictures does not matter.

    Args:
        files: Names of the pictures, N.
        labels: Classes of the pictures, N.
        groups: Groups of the pictures, N.

    Returns:
        Folds of the pictures, N, from 0 to at most NUM_FOLDS - 1.
    """
    first: dict[int, int] = {}
    for row in sorted(range(len(files)), key=files.__getitem__):
        first.setdefault(int(groups[row]), row)

    def turn(group: int) -> tuple[int, int]:
        return int(labels[first[group]]), stable_hash("fold", files[first[group]])

    turns = sorted(first, key=turn)
    fold = {group: number % NUM_FOLDS for number, group in enumerate(turns)}
    return np.array([fold[int(group)] for group in groups], dtype=np.int64)


def epochs_without(
    val_by_epoch: Sequence[NDArray[np.float32]],
    labels: NDArray[np.int64],
    folds: NDArray[np.int64],
) -> dict[int, int]:
    """Return for each fold the epoch, from 0, that the pictures of the other folds choose."""
    losses = [
        losses_without(logits, labels, folds) if np.isfinite(logits).all() else None
        for logits in val_by_epoch
    ]
    chosen = {}
    for fold in np.unique(folds).tolist():
        found = best_epoch([None if known is None else known[fold] for known in losses])
        assert found is not None  # the epoch that was kept is finite
        chosen[fold] = found
    return chosen


def losses_without(
    logits: NDArray[np.float32], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> dict[int, float]:
    """Return for each fold the `calibrated_log_loss` of all pictures outside it.

    Args:
        logits: Logits of the pictures, N x number of classes.
        labels: Classes of the pictures, N.
        folds: Folds of the pictures, N, two different ones at least.
    """
    occurring, codes = np.unique(folds, return_inverse=True)
    shape = len(CLASSES), len(occurring)
    cells = labels * shape[1] + codes
    counts = _sum_of_others(np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape))
    means = []
    for temperature in TEMPERATURES:
        losses = np.bincount(
            cells, log_losses(logits, labels, temperature), minlength=shape[0] * shape[1]
        )
        sums = _sum_of_others(losses.reshape(shape))
        within = np.divide(sums, counts, out=np.zeros(shape), where=counts > 0)
        means.append(within.sum(axis=0) / (counts > 0).sum(axis=0))
    penalties = [temperature_penalties(int(count)) for count in counts.sum(axis=0)]
    best = (np.array(means) + np.array(penalties).T).min(axis=0)
    return dict(zip(occurring.tolist(), best.tolist(), strict=True))


def _sum_of_others(table: NDArray[Any]) -> NDArray[Any]:
    """Return for each column the sum of the others, row by row."""
    others: NDArray[Any] = table.sum(axis=1, keepdims=True) - table
    return others
