"""Augmentation: its own for each picture and epoch, and too mild to make a good picture poor."""

import cv2
import numpy as np
import pytest
from PIL import Image

from models.preprocessing import Preprocessing
from utils.common.pictures import write_jpeg
from utils.training.data.decoding import read_pixels
from utils.training.data.pictures import Picture
from utils.training.data.transforms import training_sample

INPUT = Preprocessing(224, 224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic", 0.95)
EPOCHS = range(12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """Return a folder with one sharp picture under two names."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(60, 196, (32, 43, 3), dtype=np.uint8))
    content = write_jpeg(coarse.resize((341, 256), Image.Resampling.BICUBIC))
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(content)
    return folder


A = Picture("a.jpg", 0, (341, 256))
B = Picture("b.jpg", 0, (341, 256))


def views(folder, picture: Picture = A, seed: int = 0) -> list[np.ndarray]:
    pixels = read_pixels(folder, picture)
    return [training_sample(pixels, picture.file, INPUT, seed, epoch) for epoch in EPOCHS]


def sharpness(view: np.ndarray) -> float:
    grey = cv2.cvtColor(np.ascontiguousarray(view.transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())


def test_a_view_follows_from_seed_epoch_and_name_alone(folder) -> None:
    again = views(folder)
    assert all(np.array_equal(one, other) for one, other in zip(views(folder), again, strict=True))
    assert len({view.tobytes() for view in again}) == len(EPOCHS)
    for others in (views(folder, B), views(folder, seed=1)):
        assert not any(np.array_equal(one, other) for one, other in zip(again, others, strict=True))


def test_every_view_is_as_sharp_and_as_bright_as_the_picture_is_when_tested(folder) -> None:
    tested = INPUT.centre_crop(read_pixels(folder, A))
    for view in views(folder):
        assert view.shape == tested.shape == (3, 224, 224)
        assert view.dtype == np.uint8
        assert 0.6 < sharpness(view) / sharpness(tested) < 1.7
        assert np.abs(view.mean(axis=(1, 2)) / tested.mean(axis=(1, 2)) - 1).max() < 0.08


@pytest.mark.parametrize("size", [(256, 256), (256, 900), (1200, 256), (40, 30), (600, 512)])
def test_any_shape_of_picture_will_do(folder, size: tuple[int, int]) -> None:
    width, height = size
    pixels = np.full((height, width, 3), 100, np.uint8)
    (folder / "c.jpg").write_bytes(write_jpeg(Image.fromarray(pixels)))
    decoded = read_pixels(folder, Picture("c.jpg", 0, size))
    view = training_sample(decoded, "c.jpg", INPUT, 0, 0)
    assert view.shape == (3, 224, 224)
    assert np.ptp(view) <= 2
