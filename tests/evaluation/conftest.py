"""Fixtures of the evaluation's tests: predictions of a model that is wrong now and then."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.calibration import Calibration
from models.outputs import (
    NUM_ASSESSMENTS,
    fault_logits,
    fault_targets,
    severity_logits,
    severity_targets,
    subject_logits,
    subject_targets,
)
from utils.common.faults import MAX_SEVERITY
from utils.common.labels import CLASSES, LOW_QUALITY, OTHER
from utils.common.pictures import write_jpeg
from utils.dataset.output.manifest import ManifestRow, write_manifest
from utils.evaluation.assessing.assessed import fit_on_val
from utils.evaluation.fitting import fit
from utils.evaluation.report import Report, evaluate
from utils.evaluation.rows import read_rows
from utils.training.data.targets import targets_of
from utils.training.predictions import EvaluationInputs, OodFeatures, PredictionsWithFeatures

PER_CLASS = {"train": 12, "val": 25, "test": 8}
COUNTS = [PER_CLASS["train"]] * len(CLASSES)
SOURCES = {"DERM": "both", "DERM_CLINIC": "both", OTHER: "things", "PAN": "bodies"}
HISTORY = [
    {
        "epoch": epoch, "train_loss": 1 / epoch, "val_loss": 1.2 / epoch,
        "train_balanced_accuracy": 0.5, "val_balanced_accuracy": 0.6,
    }
    for epoch in (1, 2)
]  # fmt: skip


def predict(files: list[str], seed: int = 0, clarity: float = 3.0) -> PredictionsWithFeatures:
    """Return the predictions of a model that tends to the class in each file's name."""
    rng = np.random.default_rng([seed, len(files)])
    labels = np.array([CLASSES.index(file.split("/")[1]) for file in files])
    logits = rng.normal(size=(len(files), len(CLASSES))).astype(np.float32)
    logits[np.arange(len(files)), labels] += clarity
    features = rng.normal(size=(len(files), 4)).astype(np.float32)
    return PredictionsWithFeatures(tuple(files), labels, 3 * logits, features)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data set of plain pictures with a manifest; only to be read."""
    folder = tmp_path_factory.mktemp("evaluated") / "DATASET"
    rows = []
    for split, count in PER_CLASS.items():
        for label in CLASSES:
            for number in range(count):
                file = f"{split}/{label}/{number:02}.jpg"
                colour = (40 * CLASSES.index(label), 8 * number, 90)
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_bytes(write_jpeg(Image.new("RGB", (40, 32), colour)))
                source = SOURCES.get(label, ("both", "things")[number % 2])
                group = f"{split}/{label}/{number // 2}"
                row = ManifestRow(
                    file, split, label, source, file, group, group, "0" * 64, 40, 32, "0" * 64,
                    "PNG" if label == OTHER else "JPEG", 640 if label == OTHER else 320, 240,
                )  # fmt: skip
                if label == LOW_QUALITY:
                    kind = ("haze", "glare", "haze+glare")[number % 3]
                    row = replace(row, degradation=kind, severity=1 + number % 5)
                rows.append(row)
    write_manifest(folder, sorted(rows, key=lambda row: row.file))
    return folder


@pytest.fixture(scope="session")
def inputs() -> EvaluationInputs:
    """Return the predictions of a model for the pictures of `data_folder`."""
    files = {
        split: [f"{split}/{label}/{n:02}.jpg" for label in CLASSES for n in range(count)]
        for split, count in PER_CLASS.items()
    }
    train, val, test = (predict(files[split], seed) for seed, split in enumerate(files))
    return EvaluationInputs(OodFeatures(train.files, train.labels, train.features), val, test)


@pytest.fixture(scope="session")
def assessed_inputs(inputs: EvaluationInputs, data_folder: Path) -> EvaluationInputs:
    """Return the same of a model that also assesses pictures, and is often right about them."""
    known = read_rows(data_folder)
    val, test = (assess(part, known) for part in (inputs.val, inputs.test))
    train = replace(inputs.train, targets=targets_in(known, inputs.train.files))
    return replace(inputs, train=train, val=val, test=test)


def targets_in(known: dict[str, ManifestRow], files: Sequence[str]) -> np.ndarray:
    """Return the targets of pictures, of which the poor ones show the body."""
    rows = [
        replace(row, parent=f"{row.split}/PAN/00.jpg") if row.label == LOW_QUALITY else row
        for row in (known[file] for file in files)
    ]
    return np.array([targets_of(row) for row in rows], dtype=np.int8)


def assess(
    predictions: PredictionsWithFeatures, known: dict[str, ManifestRow]
) -> PredictionsWithFeatures:
    """Add what assesses pictures to predictions, and what is true of these."""
    targets = targets_in(known, predictions.files)
    numbers = np.arange(len(targets))
    rng = np.random.default_rng(len(targets))
    assessed = rng.normal(size=(len(targets), NUM_ASSESSMENTS)).astype(np.float32)
    subject_logits(assessed)[numbers, subject_targets(targets)] += 3
    fault_logits(assessed)[:] += 5 * fault_targets(targets) - 4
    levels = np.arange(1, MAX_SEVERITY + 1)
    severity_logits(assessed)[:] += 2 * (severity_targets(targets)[:, None] - levels + 0.5)
    return replace(predictions, assessments=assessed, targets=targets)


@pytest.fixture(scope="session")
def calibration(inputs: EvaluationInputs) -> Calibration:
    return fit(inputs.train, inputs.val, COUNTS, coverage=0.9)


@pytest.fixture(scope="session")
def make_report(
    inputs: EvaluationInputs, calibration: Calibration, data_folder: Path
) -> Callable[..., Report]:
    """Give a function that evaluates predictions, by default those of the fixture."""

    class Terms:
        name, title, licence, commercial = "both", "Two & more", "CC BY-NC 4.0", False

    def make(
        of: EvaluationInputs = inputs, calibration: Calibration = calibration, **facts: object
    ) -> Report:
        assessment = fit_on_val(of.train, of.val, np.arange(len(of.val.labels)))
        told = {"best_epoch": 2, "looks_at_test": ["at noon, weights of epoch 2"], **facts}
        known = read_rows(data_folder)
        return evaluate(of, calibration, data_folder, known, told, HISTORY, [Terms()], assessment)

    return make


@pytest.fixture(scope="session")
def report(make_report: Callable[..., Report]) -> Report:
    return make_report()


@pytest.fixture(scope="session")
def assessed_report(
    make_report: Callable[..., Report], assessed_inputs: EvaluationInputs
) -> Report:
    return make_report(assessed_inputs)
