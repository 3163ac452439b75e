"""Against the light all but the lamps, and what they light up, is dark."""

import numpy as np
import pytest

from utils.quality.alone import highlights, upper_quartile
from utils.quality.effects.lamps import DIM, against_light, spot_light
from utils.quality.measures import luma

LAMP = {
    "reach": 0.06,
    "spots": [[0.5, -0.4, 1.0, 1.0, 0.0]],
    "noise_seed": 1,
    "noise": 0.0,
    "halo": 0.0,
}


@pytest.mark.parametrize("brightness", [78, 39, 12])
def test_three_quarters_are_as_dark_as_asked_for(texture: np.ndarray, brightness: int) -> None:
    before = upper_quartile(luma(texture))
    dark = luma(against_light(texture, brightness=brightness, **LAMP))
    assert upper_quartile(dark) == pytest.approx(brightness * min(1, before / DIM), abs=5)


def test_a_lamp_is_blown_out_and_lights_what_is_next_to_it(texture: np.ndarray) -> None:
    height, width = texture.shape[:2]
    x, y = round(width * 0.75), round(height * 0.3)
    seen = luma(against_light(texture, brightness=20, **LAMP))
    assert seen[y, x] == 255 and highlights(seen) < 255
    hidden = luma(against_light(texture, brightness=20, is_in_view=False, spill=4.0, **LAMP))
    around = np.s_[y - 8 : y + 8, x - 8 : x + 8]
    assert hidden[around].mean() > 0.6 * luma(texture)[around].mean()
    assert hidden[-40:, :40].mean() < 0.3 * luma(texture)[-40:, :40].mean()


def test_a_warm_lamp_sheds_more_red_than_blue() -> None:
    light = spot_light((64, 96, 3), 0.2, [[0.0, 0.0, 1.0, 1.0, 0.0]], 1.0, 0.5)
    red, green, blue = light.mean(axis=(0, 1))
    assert red > green > blue
