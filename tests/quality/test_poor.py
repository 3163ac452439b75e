"""Originals that are no good ones, whatever their class; and no picture has both labels."""

import cv2
import numpy as np
import pytest

from utils.common.limits import SMALLEST_GOOD
from utils.quality.kinds import KINDS
from utils.quality.poor import TOO_BLURRED, TOO_DARK, why_poor
from utils.quality.sizes import VIEW_SIDE


def test_a_good_picture_has_no_fault(textures: list[np.ndarray]) -> None:
    assert {why_poor(texture) for texture in textures} == {("", "")}


@pytest.mark.parametrize("side", [128, 256, 600])
def test_blur_is_a_fault_at_any_size(texture: np.ndarray, side: int) -> None:
    blurred = cv2.GaussianBlur(cv2.resize(texture, (side * 4 // 3, side)), (0, 0), side / 64)
    reason, detail = why_poor(blurred)
    assert reason == TOO_BLURRED
    assert detail.startswith("acuity ")


def test_darkness_is_a_fault_and_a_dark_background_is_none(texture: np.ndarray) -> None:
    dark = cv2.convertScaleAbs(texture, alpha=0.25)
    assert why_poor(dark)[0] == TOO_DARK
    dark[:, :60] = texture[:, :60]
    assert why_poor(dark) == ("", "")


@pytest.mark.parametrize("value", [90, 255])
def test_of_a_plain_picture_nobody_can_tell(value: int) -> None:
    assert why_poor(np.full((256, 300, 3), value, np.uint8)) == ("", "")


def test_a_small_picture_is_not_judged_for_sharpness(texture: np.ndarray) -> None:
    small = cv2.GaussianBlur(cv2.resize(texture, (150, SMALLEST_GOOD - 1)), (0, 0), 3)
    assert why_poor(small) == ("", "")


def test_low_resolution_leaves_fewer_pixels_than_a_good_picture_may_have() -> None:
    assert max(KINDS["low_resolution"].levels) * VIEW_SIDE < SMALLEST_GOOD


@pytest.mark.parametrize("name", ["defocus_blur", "under_exposure"])
def test_the_mildest_is_left_out_or_clearly_between(name: str, textures: list[np.ndarray]) -> None:
    """What `degrade` calls poor lies on the same side of the limit as what is left out."""
    kind = KINDS[name]
    for number, texture in enumerate(textures):
        degraded = kind.apply(texture, **kind.draw(np.random.default_rng(number), 1))
        assert kind.limit is not None
        assert not kind.limit.holds(degraded)
