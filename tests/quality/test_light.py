"""8-bit values to linear light and back."""

import numpy as np
import pytest

from utils.quality import light
from utils.quality.light import LIGHT_OF_VALUE, decode_srgb, tabulate, to_light, to_picture

EVERY_VALUE = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_every_value_survives_the_round_trip() -> None:
    assert np.array_equal(to_picture(to_light(EVERY_VALUE)), EVERY_VALUE)
    assert np.array_equal(tabulate(LIGHT_OF_VALUE), EVERY_VALUE.ravel())


def test_wide_tables_and_numpy_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).uniform(-0.2, 1.3, (64, 65, 3)).astype(np.float32)
    wide = to_picture(values)
    monkeypatch.setattr(light, "WIDE_TABLES", False)
    assert np.array_equal(to_picture(values), wide)


def test_middle_grey_and_the_ends() -> None:
    assert decode_srgb(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 0.21404, 1], abs=1e-5)
    assert to_picture(np.float32([[-1, 0, 1, 9]])).tolist() == [[0, 0, 255, 255]]


def test_conversion_leaves_its_input_alone() -> None:
    values = np.full((8, 8, 3), 1.5, np.float32)
    to_picture(values)
    assert (values == 1.5).all()
