"""What a model gets to see: the centre, in its own size and scale."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from models.bundle import read_preprocessing
from models.preprocessing import Normalisation, Preprocessing

SMALL = Preprocessing(32, 32, (0.5, 0.4, 0.3), (0.5, 0.25, 0.2), "bicubic", 0.5)


@pytest.mark.parametrize("size", [(64, 64), (64, 90), (300, 200), (7, 9), (33, 31)])
def test_any_picture_comes_out_in_the_size_of_the_input(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    crop = SMALL.centre_crop(image)
    assert crop.shape == (3, 32, 32)
    assert crop.dtype == np.uint8


def test_the_crop_is_the_centre() -> None:
    image = np.zeros((64, 128, 3), np.uint8)
    image[16:48, 48:80] = (10, 20, 30)
    assert np.array_equal(SMALL.centre_crop(image)[:, 5, 5], [10, 20, 30])
    assert (SMALL.centre_crop(image).reshape(3, -1).min(axis=1) == [10, 20, 30]).all()


def test_strong_shrinking_averages_instead_of_skipping_pixels() -> None:
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[::2] = 255
    assert abs(SMALL.centre_crop(stripes).astype(int) - 128).max() <= 1


def test_normalisation_is_that_of_the_formula() -> None:
    pixels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    scaled = Normalisation(SMALL)(pixels)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (SMALL.mean, SMALL.std))
    torch.testing.assert_close(scaled, (pixels / 255 - mean) / std)


def test_it_survives_a_way_through_plain_values() -> None:
    assert Preprocessing.from_dict(SMALL.to_dict()) == SMALL


@pytest.mark.parametrize(
    ("name", "mean", "crop_pct"),
    [("test_vit", (0.5, 0.5, 0.5), 0.95), ("resnet18", (0.485, 0.456, 0.406), 0.95)],
)
def test_each_model_has_its_own(name: str, mean: tuple[float, ...], crop_pct: float) -> None:
    preprocessing = Preprocessing.of_model(timm.create_model(name))
    assert preprocessing.mean == mean
    assert preprocessing.crop_pct == crop_pct


def configured(name: str) -> Preprocessing:
    """Return the preprocessing of a model of timm without building the model."""
    network = nn.Module()
    network.pretrained_cfg = timm.get_pretrained_cfg(name).to_dict()
    return Preprocessing.of_model(network)


def test_that_of_every_model_of_timm_can_be_stored_and_read() -> None:
    names = timm.list_models(pretrained=True)
    assert len(names) > 1000
    for own in map(configured, names):
        assert read_preprocessing(own.to_dict()) == own


def test_where_timm_asks_for_more_than_the_picture_the_crop_is_the_whole_picture() -> None:
    assert timm.get_pretrained_cfg("volo_d4_448").crop_pct > 1
    image = np.random.default_rng(0).integers(0, 256, (448, 448, 3), dtype=np.uint8)
    crop = configured("volo_d4_448").centre_crop(image)
    assert np.array_equal(crop, image.transpose(2, 0, 1))
