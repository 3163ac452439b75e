"""Pictures are laid over each other to a fraction of a pixel, and strangers do not agree."""

import cv2
import numpy as np
import pytest

from utils.common.seeds import generator
from utils.dataset.leakage.alignment import lay_over

LARGE = 512
WHOLE = np.array([0, 1, 0, 1], np.float32)


def draw(number: int) -> np.ndarray:
    """Draw a picture with detail at all scales, float32 of shape (512, 512)."""
    layers = [
        cv2.resize(generator("alignment", number, cells).normal(0, 20, (cells, cells)),
                   (LARGE, LARGE), interpolation=cv2.INTER_CUBIC)
        for cells in (4, 8, 16, 32, 64)
    ]  # fmt: skip
    return np.clip(128 + sum(layers), 30, 250).astype(np.float32)


def shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).round().astype(np.uint8)


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("box", [(20, 480, 30, 470), (0, 512, 51, 461), (30, 460, 0, 512)])
def test_a_crop_is_found_to_a_fraction_of_a_pixel(side: int, box: tuple[int, ...]) -> None:
    left, width, top, height = box
    pictures = [draw(number) for number in range(6)]
    crops = [one[top : top + height, left : left + width] for one in pictures]
    outer = np.array([shrunk(one, side) for one in pictures])
    inner = np.array([shrunk(one, side) for one in crops])
    frame = np.array(box) / LARGE
    rough = frame + generator("rough").uniform(-0.02, 0.02, (len(outer), 4))
    agreeing, exact = lay_over(outer, inner, rough)
    assert np.abs(exact - frame).max() < 0.3 / side
    assert agreeing.min() > 0.75


def test_a_strip_that_hides_a_quarter_does_not_matter() -> None:
    outer = shrunk(draw(1), 32)
    inner = outer.copy()
    inner[26:] = generator("strip").integers(0, 255, (6, 32))
    agreeing, _ = lay_over(outer[None], inner[None], WHOLE[None])
    assert agreeing[0] > 0.9


def test_strangers_do_not_agree_and_neither_do_those_with_nothing_to_tell() -> None:
    pictures = np.array([shrunk(draw(number), 32) for number in range(12)])
    frames = np.tile(WHOLE, (11, 1))
    agreeing, _ = lay_over(pictures[:-1], pictures[1:], frames)
    assert agreeing.max() < 0.35
    black, flat = np.zeros((1, 32, 32), np.uint8), np.full((1, 32, 32), 120, np.uint8)
    assert lay_over(black, black, WHOLE[None])[0].tolist() == [-1]
    assert lay_over(flat, flat, WHOLE[None])[0].tolist() == [-1]
