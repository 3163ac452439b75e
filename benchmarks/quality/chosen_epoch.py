"""Measure what it costs the sets' promise that the same val pictures choose the epoch.

    python -m benchmarks.quality.chosen_epoch

Simulated runs whose epochs are all as good, and differ by chance in part of each logit: whichever
looks best on val looks better there than it is, and so do its quantiles. Shown is the share of new
pictures whose set contains their class: with quantiles of the val pictures' own scores, with those
of cross-fitted scores, which training takes, and with half of val for the epoch and half for the
rest.
"""

import numpy as np
from numpy.typing import NDArray

from utils.common.cli.console import table
from utils.common.labels import CLASSES
from utils.common.seeds import generator
from utils.evaluation.conformal import fit_quantiles
from utils.evaluation.cross_fitting import cross_fitted_probabilities, folds_of
from utils.evaluation.temperature_scaling import fit_scaling
from utils.training.predictions import Predictions, best_epoch, calibrated_log_loss

COVERAGE = 0.9
NUM_EPOCHS = 15
NUM_NEW = 2000
NUM_RUNS = 40
PICTURES = (100, 200, 400)
COUNTS = (1,) * len(CLASSES)
OWN = (0.1, 0.3)
"""Shares of the variance of a logit that are an epoch's own."""

Logits = list[NDArray[np.float32]]


def main() -> None:
    """Print a row for each number of val pictures and each difference between epochs."""
    rows = []
    for num_val in PICTURES:
        for own in OWN:
            runs = np.array([cover(num_val, own, number) for number in range(NUM_RUNS)])
            errors = runs.std(axis=0, ddof=1) / np.sqrt(NUM_RUNS)
            means = zip(runs.mean(axis=0), errors, strict=True)
            rows.append([num_val, own, *(f"{mean:.1%} +- {error:.1%}" for mean, error in means)])
    header = ["val pictures", "epochs' own", "own scores", "cross-fitted", "split val"]
    print(f"Of {COVERAGE:.0%} promised, {NUM_EPOCHS} epochs, {NUM_RUNS} runs each:")
    print(table(header, rows))


def cover(num_val: int, own: float, number: int) -> tuple[float, float, float]:
    """Return the shares of new pictures that are covered in the three ways."""
    rng = generator("chosen epoch", num_val, own, number)
    labels, epochs = simulate(rng, num_val, own)
    truth, new = simulate(rng, NUM_NEW, own)
    files = tuple(f"{number}/{row}.jpg" for row in range(num_val))
    chosen = choose(epochs, labels, np.arange(num_val))
    val, groups = Predictions(files, labels, epochs[chosen]), np.arange(num_val)
    scaling = fit_scaling(val.logits, labels, COUNTS)
    given = scaling.probabilities(new[chosen])
    half = folds_of(files, labels, groups) % 2 == 0
    by_half = choose(epochs, labels, np.flatnonzero(half))
    other = fit_scaling(epochs[by_half][~half], labels[~half], COUNTS)
    return (
        covered(scaling.probabilities(val.logits), labels, given, truth),
        covered(cross_fitted_probabilities(epochs, val, groups, COUNTS), labels, given, truth),
        covered(
            other.probabilities(epochs[by_half][~half]), labels[~half],
            other.probabilities(new[by_half]), truth,
        ),
    )  # fmt: skip


def choose(epochs: Logits, labels: NDArray[np.int64], rows: NDArray[np.int64]) -> int:
    """Return the epoch that some of the val pictures choose."""
    names = ("",) * len(rows)
    losses = [
        calibrated_log_loss(Predictions(names, labels[rows], logits[rows])) for logits in epochs
    ]
    chosen = best_epoch(losses)
    assert chosen is not None
    return chosen


def simulate(rng: np.random.Generator, count: int, own: float) -> tuple[NDArray[np.int64], Logits]:
    """Return labels, and the logits of each epoch, which share all but a part of their chance."""
    labels = np.arange(count) % len(CLASSES)
    shared = rng.normal(size=(count, len(CLASSES)))
    shared[np.arange(count), labels] += 2
    epochs = []
    for _ in range(NUM_EPOCHS):
        noise = rng.normal(size=shared.shape)
        epochs.append((1.5 * (np.sqrt(1 - own) * shared + np.sqrt(own) * noise)).astype(np.float32))
    return labels, epochs


def covered(
    val: NDArray[np.float64],
    labels: NDArray[np.int64],
    new: NDArray[np.float64],
    truth: NDArray[np.int64],
) -> float:
    """Return the mean over the classes of the share of new pictures whose set has their class.

    Args:
        val: Probabilities of val pictures, from which the quantiles are taken.
        labels: Classes of these.
        new: Probabilities of new pictures.
        truth: Classes of these.
    """
    quantiles, _ = fit_quantiles(val, labels, COVERAGE)
    shares = [
        float((1 - new[truth == label, label] <= quantile).mean())
        for label, quantile in enumerate(quantiles)
        if quantile is not None
    ]
    return float(np.mean(shares))


if __name__ == "__main__":
    main()
