"""Shadows and bands: exactly so much light is missing, and only where it should be."""

import numpy as np
import pytest

from utils.quality.effects.shadow import cast_shadow, lamp_banding
from utils.quality.light import to_light

WALL = np.full((128, 160, 3), 200, np.uint8)
SHADOW = {"covered": 0.4, "place": 30.0, "lean": 10.0, "softness": 0.05}
BANDS = {"period": 0.25, "phase": 0.1, "edge": 0.0, "is_upright": False}


@pytest.mark.parametrize("thing", ["phone", "head"])
@pytest.mark.parametrize("stops", [1.0, 2.5, 4.0])
def test_a_shadow_takes_its_stops_where_it_lies_alone(thing: str, stops: float) -> None:
    ratio = to_light(cast_shadow(WALL, stops=stops, thing=thing, **SHADOW)) / to_light(WALL)
    assert ratio.max() == pytest.approx(1, abs=0.01)
    assert ratio.min() == pytest.approx(2.0**-stops, rel=0.05)
    assert (ratio[:, :, 1] < (1 + 2.0**-stops) / 2).mean() == pytest.approx(0.4, abs=0.03)


def test_a_camera_that_exposes_longer_blows_out_the_rest() -> None:
    lifted = cast_shadow(WALL, stops=2.0, thing="head", lift=0.8, **SHADOW)
    usual = cast_shadow(WALL, stops=2.0, thing="head", **SHADOW)
    assert (lifted >= usual).all()
    assert lifted.max() > 220 > usual.max()


@pytest.mark.parametrize("is_upright", [False, True])
@pytest.mark.parametrize("edge", [0.0, 0.7])
def test_bands_have_their_period_and_depth(is_upright: bool, edge: float) -> None:
    settings = {**BANDS, "edge": edge, "is_upright": is_upright}
    ratio = to_light(lamp_banding(WALL, depth=0.6, **settings))[:, :, 1] / to_light(WALL)[:, :, 1]
    lines = ratio.T if is_upright else ratio
    assert np.ptp(lines, axis=1).max() == 0, "the light changes from line to line alone"
    profile = lines[:, 0]
    assert profile[:96] == pytest.approx(profile[32:128], abs=1e-6)  # 0.25 of 128 pixels
    assert (profile.min(), profile.max()) == pytest.approx((0.4, 1), abs=0.02)


def test_without_depth_nothing_changes(texture: np.ndarray) -> None:
    assert np.array_equal(lamp_banding(texture, depth=0.0, **BANDS), texture)
    assert np.array_equal(cast_shadow(texture, stops=0.0, thing="phone", **SHADOW), texture)
