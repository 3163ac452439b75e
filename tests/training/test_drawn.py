"""Newly degraded pictures on which what assesses pictures is calibrated."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from models.classifier import let_assess
from models.device import Compute
from models.inference import outputs_of
from models.outputs import SUBJECTS, assessments, severity_targets, subject_targets
from models.preprocessing import Preprocessing
from models.pretrained import build
from models.zoo import resolve
from utils.common.labels import CLASSES, LOW_QUALITY, VAL
from utils.training import predictor
from utils.training.data.batches import Ticket
from utils.training.data.fresh import draws_of_epochs, is_drawn_anew
from utils.training.data.loader import PictureLoader
from utils.training.data.pictures import read_folder
from utils.training.engine import Trainer
from utils.training.settings import RunSettings

COUNT = 7


@pytest.fixture
def make(degraded_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trainer]:
    """Give a function that makes a trainer on it."""
    monkeypatch.setattr(predictor, "NUM_DRAWN", COUNT)

    def trainer(workers: int = 0, *, fresh: bool = True, weight: float = 0.2) -> Trainer:
        network, preprocessing = build(resolve("test_resnet"), len(CLASSES), pretrained=False)
        if weight:
            let_assess(network)
        small: Preprocessing = dataclasses.replace(preprocessing, height=32, width=32)
        settings = RunSettings(
            batch_size=4, workers=workers, model="test_resnet", epochs=1, lr=1e-3,
            weight_decay=0.05, freeze_epochs=0, assessment_weight=weight,
        )  # fmt: skip
        loader = PictureLoader(
            read_folder(degraded_dataset), small, 4, workers, 0, fresh_low_quality=fresh
        )
        compute = Compute(torch.device("cpu"), "float32")
        return Trainer(network, small, compute, settings, loader)

    return trainer


def test_each_is_a_draw_of_its_epoch_from_a_good_picture(make, degraded_dataset: Path) -> None:
    pictures = read_folder(degraded_dataset)
    listed = pictures.splits[VAL]
    draws = draws_of_epochs(pictures, VAL, 0, COUNT)
    assert COUNT <= sum(len(parents) for _, parents in draws) < COUNT + len(listed)
    for epoch, parents in draws:
        for position, parent in parents.items():
            assert is_drawn_anew(listed[position].file, 0, epoch)
            assert CLASSES[listed[parent].label] != LOW_QUALITY
            assert listed[parent].label == listed[listed[position].parent].label


def test_they_are_assessed_as_what_was_drawn(make) -> None:
    trainer = make()
    found = trainer.predictor().predict_drawn(VAL, "Faults")
    listed = {picture.file: picture for picture in trainer.loader.pictures.splits[VAL]}
    shown = [CLASSES[listed[file].label] for file in found.files]
    assert [SUBJECTS[subject] for subject in subject_targets(found.targets)] == shown
    assert (severity_targets(found.targets) > 0).all()
    expected = []
    for epoch, parents in trainer.loader.drawn_anew(VAL, COUNT):
        (batch,) = trainer.loader._serve([Ticket(VAL, tuple(parents), epoch, is_augmented=False)])
        with torch.inference_mode():
            outputs = outputs_of(trainer.network.eval(), trainer.normalise, batch.pixels)
        expected.append(assessments(outputs))
    np.testing.assert_allclose(found.assessments, torch.cat(expected), atol=1e-5)


def test_what_is_calibrated_on_them_is_computed_as_a_gate_does(make, exactness) -> None:
    trainer = make()
    exact = exactness(trainer)
    trainer.predictor().predict_drawn(VAL, "Faults")
    assert exact and all(exact)


@pytest.mark.slow
def test_workers_draw_the_same(make) -> None:
    alone, shared = (make(workers).predictor().predict_drawn(VAL, "") for workers in (0, 2))
    assert alone.files == shared.files
    assert (alone.targets == shared.targets).all()
    assert (alone.assessments == shared.assessments).all()


def test_without_what_to_calibrate_or_to_draw_there_are_none(make) -> None:
    assert make(weight=0).predictor().predict_drawn(VAL, "") is None
    assert make(fresh=False).predictor().predict_drawn(VAL, "") is None


def test_a_folder_without_parents_has_none(make_trainer) -> None:
    trainer = make_trainer()
    assert draws_of_epochs(trainer.loader.pictures, VAL, 0, COUNT) == []
    assert trainer.predictor().predict_drawn(VAL, "") is None
