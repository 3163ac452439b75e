"""Write a report to the files of the run's folder."""

import csv
import io
from pathlib import Path

from utils.common.disk.escapes import escape
from utils.common.disk.writing import write_json, write_text
from utils.common.labels import CLASSES
from utils.evaluation.page import as_page
from utils.evaluation.plots import save_confusion_matrix, save_curves
from utils.evaluation.report import Report

PAGE_NAME = "report.html"
PROBABILITY_DIGITS = 6


def write_report(folder: Path, report: Report, pictures: Path) -> None:
    """Write every file of a report; report.json comes last, since it marks the run as finished.

    Args:
        folder: Folder of the run.
        report: The report to write.
        pictures: Folder of the data set.
    """
    write_predictions(folder / "predictions.csv", report)
    save_confusion_matrix(folder / "confusion_matrix.png", report.metrics.confusion)
    save_curves(folder / "curves.png", report.history, report.facts.get("best_epoch"))
    write_text(folder / PAGE_NAME, as_page(folder.name, report, pictures))
    write_json(folder / "report.json", report.to_dict())


def write_predictions(path: Path, report: Report) -> None:
    """Write one row per test picture: its true class, and the same columns as predict.py.

    `label` is the likeliest class, or UNSURE where the picture is out of distribution.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["file", "true", "label", "set", "abstained", *CLASSES])
    verdicts = report.verdicts
    for file, truth, label, possible, abstained, row in zip(
        report.test.files,
        report.test.labels,
        verdicts.labels,
        verdicts.possible,
        verdicts.abstained,
        verdicts.probabilities.round(PROBABILITY_DIGITS).tolist(),
        strict=True,
    ):
        writer.writerow([escape(file), CLASSES[truth], label, " ".join(possible), abstained, *row])
    write_text(path, stream.getvalue())
