"""Measure what it costs the sets' promise that the same val pictures choose the epoch.

python -m benchmarks.quality.chosen_epoch

Simulated runs whose epochs are all as good, and differ by chance in part of each logit: whichever
looks best on val looks better there than it is, and so do its quantiles. Told is the share of new
pictures whose set holds their class, with the chosen epoch and with the last one, which val has not
chosen.
"""

import numpy as np
from numpy.typing import NDArray

from utils.common.cli.console import table
from utils.common.labels import CLASSES
from utils.common.seeds import generator
from utils.evaluation.conformal import fit_quantiles
from utils.evaluation.temperature_scaling import fit_scaling
from utils.training.predictions import Predictions, calibrated_log_loss
from utils.training.state.progress import criterion

COVERAGE = 0.9
NUM_EPOCHS = 15
NUM_NEW = 2000
NUM_RUNS = 100
PICTURES = (100, 200, 400)
OWN = (0.1, 0.3)
"""Shares of the variance of a logit that are an epoch's own."""

Logits = list[NDArray[np.float32]]


def main() -> None:
    """Print a row for each number of val pictures and each difference between epochs."""
    rows = []
    for num_val in PICTURES:
        for own in OWN:
            runs = np.array([cover(num_val, own, number) for number in range(NUM_RUNS)])
            lost = runs[:, 1] - runs[:, 0]
            error = lost.std(ddof=1) / np.sqrt(NUM_RUNS)
            means = [f"{mean:.1%}" for mean in runs.mean(axis=0)]
            rows.append([num_val, own, *means, f"{100 * lost.mean():.1f} +- {100 * error:.1f}"])
    header = ["val pictures", "epochs' own", "chosen", "last", "points lost"]
    print(f"Of {COVERAGE:.0%} promised, {NUM_EPOCHS} epochs, {NUM_RUNS} runs each:")
    print(table(header, rows))


def cover(num_val: int, own: float, number: int) -> tuple[float, float]:
    """Return the shares of new pictures that are covered by the chosen and by the last epoch."""
    rng = generator("chosen epoch", num_val, own, number)
    labels, epochs = simulate(rng, num_val, own)
    truth, new = simulate(rng, NUM_NEW, own)
    history = [
        {"val_calibrated_loss": calibrated_log_loss(Predictions(("",) * num_val, labels, logits))}
        for logits in epochs
    ]
    reached = [criterion(history[: epoch + 1]) for epoch in range(NUM_EPOCHS)]
    chosen = int(np.argmin(np.array(reached, dtype=np.float64)))
    first, last = (
        covered(epochs[epoch], labels, new[epoch], truth) for epoch in (chosen, NUM_EPOCHS - 1)
    )
    return first, last


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
    val: NDArray[np.float32],
    labels: NDArray[np.int64],
    new: NDArray[np.float32],
    truth: NDArray[np.int64],
) -> float:
    """Return the mean over the classes of the share of new pictures whose set holds their class."""
    scaling = fit_scaling(val, labels, [1] * len(CLASSES))
    quantiles, _ = fit_quantiles(scaling.probabilities(val), labels, COVERAGE)
    given = scaling.probabilities(new)
    shares = [
        float((1 - given[truth == label, label] <= quantile).mean())
        for label, quantile in enumerate(quantiles)
        if quantile is not None
    ]
    return float(np.mean(shares))


if __name__ == "__main__":
    main()
