"""Measures without a parent: what they tell, and what they are blind to."""

import cv2
import numpy as np
import pytest

from utils.quality.alone import (
    acuity,
    colour_distance,
    dead_share,
    flat_noise,
    fringe,
    highlights,
)
from utils.quality.effects.blur import motion_blur
from utils.quality.measures import luma


def plain(*colour: int) -> np.ndarray:
    return np.full((64, 96, 3), colour, np.uint8)


def test_blur_lowers_acuity(texture: np.ndarray) -> None:
    blurred = [cv2.GaussianBlur(texture, (0, 0), sigma) for sigma in (1, 2, 4)]
    values = [acuity(picture) for picture in (texture, *blurred)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 4.7 > 3 > values[2]


def test_contrast_and_brightness_cancel_out(texture: np.ndarray) -> None:
    duller = cv2.convertScaleAbs(texture, alpha=0.5, beta=60)
    assert acuity(duller) == pytest.approx(acuity(texture), rel=0.05)


@pytest.mark.parametrize("angle", [0.0, 45.0, 90.0, 135.0])
def test_blur_along_one_direction_counts(texture: np.ndarray, angle: float) -> None:
    assert acuity(motion_blur(texture, length=0.04, angle=angle)) < 0.75 * acuity(texture)


def test_a_plain_wall_has_nothing_sharp() -> None:
    assert acuity(plain(120, 120, 120)) == 0
    assert flat_noise(plain(120, 120, 120)) == fringe(plain(9, 9, 9)) == 0
    assert dead_share(plain(90, 90, 90)) == 1


def test_noise_is_told_where_it_is_flat() -> None:
    rng = np.random.default_rng(0)
    picture = plain(128, 128, 128).repeat(4, axis=0).repeat(3, axis=1).astype(float)
    clean = picture.copy()
    clean[:, :100] += rng.choice([-60, 60], (256, 100, 1))  # texture, and no noise
    noisy = picture + rng.normal(0, 8, (256, 288, 1))
    assert flat_noise(clean.astype(np.uint8)) == 0
    assert flat_noise(noisy.clip(0, 255).astype(np.uint8)) == pytest.approx(8, rel=0.2)


def test_fringes_are_where_red_and_blue_part(texture: np.ndarray) -> None:
    values = []
    for shift in (0, 1, 2, 4):
        parted = texture.copy()
        parted[:, :, 0] = np.roll(texture[:, :, 1], shift, axis=1)
        parted[:, :, 2] = np.roll(texture[:, :, 1], -shift, axis=1)
        values.append(fringe(parted))
    assert values[0] == pytest.approx(0, abs=1e-5)
    assert values[:3] == sorted(values[:3])
    assert min(values[2:]) > 0.5


@pytest.mark.parametrize("colour", [(128, 128, 128), (200, 150, 130), (95, 65, 50)])
def test_grey_and_skin_are_no_cast(colour: tuple[int, int, int]) -> None:
    assert colour_distance(plain(*colour)) < 1


@pytest.mark.parametrize("colour", [(90, 110, 200), (90, 170, 90), (255, 150, 20), (200, 60, 200)])
def test_strong_colours_are(colour: tuple[int, int, int]) -> None:
    assert colour_distance(plain(*colour)) > 1


def test_a_dark_background_is_no_dark_picture() -> None:
    hand = plain(10, 10, 10)
    hand[:, :12] = 180
    assert highlights(luma(hand)) == 180
    assert highlights(luma(plain(40, 40, 40))) == 40
