"""Write a report to the files of the run's folder."""

import csv
import io
from pathlib import Path

from models.findings import ASSESSED
from utils.common.disk.escapes import escape
from utils.common.disk.writing import write_json, write_text
from utils.common.faults import SEVERITY_DIGITS
from utils.common.labels import CLASSES
from utils.evaluation.page import as_page
from utils.evaluation.plots import save_confusion_matrix, save_curves
from utils.evaluation.report import Report
from utils.evaluation.text import title_of

PAGE_NAME = "report.html"
PROBABILITY_DIGITS = 6


def write_report(folder: Path, report: Report, pictures: Path) -> None:
    """Write every file of a report; report.json comes last, since it marks the run as finished.

    Args:
        folder: Folder of the run.
        report: The report to write.
        pictures: Folder of the data set, or of an external test.
    """
    write_predictions(folder / "predictions.csv", report)
    save_confusion_matrix(folder / "confusion_matrix.png", report.metrics.confusion)
    if report.history:
        save_curves(folder / "curves.png", report.history, report.facts.get("best_epoch"))
    own = "" if report.external else folder.name
    title = ": ".join(filter(None, (own, title_of(report))))
    write_text(folder / PAGE_NAME, as_page(title, report, pictures))
    write_json(folder / "report.json", report.to_dict())


def write_predictions(path: Path, report: Report) -> None:
    """Write one row per test picture: its true class, and what predict.py writes but `probability`.

    `label` is the likeliest class, or UNSURE where the picture is out of distribution. In an
    external test there is a column `error`, and a row for each picture without an answer. The last
    columns say what assesses a picture; they are empty of a model that does not.
    """
    verdicts, external = report.verdicts, report.external
    header = ["file", "true", "label", "set", "abstained", *CLASSES]
    rows: list[list[object]] = []
    for file, truth, label, possible, abstained, row, assessed in zip(
        report.test.files,
        report.test.labels,
        verdicts.labels,
        verdicts.possible,
        verdicts.abstained,
        verdicts.probabilities.round(PROBABILITY_DIGITS).tolist(),
        _assessed_cells(report),
        strict=True,
    ):
        error = [""] if external else []
        told = [label, " ".join(possible), abstained, *row, *error, *assessed]
        rows.append([escape(file), CLASSES[truth], *told])
    if external:
        width = len(header)
        header = [*header, "error"]
        for one in external.unread:
            empty = [""] * (width - 2)
            none = [""] * len(ASSESSED)
            rows.append([escape(one.file), one.true, *empty, escape(one.error), *none])
        rows.sort(key=lambda row: str(row[0]))
    header += ASSESSED
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    write_text(path, stream.getvalue())


def _assessed_cells(report: Report) -> list[list[object]]:
    """Return the cells of `ASSESSED` of each test picture."""
    if isinstance(report.assessed, str):
        return [[""] * len(ASSESSED)] * len(report.test.files)
    said = report.assessed.findings
    columns = (
        said.subjects,
        said.subject_probabilities.max(axis=1).round(PROBABILITY_DIGITS).tolist(),
        map(" ".join, said.faults),
        said.severities.round(SEVERITY_DIGITS).tolist(),
        said.advice,
    )
    return [list(cells) for cells in zip(*columns, strict=True)]
