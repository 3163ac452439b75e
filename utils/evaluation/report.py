"""Test predictions and facts about the run in, its report files and the printed report out."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from utils.common.console import table
from utils.common.files import write_json, write_text
from utils.common.labels import CLASSES
from utils.evaluation.metrics import Metrics, measure
from utils.evaluation.plots import save_confusion_matrix, save_curves
from utils.training.predictions import Predictions

PROBABILITY_DIGITS = 6


def write_report(
    folder: Path,
    predictions: Predictions,
    facts: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
) -> str:
    """Write every file of the report, report.json last, and return what is to be printed.

    Args:
        folder: Of the run.
        predictions: On the test pictures.
        facts: Written into report.json beside the figures: best epoch, data, settings, versions.
        history: One row per epoch.
    """
    metrics = measure(predictions)
    write_predictions(folder / "predictions.csv", predictions)
    save_confusion_matrix(folder / "confusion_matrix.png", metrics.confusion)
    save_curves(folder / "curves.png", history, facts.get("best_epoch"))
    write_json(folder / "report.json", {**as_dict(metrics), **facts})
    return as_text(metrics)


def as_dict(metrics: Metrics) -> dict[str, Any]:
    """Return the figures for report.json."""
    return {
        "accuracy": metrics.accuracy,
        "balanced_accuracy": metrics.balanced_accuracy,
        "macro_f1": metrics.macro_f1,
        "classes": list(CLASSES),
        "confusion_matrix": metrics.confusion.tolist(),
        "per_class": {name: asdict(figures) for name, figures in metrics.per_class.items()},
    }


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write one row per picture: file, label, predicted, and each class's probability."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", "label", "predicted", *CLASSES])
    probabilities = np.exp(predictions.log_probabilities).round(PROBABILITY_DIGITS)
    for file, label, predicted, row in zip(
        predictions.files,
        predictions.labels,
        predictions.predicted,
        probabilities.tolist(),
        strict=True,
    ):
        writer.writerow([file, CLASSES[label], CLASSES[predicted], *row])
    write_text(path, stream.getvalue())


def as_text(metrics: Metrics) -> str:
    """Return the printed report."""
    figures = [
        [name, *map(_percent, (row.precision, row.recall, row.f1)), row.pictures]
        for name, row in metrics.per_class.items()
    ]
    counts = [[name, *row] for name, row in zip(CLASSES, metrics.confusion.tolist(), strict=True)]
    return "\n".join(
        [
            f"Test accuracy:      {_percent(metrics.accuracy)} of "
            f"{metrics.confusion.sum()} pictures",
            f"Balanced accuracy:  {_percent(metrics.balanced_accuracy)}",
            f"Macro F1:           {_percent(metrics.macro_f1)}",
            "",
            table(["class", "precision", "recall", "F1", "pictures"], figures),
            "",
            "Confusion matrix (rows: true class, columns: predicted class)",
            table(["", *CLASSES], counts),
        ]
    )


def _percent(share: float | None) -> str:
    return "-".rjust(6) if share is None else f"{share:6.1%}"
