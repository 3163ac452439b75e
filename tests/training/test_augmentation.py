"""What varies a good training picture stays clearly below severity 1 of every degradation."""

import numpy as np
import pytest

from models.preprocessing import Preprocessing
from utils.common.seeds import generator
from utils.quality.kinds import KINDS
from utils.quality.measures import MEASURES
from utils.standins.sketches import SKETCHES
from utils.training.data import transforms

PREPROCESSING = Preprocessing(224, 224, (0, 0, 0), (1, 1, 1), "bicubic", 0.875)
NUM_EACH = 4
NUM_EPOCHS = 3
MOST = 0.5
"""Largest effect of the augmentation as a share of that of severity 1."""


def as_picture(sample: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(sample.transpose(1, 2, 0))


@pytest.fixture(scope="module")
def parents() -> dict[str, np.ndarray]:
    return {
        f"{label}/{number}.jpg": sketch(
            generator("augmented", label, number), 341, 256, generator("subject", label, number)
        )
        for label, sketch in SKETCHES.items()
        for number in range(NUM_EACH)
    }


@pytest.fixture
def vary(parents: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch):
    """Give a function that varies a picture as training does, with or without its brightness."""
    brightening = transforms.MAX_BRIGHTENING

    def run(file: str, epoch: int, *, is_brightened: bool) -> np.ndarray:
        with monkeypatch.context() as patch:
            patch.setattr(transforms, "MAX_BRIGHTENING", brightening if is_brightened else 0.0)
            sample = transforms.training_sample(parents[file], file, PREPROCESSING, 0, epoch)
            return as_picture(sample)

    return run


def effect(measure: str, picture: np.ndarray, parent: np.ndarray) -> float:
    """Return how far a picture is from its parent, 0 for the parent itself."""
    if measure == "psnr":  # a logarithm: its power ratio adds up
        return 10 ** (-MEASURES[measure](picture, parent) / 10)
    return abs(MEASURES[measure](picture, parent) - MEASURES[measure](parent, parent))


@pytest.mark.parametrize("name", KINDS)
def test_it_stays_below_severity_1(name: str, parents, vary) -> None:
    kind = KINDS[name]
    varied, degraded = [], []
    for file in parents:
        for epoch in range(NUM_EPOCHS):
            plain = vary(file, epoch, is_brightened=False)
            sample = vary(file, epoch, is_brightened=True)
            varied.append(effect(kind.measure, sample, plain))
            parameters = kind.draw(generator("severity 1", name, file, epoch), 1)
            degraded.append(effect(kind.measure, kind.apply(plain, **parameters), plain))
    print(f"{name}: {kind.measure} moves {np.mean(varied) / np.mean(degraded):.1%} of severity 1")
    assert np.mean(varied) <= MOST * np.mean(degraded)


@pytest.mark.parametrize("name", ["defocus_blur", "sensor_noise", "haze", "under_exposure"])
def test_another_view_is_no_worse_than_the_centre(name: str, parents, vary) -> None:
    """Crop, stretch and mirroring show another part, so only the mean over many can be told."""
    kind = KINDS[name]
    measure = MEASURES[kind.measure]
    change, degraded = [], []
    for file, parent in parents.items():
        centre = as_picture(PREPROCESSING.centre_crop(parent))
        parameters = kind.draw(generator("severity 1", name, file), 1)
        degraded.append(measure(kind.apply(centre, **parameters), centre) - measure(centre, centre))
        for epoch in range(NUM_EPOCHS):
            view = vary(file, epoch, is_brightened=False)
            change.append(measure(view, view) - measure(centre, centre))
    assert np.mean(change) / np.mean(degraded) <= MOST
