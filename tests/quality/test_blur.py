"""Kernels and blurs: light is neither lost nor made, and nothing shifts."""

from collections.abc import Callable

import numpy as np
import pytest

from utils.quality.effects.blur import (
    defocus_blur,
    disc_kernel,
    motion_blur,
    partial_defocus,
    path_kernel,
    rolled,
)
from utils.quality.light import to_light, to_picture

DISCS = [disc_kernel(radius, aspect, 30) for radius in (0.4, 1.3, 4.7) for aspect in (0.7, 1)]
PATHS = [
    path_kernel(length, angle, bend, pace)
    for length in (1.0, 7.5, 29.0)
    for angle in (0, 90, 161)
    for bend, pace in ((0, 0), (120, 0.8))
]


@pytest.mark.parametrize("kernel", DISCS + PATHS)
def test_kernels_sum_to_one_and_are_centred(kernel: np.ndarray) -> None:
    assert kernel.dtype == np.float32
    assert (kernel >= 0).all()
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    reach = kernel.shape[0] // 2
    offsets = np.arange(-reach, reach + 1)
    assert (kernel.sum(axis=0) * offsets).sum() == pytest.approx(0, abs=0.02)
    assert (kernel.sum(axis=1) * offsets).sum() == pytest.approx(0, abs=0.02)


def test_disc_is_anti_aliased() -> None:
    areas = [1 / disc_kernel(radius).max() for radius in np.arange(2, 4, 0.1)]
    assert np.all(np.diff(areas) > 0), "every tenth of a pixel of radius must count"


def test_path_follows_its_direction() -> None:
    kernel = path_kernel(9, 0, 0, 0)
    assert kernel[kernel.shape[0] // 2].sum() == pytest.approx(1)
    assert np.count_nonzero(kernel.sum(axis=0)) >= 9


@pytest.mark.parametrize("radius", [0.007, 0.02, 0.07])
def test_defocus_keeps_the_mean_light(texture: np.ndarray, radius: float) -> None:
    blurred = defocus_blur(texture, radius=radius)
    assert to_light(blurred).mean() == pytest.approx(to_light(texture).mean(), rel=0.01)


@pytest.mark.parametrize("length", [0.022, 0.08, 0.26])
def test_motion_keeps_the_mean_light(texture: np.ndarray, length: float) -> None:
    blurred = motion_blur(texture, length=length, angle=40, bend=60)
    assert to_light(blurred).mean() == pytest.approx(to_light(texture).mean(), rel=0.01)


@pytest.mark.parametrize("length", [0.022, 0.045, 0.085, 0.15, 0.26])
@pytest.mark.parametrize("period", [2, 3, 5, 8])
def test_stripes_stay_where_motion_is_along_them(length: float, period: int) -> None:
    across = 60 + 140 * (np.arange(256) % period < period / 2)
    stripes = np.repeat(np.tile(across.astype(np.uint8), (256, 1))[:, :, None], 3, axis=2)
    blurred = motion_blur(stripes, length=length, angle=90.0)
    assert blurred[96:160].std() > 0.98 * stripes[96:160].std()


def test_light_spreads_as_light_does() -> None:
    """Half black, half white is middle grey in linear light: 188, not 128."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    middle = defocus_blur(stripes, radius=0.06)[24:40, 24:40]
    assert abs(float(middle.mean()) - 188) < 3


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_plain_picture_stays_as_it_is_up_to_its_edges(value: int) -> None:
    plain = np.full((64, 80, 3), value, np.uint8)
    assert np.array_equal(defocus_blur(plain, radius=0.05), plain)
    assert np.array_equal(motion_blur(plain, length=0.2, angle=20), plain)
    assert np.array_equal(motion_blur(plain, length=0.2, angle=20, roll=0.5), plain)


def drawn_around(values: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Return a picture of values (0-1) of distance and direction from the middle."""
    across = np.arange(256) - 127.5
    distance, direction = np.hypot(across, across[:, None]), np.arctan2(across[:, None], across)
    grey = np.rint(40 + 170 * values(distance, direction)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def test_a_roll_keeps_rings_and_smears_spokes_the_more_the_farther_out() -> None:
    rings = drawn_around(lambda distance, _: 0.5 + 0.5 * np.sin(2 * np.pi * distance / 6))
    spokes = drawn_around(lambda _, direction: np.sin(30 * direction) > 0)
    inside = np.s_[64:192, 64:192]
    kept, smeared = (to_picture(rolled(to_light(drawn), 0.2)) for drawn in (rings, spokes))
    assert kept[inside].std() > 0.85 * rings[inside].std()
    assert smeared[inside].std() < 0.25 * spokes[inside].std()
    dot = np.full((256, 256, 3), 40, np.uint8)
    dot[126:130, 126:130] = dot[126:130, 226:230] = 200
    middle, outer = np.split(motion_blur(dot, length=0.1, angle=0, roll=1.0), 2, axis=1)
    assert middle.max() > 150 > outer[:, 80:].max()


def test_a_roll_keeps_the_mean_light(texture: np.ndarray) -> None:
    blurred = motion_blur(texture, length=0.1, angle=40, roll=0.6)
    assert to_light(blurred).mean() == pytest.approx(to_light(texture).mean(), rel=0.02)


PLANE = {"radius": 0.03, "focus": -0.3, "depth": 0.05, "ramp": 0.2, "angle": 0.0}


def test_the_plane_in_focus_stays_as_it_is(texture: np.ndarray) -> None:
    height, width = texture.shape[:2]
    middle = round(width / 2 - 0.3 * height)
    blurred = partial_defocus(texture, **PLANE)
    in_focus = np.s_[:, middle - 6 : middle + 7]
    assert np.array_equal(blurred[in_focus], texture[in_focus])


def test_far_from_it_all_is_out_of_focus(texture: np.ndarray) -> None:
    blurred = partial_defocus(texture, **PLANE)
    assert np.array_equal(blurred[:, -80:], defocus_blur(texture, radius=0.03)[:, -80:])


def test_partial_defocus_keeps_the_mean_light(texture: np.ndarray) -> None:
    blurred = partial_defocus(texture, **{**PLANE, "angle": 130.0, "curve": 0.3})
    assert to_light(blurred).mean() == pytest.approx(to_light(texture).mean(), rel=0.01)
