"""Calibrations compared on runs: fitted on val and judged on test, then the other way round.

python -m benchmarks.quality.calibration runs/resnet18-1 runs/resnet18-2 ...
Test is used to compare ways of calibrating, so runs whose figures are to be published do not belong
here.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models import load
from models.gate import Gate
from models.scaling import Scaling
from utils.common.cli.console import table
from utils.common.labels import CLASSES, TEST, TRAIN, VAL
from utils.evaluation import temperature_scaling
from utils.training.predictions import balanced_accuracy, confusion_of

BATCH_SIZE = 32
SPREADS = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Of the biases, before val is seen."""

Part = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Logits, N x number of classes, and labels, N."""


def main() -> None:
    """Print what each way of calibrating reaches, as the mean over runs and directions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="folders of finished runs")
    figures: dict[str, list[list[float]]] = {}
    for run in parser.parse_args().runs:
        folder = Path(json.loads((run / "settings.json").read_text())["settings"]["data_dir"])
        counts = [len(list((folder / TRAIN / name).glob("*.jpg"))) for name in CLASSES]
        gate = load(run)
        parts = [look(gate, folder / split) for split in (VAL, TEST)]
        for fitted, judged in (parts, parts[::-1]):
            for name, scaling in calibrations(*fitted, counts):
                figures.setdefault(name, []).append(judge(scaling, *judged))
    header = ["calibration", "log loss", "gap", "balanced log loss", "balanced accuracy"]
    rows = [
        [name, *(f"{mean:.4f} +- {error:.4f}" for mean, error in zip(*summary(some), strict=True))]
        for name, some in figures.items()
    ]
    print(table(header, rows))
    print(
        "Log loss and gap where classes are as common as in the pictures judged; gap is |said - "
        "right|, class by class of the answer, weighted by pictures. The balanced figures are "
        "among equally common classes."
    )


def summary(rows: list[list[float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return means and their standard errors over runs and directions."""
    values = np.array(rows)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))


def look(gate: Gate, folder: Path) -> Part:
    """Return what a gate says of all pictures of a split."""
    files = sorted(folder.glob("*/*.jpg"))
    logits = []
    for start in range(0, len(files), BATCH_SIZE):
        samples = [gate.sample(file.read_bytes()) for file in files[start : start + BATCH_SIZE]]
        logits.append(gate.forward(torch.from_numpy(np.stack(samples)))[0].cpu().numpy())
    labels = np.array([CLASSES.index(file.parent.name) for file in files])
    return np.concatenate(logits), labels


def calibrations(
    logits: NDArray[np.float32], labels: NDArray[np.int64], counts: list[int]
) -> Iterator[tuple[str, Scaling]]:
    """Yield what can be fitted; all are judged under the same prior."""
    yield "none", Scaling()
    yield "temperature", temperature_scaling.fit_temperature(logits, labels)
    used = temperature_scaling.SPREADS.copy()
    for spread in SPREADS:
        temperature_scaling.SPREADS[1:] = spread
        scaling = temperature_scaling.fit_scaling(logits, labels, counts)
        yield f"temperature, biases (spread {spread:g})", scaling
    temperature_scaling.SPREADS[:] = used


def judge(scaling: Scaling, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> list[float]:
    """Return log loss, gap, balanced log loss and balanced accuracy."""
    occurring = np.bincount(labels, minlength=len(CLASSES))
    equal = scaling.probabilities(logits)
    given = scaling.probabilities(logits, occurring.astype(np.float64))
    answer, chosen = given.argmax(axis=1), np.arange(len(labels))
    gaps = [
        abs((given[is_called, label] - (labels[is_called] == label)).sum())
        for label in range(len(CLASSES))
        if (is_called := answer == label).any()
    ]
    losses = -np.log(np.maximum(equal[chosen, labels], 1e-12))
    weights = 1 / occurring[labels]
    return [
        float(-np.log(np.maximum(given[chosen, labels], 1e-12)).mean()),
        float(sum(gaps) / len(labels)),
        float(np.average(losses, weights=weights)),
        balanced_accuracy(confusion_of(labels, equal.argmax(axis=1))),
    ]


if __name__ == "__main__":
    main()
