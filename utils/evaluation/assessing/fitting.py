"""Fit an `Assessment` on val: scales of subjects and faults, and what is told of them.

All fits have priors, since few val pictures have a given fault.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import bdtrc

from models.assessment import SUBJECT, Assessment, FaultScale, sigmoid
from models.outputs import UNKNOWN, fault_logits, subject_logits
from models.scaling import LOG_TEMPERATURE_SPREAD, softmax
from utils.common.faults import FAULT_NAMES
from utils.evaluation.assessing.truths import Truths
from utils.training.predictions import TEMPERATURES, log_losses, temperature_penalties

RIGHT = 0.9
"""Share of the told subjects of poor pictures that are to be right."""

LEAST_THRESHOLD, MOST_THRESHOLD = 0.2, 0.5
"""Whatever else, what is likelier than not is told of faults, and what is unlikely is not."""

SIGNIFICANT = 0.05
"""Chance below which wrong subjects are not put down to it."""

FEWEST_WITH_FAULT = 10
"""Groups of val pictures with a fault below which its scale is mostly that of all faults."""

POOLED_SPREADS = (LOG_TEMPERATURE_SPREAD, 1.0)
"""Standard deviations of the prior of the logarithm of the slope and of the bias of all faults."""

OWN_SPREADS = (0.25, 0.5)
"""The same, of how far those of one fault lie from those of all."""

Scale = tuple[float, float]
"""Logarithm of the slope, and the bias."""


def fit_assessment(
    assessments: NDArray[np.float32], truths: Truths, groups: NDArray[np.int64]
) -> Assessment:
    """Fit everything that calibrates what assesses pictures.

    Args:
        assessments: Those outputs for all val pictures, N x `outputs.NUM_ASSESSMENTS`.
        truths: What is true of these pictures.
        groups: Groups of these pictures, N, as any numbers that differ between groups.
    """
    logits = subject_logits(assessments)
    temperature = fit_temperature(logits, truths)
    probabilities = softmax(logits.astype(np.float64) / temperature)
    threshold, reason = fit_threshold(probabilities, truths, groups)
    complete = truths.is_complete
    scales, reasons = fit_faults(
        fault_logits(assessments)[complete], truths.faults[complete], groups[complete]
    )
    if reason:
        reasons[SUBJECT] = reason
    return Assessment(temperature, threshold, RIGHT, scales, reasons)


def fit_temperature(logits: NDArray[np.float32], truths: Truths) -> float:
    """Return the most likely temperature of the subjects; good and poor pictures weigh the same.

    Else the good ones, of which there are more and whose subjects are plain, would decide alone.

    Args:
        logits: Logits of the subjects, N x number of subjects.
        truths: What is true of the pictures.
    """
    is_known = truths.subjects != UNKNOWN
    parts = [part for is_in in (truths.is_good, truths.is_poor) if (part := is_known & is_in).any()]
    if not parts:
        return 1.0
    losses = [
        np.mean([log_losses(logits[p], truths.subjects[p], t).mean() for p in parts])
        for t in TEMPERATURES
    ]
    num_pictures = sum(int(part.sum()) for part in parts)
    return float(TEMPERATURES[np.argmin(losses + temperature_penalties(num_pictures))])


def fit_threshold(
    probabilities: NDArray[np.float64], truths: Truths, groups: NDArray[np.int64]
) -> tuple[float, str]:
    """Return the least probability of a subject that is told, and why it was not fitted.

    It is the least one at which `RIGHT` of the told subjects of poor val pictures are right, by
    their number and by their probabilities. Of the number, one more is told and wrong: the next one
    may be. It alone would promise too much, since of many thresholds one is chosen that looks good:
    in simulations with 18, 60 and 150 poor pictures 86, 89 and 89 % of other subjects were right,
    and with both 88, 90 and 90 %. Each group has weight 1, divided among its pictures. Good
    pictures do not count, for their subjects are plain.

    Args:
        probabilities: Probabilities of the subjects, N x number of subjects.
        truths: What is true of the pictures.
        groups: Groups of the pictures, N.
    """
    chosen = np.flatnonzero(truths.is_poor & (truths.subjects != UNKNOWN))
    _, codes, sizes = np.unique(groups[chosen], return_inverse=True, return_counts=True)
    enough = math.ceil(RIGHT / (1 - RIGHT) - 1e-9)
    if len(sizes) < enough:
        return RIGHT, (
            f"{len(chosen)} poor val pictures of {len(sizes)} groups; that {RIGHT:.0%} are right "
            f"takes at least {enough} groups"
        )
    confidence = probabilities[chosen].max(axis=1)
    is_wrong = probabilities[chosen].argmax(axis=1) != truths.subjects[chosen]
    order = np.argsort(-confidence, kind="stable")
    weights = (1 / sizes[codes])[order]
    told, wrong = np.cumsum(weights), np.cumsum(weights * is_wrong[order])
    expected = np.cumsum(weights * confidence[order]) / told
    is_kept = ((wrong + 1) / (told + 1) <= 1 - RIGHT + 1e-9) & (expected >= RIGHT - 1e-9)
    # Of pictures that are as sure as each other all are told, or none.
    is_kept &= np.append(confidence[order][1:] < confidence[order][:-1], True)
    if not is_kept.any():
        return _without_promise(confidence, is_wrong, len(chosen))
    return max(float(confidence[order][np.flatnonzero(is_kept)[-1]]), 0.5), ""


def _without_promise(
    confidence: NDArray[np.float64], is_wrong: NDArray[np.bool_], num_poor: int
) -> tuple[float, str]:
    """Return the threshold where none keeps the promise on val, and the reason.

    It is the probability that is promised, unless more subjects that are as likely are wrong than
    chance allows: then the probabilities are not to be relied on, and no subject is told.

    Args:
        confidence: Probabilities of the likeliest subjects, N.
        is_wrong: Whether each of these is wrong, N.
        num_poor: Number of poor val pictures.
    """
    surest = is_wrong[confidence >= RIGHT]
    count = int(surest.sum())
    if count and bdtrc(count - 1, len(surest), 1 - RIGHT) < SIGNIFICANT:
        return 1.0, (
            f"{count} of the {len(surest)} surest subjects of poor val pictures are wrong, and "
            "none is told"
        )
    return RIGHT, (
        f"{num_poor} poor val pictures do not tell from which probability on {RIGHT:.0%} are right"
    )


def fit_faults(
    logits: NDArray[np.float32], has_fault: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[tuple[FaultScale, ...], dict[str, str]]:
    """Return the scale of each fault, and which ones rest on few pictures, by the fault's name.

    A scale is that of all faults together, moved as far as the pictures with and without this
    fault ask for: few ask for little.

    Args:
        logits: Logits of the faults, N x number of faults.
        has_fault: Whether each picture has each fault, 1 or 0, of the same shape.
        groups: Groups of the pictures, N.
    """
    pooled = most_likely(logits.ravel(), has_fault.ravel(), (0.0, 0.0), POOLED_SPREADS)
    scales, reasons = [], {}
    for fault, name in enumerate(FAULT_NAMES):
        scores, truth = logits[:, fault], has_fault[:, fault]
        log_slope, bias = most_likely(scores, truth, pooled, OWN_SPREADS)
        slope = math.exp(log_slope)
        threshold = best_threshold(sigmoid(scores.astype(np.float64) * slope + bias))
        scales.append(FaultScale(slope, bias, threshold))
        num_groups = len(np.unique(groups[truth == 1]))
        if num_groups < FEWEST_WITH_FAULT:
            reasons[name] = (
                f"{num_groups} groups of val pictures have it; a scale of its own takes at least "
                f"{FEWEST_WITH_FAULT}"
            )
    return tuple(scales), reasons


def most_likely(
    logits: NDArray[np.float32], truth: NDArray[np.int64], centre: Scale, spreads: Scale
) -> Scale:
    """Return the most likely logarithm of the slope, and bias, under a normal prior of both.

    Platt scaling (Platt 1999, "Probabilistic Outputs for Support Vector Machines"), whose slope
    cannot become negative here: more of a fault never makes it less likely.

    Args:
        logits: N.
        truth: 1 or 0, N.
        centre: Means of the prior.
        spreads: Standard deviations of the prior.
    """
    scores, means, widths = logits.astype(np.float64), np.array(centre), np.array(spreads)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scaled = scores * math.exp(parameters[0])
        shifted = scaled + parameters[1]
        errors = sigmoid(shifted) - truth
        away = (parameters - means) / widths
        fit = float((np.logaddexp(0, shifted) - truth * shifted).sum())
        slopes = np.array([(errors * scaled).sum(), errors.sum()])
        return fit + float((away**2).sum()) / 2, slopes + away / widths

    found = minimize(loss, means, jac=True, method="L-BFGS-B", bounds=[(-3, 3), (-20, 20)])
    log_slope, bias = found.x.tolist()
    return log_slope, bias


def best_threshold(probabilities: NDArray[np.float64]) -> float:
    """Return the threshold with the highest expected F1, within the bounds of thresholds.

    What is expected follows from the calibrated probabilities alone (Lipton, Elkan and
    Narayanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure"), so it needs
    no picture with the fault.

    Args:
        probabilities: Probabilities of one fault, N.
    """
    if not len(probabilities):
        return MOST_THRESHOLD
    falling = np.sort(probabilities)[::-1]
    right = np.cumsum(falling)
    scores = 2 * right / (right[-1] + np.arange(1, len(falling) + 1))
    best = float(falling[scores.argmax()])
    return min(max(best, LEAST_THRESHOLD), MOST_THRESHOLD)
