"""Thumbnails have their size, and a border is told from a dark or bright picture."""

import numpy as np
from PIL import Image

from utils.dataset.leakage.thumbnails import (
    CLOSE_SIDE,
    SIDE,
    close_view,
    grey,
    surroundings,
    thumbnail,
)


def test_a_thumbnail_is_the_squeezed_grey_picture(make_picture) -> None:
    picture = make_picture(1)
    pixels = grey([thumbnail(picture), thumbnail(Image.new("RGB", (40, 90), (9, 9, 9)))])
    assert pixels.shape == (2, SIDE, SIDE)
    assert set(pixels[1].ravel()) == {9}
    close = grey([close_view(picture)], CLOSE_SIDE)[0].astype(float)
    halved = close.reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    assert np.abs(halved - pixels[0]).mean() < 4


def test_a_border_reaches_from_an_edge_and_a_dark_spot_within_is_none() -> None:
    pictures = np.full((3, SIDE, SIDE), 120, np.uint8)
    pictures[0, :4] = 0
    pictures[0, :, -3:] = 255
    pictures[0, 10:20, 10:20] = 0
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    circle = np.hypot(rows, columns) > 0.9
    pictures[1][circle] = 5
    outside = surroundings(pictures)
    assert outside[0].sum() == 4 * SIDE + (SIDE - 4) * 3
    assert not outside[0, 10:20, 10:20].any()
    assert np.array_equal(outside[1], circle)
    assert not outside[2].any()
