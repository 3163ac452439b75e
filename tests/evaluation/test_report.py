"""The files of a report: what they hold, that they hold themselves, and which one comes last."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.calibration import UNSURE, Calibration
from models.findings import ASSESSED
from utils.common.faults import FAULT_NAMES, SEVERITY_DIGITS
from utils.common.labels import CLASSES
from utils.evaluation import files
from utils.evaluation.assessing.assessed import NO_OUTPUTS
from utils.evaluation.files import write_report
from utils.evaluation.fitting import fit
from utils.evaluation.report import ONE_CLASS, Report
from utils.evaluation.text import as_text
from utils.training.predictions import EvaluationInputs, PredictionsWithFeatures

VOID = {"meta", "img", "wbr", "br"}


class Balance(HTMLParser):
    """Reads a page and fails where an element is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.addresses: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_every_file_is_there_and_says_the_same(
    tmp_path: Path, report: Report, data_folder: Path
) -> None:
    write_report(tmp_path, report, data_folder)
    written = json.loads((tmp_path / "report.json").read_text())
    with (tmp_path / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["file", "true", "label", "set", "abstained", *CLASSES, *ASSESSED]
    assert not any(row[name] for row in rows for name in ASSESSED)
    assert written["assessment"] == {"reason": NO_OUTPUTS}
    likeliest = [max(CLASSES, key=lambda name: float(row[name])) for row in rows]
    right = [row["true"] == name for row, name in zip(rows, likeliest, strict=True)]
    for row, name in zip(rows, likeliest, strict=True):
        assert row["label"] == (UNSURE if row["abstained"] == "unlike" else name)
    assert written["accuracy"]["value"] == pytest.approx(np.mean(right))
    assert np.trace(written["confusion_matrix"]) == sum(right)
    assert len(written["mistakes"]) == len(right) - sum(right) > 0
    ambiguous = [row["abstained"] == "ambiguous" for row in rows]
    assert written["abstention"]["ambiguous"]["value"] == pytest.approx(np.mean(ambiguous))
    for row, is_ambiguous in zip(rows, ambiguous, strict=True):
        assert sum(float(row[name]) for name in CLASSES) == pytest.approx(1, abs=1e-5)
        assert (len(row["set"].split()) != 1) == is_ambiguous or row["abstained"] == "unlike"
    assert written["collections"][0]["title"] == "Two & more"
    assert written["best_epoch"] == 2
    for name in ("confusion_matrix.png", "curves.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 400


def test_the_page_holds_all_that_it_shows(
    tmp_path: Path, report: Report, data_folder: Path
) -> None:
    write_report(tmp_path, report, data_folder)
    text = (tmp_path / "report.html").read_text()
    page = Balance(text)
    assert "script" not in page.names
    assert not [address for address in page.addresses if not address.startswith("data:image/")]
    assert "url(" not in text
    assert "@import" not in text
    assert len(page.addresses) == 4 + len(report.mistakes)
    assert "Two &amp; more" in text
    for title in ("Model card", "What was taken for what", "Shortcuts", "Mistakes"):
        assert f"<h2>{title}</h2>" in text


def test_what_is_said_beside_the_classes_is_in_every_file(
    tmp_path: Path, assessed_report: Report, data_folder: Path
) -> None:
    write_report(tmp_path, assessed_report, data_folder)
    written = json.loads((tmp_path / "report.json").read_text())["assessment"]
    with (tmp_path / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    poor = [row for row in rows if row["true"] == "LOW_QUALITY"]
    told = [row for row in poor if row["subject"]]
    assert written["poor"]["subject_told"]["value"] == pytest.approx(len(told) / len(poor))
    right = [row["subject"] == "PAN" for row in told]
    assert written["poor"]["told_right"]["value"] == pytest.approx(np.mean(right))
    good = [row for row in rows if row["true"] != "LOW_QUALITY"]
    alarms = [bool(row["faults"]) for row in good]
    assert written["good"]["any_told"]["value"] == pytest.approx(np.mean(alarms))
    said = [float(row["severity"]) for row in good]
    rounding = 0.5 * 10**-SEVERITY_DIGITS
    assert written["good"]["error"]["value"] == pytest.approx(np.mean(said), abs=rounding)
    assert all(bool(row["faults"]) == bool(row["advice"]) for row in rows)
    assert list(written["faults"]) == list(FAULT_NAMES)
    assert [name for name, row in written["faults"].items() if row["pictures"]] == [
        "glare", "veiled",
    ]  # fmt: skip
    assert len(written["examples"]) == len(poor)
    page = Balance((tmp_path / "report.html").read_text())
    assert len(page.addresses) == 5 + len(assessed_report.mistakes) + len(poor)
    text = as_text(assessed_report)
    assert text.isascii() and "nan" not in text.lower()
    for name in ("Faults:", "Fault calibration:", "Subject if poor:", "Severity:", "False alarms:"):
        assert f"\n{name}" in text


def test_why_nothing_is_said_beside_the_classes_is_told(
    tmp_path: Path, report: Report, data_folder: Path
) -> None:
    write_report(tmp_path, report, data_folder)
    for told in (as_text(report), (tmp_path / "report.html").read_text()):
        assert NO_OUTPUTS in told


@pytest.mark.slow
def test_it_is_the_same_page_every_time(tmp_path: Path, report: Report, data_folder: Path) -> None:
    for name in ("a", "b"):
        write_report(tmp_path / name / "run-1", report, data_folder)
    first, second = (tmp_path / name / "run-1" / "report.html" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_names_from_outside_are_text(
    tmp_path: Path, make_report: Callable[..., Report], data_folder: Path
) -> None:
    report = make_report(model="<b>&", settings={"data_dir": "<script>alert(1)</script>"})
    write_report(tmp_path, report, data_folder)
    text = (tmp_path / "report.html").read_text()
    assert "script" not in Balance(text).names
    assert "&lt;script&gt;" in text


def test_the_report_comes_last(
    tmp_path: Path, report: Report, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(files, "as_page", fail)
    with pytest.raises(OSError, match="no space"):
        write_report(tmp_path, report, data_folder)
    assert not (tmp_path / "report.json").exists()


def test_the_printed_matrix_has_names_and_says_what_is_what(report: Report) -> None:
    text = as_text(report)
    assert text.isascii()
    lines = text.splitlines()
    assert re.fullmatch(r"Test accuracy: +\d+\.\d% \(\d+\.\d-\d+\.\d%\)\*?, 40 pictures", lines[0])
    start = lines.index("Confusion matrix (rows: true class, columns: predicted class)")
    matrix = lines[start + 1 : start + 7]
    assert matrix[0].split() == list(CLASSES)
    assert [line.split()[0] for line in matrix[1:]] == list(CLASSES)
    counts = [[int(count) for count in line.split()[1:]] for line in matrix[1:]]
    assert counts == report.metrics.confusion.tolist()
    assert lines[-1].startswith("* rests on fewer than 30 groups")


def part(predictions: PredictionsWithFeatures, chosen: np.ndarray) -> PredictionsWithFeatures:
    return PredictionsWithFeatures(
        tuple(np.array(predictions.files)[chosen]),
        predictions.labels[chosen],
        predictions.logits[chosen],
        predictions.features[chosen],
    )


@pytest.mark.slow
def test_a_class_without_pictures_is_null(
    tmp_path: Path, make_report: Callable[..., Report], inputs: EvaluationInputs, data_folder: Path
) -> None:
    test = part(inputs.test, inputs.test.labels != CLASSES.index("PAN"))
    report = make_report(replace(inputs, test=test))
    write_report(tmp_path, report, data_folder)
    row = json.loads((tmp_path / "report.json").read_text())["per_class"]["PAN"]
    assert (row["recall"]["value"], row["recall"]["interval"], row["pictures"]) == (None, None, 0)
    assert row["recall"]["reason"] == "there are no test pictures of this class"
    assert "nan" not in as_text(report).lower()
    assert "nan" not in (tmp_path / "report.json").read_text().lower()
    assert "there are no test pictures" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_a_run_of_one_class_has_no_calibration_error(
    tmp_path: Path, make_report: Callable[..., Report], calibration: Calibration, data_folder: Path
) -> None:
    one = (1.0, *[0.0] * (len(CLASSES) - 1))
    scaling = replace(calibration.scaling, class_shares=one)
    report = make_report(calibration=replace(calibration, scaling=scaling))
    assert (report.before, report.after, report.by_temperature) == (None, None, None)
    write_report(tmp_path, report, data_folder)
    assert f"There is no calibration error: {ONE_CLASS}." in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "report.json").read_text())["calibration"]["ece"] is None
    assert f"-, {ONE_CLASS}" in as_text(report)


@pytest.mark.slow
def test_a_test_without_mistakes_says_so(
    tmp_path: Path, make_report: Callable[..., Report], inputs: EvaluationInputs, data_folder: Path
) -> None:
    test = part(inputs.test, inputs.test.predicted == inputs.test.labels)
    report = make_report(replace(inputs, test=test))
    write_report(tmp_path, report, data_folder)
    assert report.metrics.accuracy.value == 1
    assert "There are none." in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_every_look_at_test_is_shown(
    tmp_path: Path, make_report: Callable[..., Report], data_folder: Path
) -> None:
    report = make_report(looks_at_test=["on Monday", "on Tuesday"])
    write_report(tmp_path, report, data_folder)
    text = (tmp_path / "report.html").read_text()
    assert "Test was looked at 2 times: what was chosen in between was chosen on test." in text
    assert "on Monday; on Tuesday" in text
    assert "Looks at test:         2" in as_text(report)


@pytest.mark.slow
def test_a_class_with_too_few_val_pictures_stays_possible_and_the_report_says_so(
    tmp_path: Path, make_report: Callable[..., Report], inputs: EvaluationInputs, data_folder: Path
) -> None:
    pan = CLASSES.index("PAN")
    kept = np.flatnonzero(inputs.val.labels != pan)
    few = np.append(kept, np.flatnonzero(inputs.val.labels == pan)[:8])
    calibration = fit(inputs.train, part(inputs.val, few), [12] * len(CLASSES), coverage=0.9)
    report = make_report(calibration=calibration)
    write_report(tmp_path, report, data_folder)
    with (tmp_path / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert all("PAN" in row["set"].split() for row in rows)
    answered = [row for row in rows if not row["abstained"]]
    assert {row["label"] for row in answered} == {"PAN"}
    written = json.loads((tmp_path / "report.json").read_text())["abstention"]
    assert written["answered"]["value"] == pytest.approx(len(answered) / len(rows))
    assert written["coverage"]["PAN"]["covered"]["value"] == 1
    assert written["coverage"]["PAN"]["kept"] is None
    told = (
        "PAN (8 val pictures; 90% takes at least 9) has no promised coverage, so it stays possible "
        "for every picture: every answer but PAN is ambiguous. More val pictures of such a class "
        "end that, or a promise of less: --test-only --resume RUN --coverage X."
    )
    assert told in as_text(report).splitlines()
    assert told in (tmp_path / "report.html").read_text()
