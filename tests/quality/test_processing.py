"""What phones and messengers make of a picture: wax, halos, blocks, fewer pixels."""

import numpy as np
import pytest

from utils.quality.alone import acuity
from utils.quality.effects.compression import messenger, recompress
from utils.quality.effects.noise import smear
from utils.quality.measures import ssim
from utils.quality.sizes import resize, shape_at

CLEAN = {"noise_seed": 1, "noise": 0.0}
SENT = {"first_quality": 40, "last_quality": 25, "share": 0.5}


def step(height: int) -> np.ndarray:
    """A fine texture of standard deviation 6 on both sides of an edge."""
    picture = np.full((128, 128, 3), 90, np.int16)
    picture[:, 64:] += height
    picture += np.random.default_rng(0).choice([-6, 6], (128, 128, 1))
    return picture.astype(np.uint8)


def test_the_smoother_takes_texture_and_leaves_edges() -> None:
    smooth = smear(step(100), texture=18, sharpening=0.0, **CLEAN).astype(int)
    assert smooth[:, 8:48].std() < 0.4 * 6
    assert abs(smooth[:, 66:70].mean() - smooth[:, 58:62].mean()) > 85


def test_sharpening_draws_halos_at_edges() -> None:
    flat = smear(step(100), texture=18, sharpening=0.0, **CLEAN)
    haloed = smear(step(100), texture=18, sharpening=1.2, **CLEAN)
    assert haloed[:, 64:68].mean() > flat[:, 64:68].mean() + 5
    assert haloed[:, 60:64].mean() < flat[:, 60:64].mean() - 5


def test_brightness_stays(texture: np.ndarray) -> None:
    smeared = smear(texture, texture=30, noise_seed=3)
    assert smeared.mean() == pytest.approx(texture.mean(), abs=1)


def test_a_messenger_shrinks_and_compresses_twice(texture: np.ndarray) -> None:
    sent = messenger(texture, detail=0.36, **SENT)
    small = resize(texture, shape_at(texture.shape, round(256 * 0.6)))
    small = resize(recompress(small, 40), shape_at(texture.shape, round(256 * 0.36)))
    once = resize(recompress(small, 25), texture.shape, 2)  # 2: cubic
    assert np.array_equal(sent, once)


def test_fewer_pixels_and_lower_qualities_are_worse(texture: np.ndarray) -> None:
    found = [messenger(texture, detail=detail, **SENT) for detail in (0.5, 0.3, 0.17)]
    values = [ssim(picture, texture) for picture in found]
    assert values == sorted(values, reverse=True)
    assert acuity(found[0]) < 4
    low = messenger(texture, detail=0.5, **{**SENT, "last_quality": 12})
    assert ssim(low, texture) < values[0]
