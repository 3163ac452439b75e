"""Measures of quality on pictures whose quality is known."""

import cv2
import numpy as np
import pytest

from utils.quality.measures import (
    IDENTICAL_DB,
    MEASURES,
    blown_share,
    brightness,
    changed_share,
    contrast,
    noise_level,
    psnr,
    sharpness,
    ssim,
)


def grey(value: int) -> np.ndarray:
    return np.full((64, 96, 3), value, np.uint8)


def test_equal_pictures(texture: np.ndarray) -> None:
    assert psnr(texture, texture) == IDENTICAL_DB
    assert ssim(texture, texture) == pytest.approx(1, abs=1e-4)
    assert changed_share(texture, texture) == 0
    assert MEASURES["colour_shift"](texture, texture) == 0


def test_plain_pictures() -> None:
    assert sharpness(grey(90)) == contrast(grey(90)) == noise_level(grey(90)) == 0
    assert brightness(grey(90)) == 90
    assert (blown_share(grey(249)), blown_share(grey(250))) == (0, 1)
    assert psnr(grey(100), grey(110)) == pytest.approx(28.13, abs=0.01)
    assert MEASURES["colour_shift"](grey(100), grey(110)) == 10


@pytest.mark.parametrize("deviation", [3, 8, 20])
def test_noise_is_estimated(deviation: float) -> None:
    noise = np.random.default_rng(0).normal(0, deviation, (256, 256, 1))
    picture = np.repeat(np.clip(np.rint(128 + noise), 0, 255).astype(np.uint8), 3, axis=2)
    assert noise_level(picture) == pytest.approx(deviation, rel=0.03)


def test_blur_lowers_sharpness_and_similarity(texture: np.ndarray) -> None:
    blurred = [cv2.GaussianBlur(texture, (0, 0), sigma) for sigma in (1, 2, 4)]
    for measure in (lambda p: sharpness(p), lambda p: ssim(p, texture)):
        values = [measure(picture) for picture in (texture, *blurred)]
        assert values == sorted(values, reverse=True)


def test_a_change_of_one_part_counts_as_that_part() -> None:
    changed = grey(100)
    changed[:32] = 140
    assert changed_share(changed, grey(100)) == 0.5


def test_a_change_of_one_colour_is_seen() -> None:
    red = grey(100)
    red[:, :, 0] += 30
    assert changed_share(red, grey(100)) == 1


def test_looking_stops_at_enough(texture: np.ndarray) -> None:
    blurred = cv2.GaussianBlur(texture, (0, 0), 2)
    share = changed_share(blurred, texture)
    for enough in (0.01, share - 0.01, share + 0.01, 1.0):
        assert (changed_share(blurred, texture, enough) >= enough) == (share >= enough)
