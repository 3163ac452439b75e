"""What is left of blur is compared at one set of pictures, and what is too small is counted."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.quality import resolution
from utils.common.errors import SettingsError
from utils.quality.effects.blur import defocus_blur


def test_blur_of_a_few_pixels_is_gone_where_the_picture_is_small(
    tmp_path: Path, textures: list[np.ndarray], capsys
) -> None:
    for number, texture in enumerate(textures):
        large = cv2.resize(texture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        grain = np.random.default_rng(number).normal(0, 12, large.shape)
        sharp = np.clip(large + grain, 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"sharp{number}.png"), sharp)
        cv2.imwrite(str(tmp_path / f"soft{number}.png"), defocus_blur(sharp, radius=0.006))
    cv2.imwrite(str(tmp_path / "sharp_small.png"), sharp[:200, :200])
    sides = (96, 512)
    good = resolution.acuities(sorted(tmp_path.glob("sharp*")), sides, 300, "good")
    poor = resolution.acuities(sorted(tmp_path.glob("soft*")), sides, 300, "soft")
    assert good.shape == poor.shape == (len(textures), 4)
    assert "good: 4 pictures, 1 smaller than 300 pixels" in capsys.readouterr().out
    kept = (poor / good).mean(axis=0)
    assert kept[1] < 0.6 < 0.9 < kept[0]
    assert (kept[2:] < 0.6).all()
    looks = [*sides, *resolution.SECOND_LOOKS]
    small, whole, *_, sharpest = resolution.describe(looks, poor, good).splitlines()[-4:]
    assert small.split()[0] == "96"
    assert whole.split() == ["512", "1.000", "100%"]
    assert sharpest.endswith("1.000  100%")


@pytest.mark.parametrize(("height", "width"), [(200, 300), (256, 256), (600, 450), (3000, 4000)])
def test_the_parts_are_square_and_the_middle_one_is_in_the_middle(height: int, width: int) -> None:
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows, columns], axis=2).astype(np.int64)
    tiles = resolution.tiles_of(picture)
    side = min(256, height, width)
    assert {tile.shape for tile in tiles} == {(side, side, 2)}
    middle = tiles[len(tiles) // 2].mean(axis=(0, 1))
    assert np.abs(middle - [(height - 1) / 2, (width - 1) / 2]).max() <= 0.5
    corners = tiles[0][0, 0].tolist(), tiles[-1][-1, -1].tolist()
    assert corners == ([0, 0], [height - 1, width - 1])


def test_pictures_that_are_all_too_small_are_one_line(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), np.full((64, 64, 3), 90, np.uint8))
    with pytest.raises(SettingsError, match="No good picture has 300 pixels"):
        resolution.acuities([tmp_path / "one.png"], (64,), 300, "good")
