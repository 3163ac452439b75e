"""A close-up is skin alone, has a lesion in it where there is one, and nothing printed on it."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.tools.close_up import SHARE, Window, find_close_up, skin_mask

TONES = ((255, 224, 196), (222, 171, 127), (190, 130, 95), (120, 75, 55), (75, 45, 35))
BEHIND = ((30, 60, 160), (245, 245, 245), (128, 128, 128), (20, 20, 20), (60, 130, 80))
HEIGHT, WIDTH = 480, 640
LIMB = slice(100, 420)
"""Rows of the limb that goes across the pictures from left to right."""


def limb(tone: tuple[int, int, int], behind: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Draw a limb across a picture, with the texture that skin has."""
    picture = np.full((HEIGHT, WIDTH, 3), behind, np.float32)
    picture[LIMB] = tone
    picture += np.random.default_rng(0).normal(0, 3, (HEIGHT, WIDTH, 1))
    return np.asarray(picture.clip(0, 255), np.uint8)


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("behind", BEHIND)
def test_it_lies_on_skin_of_any_tone(
    tone: tuple[int, int, int], behind: tuple[int, int, int]
) -> None:
    found = find_close_up(limb(tone, behind))
    assert found is not None
    assert found.side == round(SHARE * HEIGHT)
    assert LIMB.start - 4 <= found.top
    assert found.top + found.side <= LIMB.stop + 4


@pytest.mark.parametrize("behind", BEHIND)
def test_there_is_none_without_skin(behind: tuple[int, int, int]) -> None:
    assert find_close_up(limb(behind, behind)) is None
    narrow = limb(behind, behind)
    narrow[200:300] = TONES[1]
    assert find_close_up(narrow) is None
    assert skin_mask(narrow)[200:300].all()


@pytest.mark.parametrize("place", [(150, 220), (500, 300)])
def test_a_lesion_is_in_it(place: tuple[int, int]) -> None:
    picture = limb(TONES[1], BEHIND[0])
    cv2.circle(picture, place, 30, (150, 60, 50), -1)
    found = find_close_up(picture)
    assert found is not None
    across, down = place[0] - found.left, place[1] - found.top
    assert 30 <= across <= found.side - 30
    assert 30 <= down <= found.side - 30


def test_a_mark_is_not_in_it() -> None:
    picture = limb(TONES[1], BEHIND[0])
    for line in range(20):
        cv2.line(picture, (60, 260 + 8 * line), (220, 260 + 8 * line), (250, 250, 250), 2)
    found = find_close_up(picture)
    assert found is not None
    assert found.left >= 210
    with_mark = Window(left=40, top=200, side=found.side).cut(picture)
    assert skin_mask(with_mark).mean() < 0.95


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_it_is_as_large_a_part_at_any_size_and_holds_the_lesion(scale: float) -> None:
    picture = limb(TONES[2], BEHIND[1])
    cv2.circle(picture, (400, 250), 40, (120, 50, 40), -1)
    resized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    first, second = find_close_up(picture), find_close_up(np.asarray(resized))
    assert first is not None and second is not None
    assert abs(first.side * scale - second.side) <= 1
    for found, factor in ((first, 1.0), (second, scale)):
        across, down = 400 * factor - found.left, 250 * factor - found.top
        assert 40 * factor <= across <= found.side - 40 * factor
        assert 40 * factor <= down <= found.side - 40 * factor


def test_a_window_is_cut_as_it_says() -> None:
    picture = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert (Window(left=2, top=1, side=3).cut(picture) == picture[1:4, 2:5]).all()
