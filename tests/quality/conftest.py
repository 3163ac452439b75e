"""Pictures drawn for the tests of degradations and measures."""

import numpy as np
import pytest

from benchmarks.tools.drawn_texture import draw_texture


@pytest.fixture(scope="session")
def textures() -> list[np.ndarray]:
    """A few textured pictures at the size at which data sets are written."""
    return [draw_texture(np.random.default_rng(i), 256, 341 - 60 * (i % 2)) for i in range(4)]


@pytest.fixture
def texture(textures: list[np.ndarray]) -> np.ndarray:
    """One textured picture."""
    return textures[0].copy()
