"""Bubbles: as many as asked for, apart from each other, and the picture between them untouched."""

import numpy as np
import pytest

from utils.quality.effects.bubbles import _places, gel_bubbles

LOOK = {"bubble_seed": 5, "size": 0.12, "angle": 40.0}
SHAPE = (256, 341)


@pytest.mark.parametrize("covered", [0.08, 0.15, 0.22])
def test_they_cover_what_they_should_and_do_not_overlap(covered: float) -> None:
    bubbles = _places(SHAPE, covered, 5, 0.15)
    area = np.pi * (bubbles[:, 2] ** 2).sum() / np.prod(SHAPE)
    assert covered <= area < covered + 0.06
    away = np.hypot(*(bubbles[:, None, :2] - bubbles[:, :2]).T)
    reach = bubbles[:, None, 2] + bubbles[:, 2]
    assert (away + 1e6 * np.eye(len(bubbles)) >= reach).all()


def test_more_of_it_is_the_same_bubbles_and_others() -> None:
    few, many = (_places(SHAPE, covered, 3, 0.15) for covered in (0.1, 0.2))
    assert len(few) < len(many)
    assert np.array_equal(few, many[: len(few)])


def test_between_them_the_picture_stays(texture: np.ndarray) -> None:
    looked = gel_bubbles(texture, covered=0.1, power=0.5, rim=1.0, **LOOK)
    bubbles = _places(texture.shape[:2], 0.1, LOOK["bubble_seed"], LOOK["size"])
    rows, columns = np.indices(texture.shape[:2])
    apart = [
        np.hypot(columns - column, rows - row) > 1.5 * radius + 3 for column, row, radius in bubbles
    ]
    free = np.logical_and.reduce(apart)
    assert 0.3 < free.mean() < 0.95
    assert np.array_equal(looked[free], texture[free])
    assert not np.array_equal(looked, texture)


def test_a_bubble_of_the_same_refraction_is_invisible(texture: np.ndarray) -> None:
    looked = gel_bubbles(texture, covered=0.2, power=0.0, rim=0.0, dark=0.0, **LOOK)
    assert np.array_equal(looked, texture)
