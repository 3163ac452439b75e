"""The files of a report: what they hold, and which one comes last."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from utils.common.labels import CLASSES
from utils.evaluation import report
from utils.training.predictions import Predictions

HISTORY = [
    {
        "epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.2 / epoch,
        "train_balanced_accuracy": 0.5, "val_balanced_accuracy": 0.6,
    }
    for epoch in (1, 2)
]  # fmt: skip


@pytest.fixture
def predictions() -> Predictions:
    labels = np.array([0, 1, 2, 3, 4, 4])
    logits = np.eye(5, dtype=np.float32)[[0, 1, 2, 3, 4, 0]] * 4
    return Predictions(tuple(f"test/{n}.jpg" for n in range(6)), labels, logits)


def test_every_file_is_there_and_says_the_same(tmp_path: Path, predictions: Predictions) -> None:
    report.write_report(tmp_path, predictions, {"best_epoch": 2}, HISTORY)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["accuracy"] == pytest.approx(5 / 6)
    assert written["balanced_accuracy"] == pytest.approx(0.9)
    assert written["classes"] == list(CLASSES)
    assert written["confusion_matrix"][4] == [1, 0, 0, 0, 1]
    assert written["per_class"]["PAN"]["recall"] == 0.5
    assert written["best_epoch"] == 2
    with (tmp_path / "predictions.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["file", "label", "predicted", *CLASSES]
    assert (rows[5]["file"], rows[5]["label"], rows[5]["predicted"]) == (
        "test/5.jpg", "PAN", "DERM",
    )  # fmt: skip
    for row in rows:
        assert sum(float(row[name]) for name in CLASSES) == pytest.approx(1, abs=1e-5)
    for name in ("confusion_matrix.png", "curves.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 400


def test_the_report_comes_last(
    tmp_path: Path, predictions: Predictions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(report, "save_curves", fail)
    with pytest.raises(OSError, match="no space"):
        report.write_report(tmp_path, predictions, {}, HISTORY)
    assert not (tmp_path / "report.json").exists()


def test_the_printed_matrix_has_names_and_says_what_is_what(
    tmp_path: Path, predictions: Predictions
) -> None:
    text = report.write_report(tmp_path, predictions, {}, HISTORY)
    assert text.isascii()
    lines = text.splitlines()
    assert lines[0] == "Test accuracy:       83.3% of 6 pictures"
    start = lines.index("Confusion matrix (rows: true class, columns: predicted class)")
    assert lines[start + 1].split() == list(CLASSES)
    assert [line.split()[0] for line in lines[start + 2 :]] == list(CLASSES)
    assert lines[-1].split() == ["PAN", "1", "0", "0", "0", "1"]


def test_a_class_without_pictures_is_null(tmp_path: Path) -> None:
    logits = np.eye(5, dtype=np.float32)[[0, 1]]
    found = Predictions(("a", "b"), np.array([0, 1]), logits)
    text = report.write_report(tmp_path, found, {}, HISTORY)
    written = json.loads((tmp_path / "report.json").read_text())
    assert written["per_class"]["PAN"] == {
        "precision": None, "recall": None, "f1": None, "pictures": 0,
    }  # fmt: skip
    assert "nan" not in text.lower()
