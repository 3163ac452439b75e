"""Whoever asks for more pixels than the pictures have is told so."""

import pytest

from utils.training.data.enlarging import least_stored_side, warn_of_enlarging
from utils.training.data.pictures import Picture
from utils.training.data.transforms import MIN_SCALE


@pytest.mark.parametrize("side", range(32, 512, 37))
def test_the_least_side_is_the_first_that_suffices(side: int) -> None:
    least = least_stored_side(side)
    assert (least - 1) * MIN_SCALE < side <= least * MIN_SCALE


def test_only_pictures_that_are_too_small_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    pictures = [Picture("a", 0, (256, 300)), Picture("b", 0, (500, 400)), Picture("c", 0)]
    warn_of_enlarging(pictures, 224)
    assert capsys.readouterr().err == ""
    warn_of_enlarging(pictures, 288)
    told = capsys.readouterr().err
    assert "enlarges 1 of 2 training pictures" in told
    assert "--image-size 330." in told
